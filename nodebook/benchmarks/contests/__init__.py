"""The benchmarks, one module each with ``contests() -> list[Contest]``."""
