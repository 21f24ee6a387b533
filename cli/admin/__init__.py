"""`runv-admin-email-alias`, the administrator's command."""
