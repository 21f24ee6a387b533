"""Publishing into a database that Postfix asks."""
