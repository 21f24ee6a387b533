"""The tests, laid out as the code is; what they share is in tests/support."""
