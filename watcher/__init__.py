"""What reacts: events in, passes over the state, maps out."""
