"""Solvers of ordinary differential equations, and the gradients of their solutions."""
