"""What reacts: one folder here for each room, as the code is laid out."""
