"""Processes with other uids that attack a running watcher by way of the queue."""
