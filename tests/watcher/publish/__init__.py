"""From the registry to a map that Postfix reads."""
