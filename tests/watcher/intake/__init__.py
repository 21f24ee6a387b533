"""From a queue entry to a record or a counted refusal."""
