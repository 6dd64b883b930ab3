"""Benchmarks of many points instead of a ratio; ``measure(repeats)`` of each returns them."""
