"""Parsers and escapes under input that nobody foresaw: by hypothesis, from a kept corpus, and guided by coverage."""
