"""Convolutions on small maps, pixels first, as matrix products."""
