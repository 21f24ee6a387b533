"""Files and directories among hostile people."""
