"""The contracts: one typed record per file on disk, and the rules that each of them must keep.

Everything that crosses a trust boundary is parsed here into a record or refused. Imports nothing of ours.
"""
