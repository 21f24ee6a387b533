"""What people type: the member command and the administrator command.

Both only show state and drop files; the watcher alone decides what becomes of them.
"""
