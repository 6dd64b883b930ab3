"""Figures and tables, from their style to their captions."""
