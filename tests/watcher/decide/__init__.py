"""From a marker to the registry."""
