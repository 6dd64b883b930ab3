"""The data sets, one module each: read from files, or made."""
