"""Data: found, checked, read, and said where it came from."""
