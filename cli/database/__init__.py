"""A map in a database, for the commands that look at one, set it up or examine it."""
