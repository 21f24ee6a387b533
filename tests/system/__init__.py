"""The whole journey on the platform it is meant for: a booted Debian 13 with the package installed."""
