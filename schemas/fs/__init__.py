"""Files and directories that others may change at any moment."""
