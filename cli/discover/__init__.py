"""`discover`: what mail software there is on this server, and how it is set up. Nothing is changed, no secret read."""
