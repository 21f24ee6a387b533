"""More than one mail host: hosts with networks of their own, joined by a wire."""
