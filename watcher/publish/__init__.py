"""From the registry to the lookup table that Postfix asks."""
