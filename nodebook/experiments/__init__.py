"""The recorded experiments, a package for each chapter (see ``nodebook.evidence.registry``)."""
