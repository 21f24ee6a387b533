"""The contracts: what is accepted, what is refused and in which words."""
