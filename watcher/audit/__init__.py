"""Who did what and when, kept for the administrator."""
