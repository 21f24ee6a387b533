"""The watcher is killed at any moment, and nothing is lost, repeated or left half made."""
