"""Recorded runs, the ledger of claims, and the rules between them."""
