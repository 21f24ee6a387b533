"""What is installed besides the programs: what systemd reads, and the scripts of `make install`."""
