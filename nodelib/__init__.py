"""Neural ODEs, reproduced and audited: the library behind the book."""

__version__ = "0.1.0"
