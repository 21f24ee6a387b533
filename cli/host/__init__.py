"""Asking the machine about itself: Postfix, systemd, Debian's packages. Nothing here changes anything."""
