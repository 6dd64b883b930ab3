"""Recorded experiments, one module each."""
