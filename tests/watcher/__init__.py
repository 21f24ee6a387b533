"""What reacts: one folder here for each folder of it, as the code is laid out."""
