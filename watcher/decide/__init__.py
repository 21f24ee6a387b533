"""From an administrator's marker, or a member's active cancel, to the registry."""
