"""`runv-email-alias`, the member's command."""
