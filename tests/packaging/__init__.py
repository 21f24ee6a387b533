"""The Debian package: built once, taken apart, and its scripts run below a directory."""
