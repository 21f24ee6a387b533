"""`doctor`: whether everything is as it has to be, and the command that fixes what is not. It changes nothing."""
