"""The journey from a request to forwarded mail, played with the real programs: `make demo`."""
