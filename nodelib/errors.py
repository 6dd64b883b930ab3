"""The errors that a user of the book can meet, each with one clear message."""


class NodelibError(Exception):
    """Base of every error whose message is meant for the user, not for a traceback reader."""


class DataError(NodelibError):
    """A data file or directory is missing, damaged or not what it says it is."""


class ChecksumError(DataError):
    """A file's SHA-256 is not the published one."""


class OfflineError(DataError):
    """Data is not at hand and the network is switched off or out of reach."""


class SolverError(NodelibError):
    """An ODE solve cannot start or cannot go on."""


class ChangedFieldError(SolverError):
    """A backward pass found that the field is no longer the function that was solved."""


class ModelError(NodelibError):
    """A model or its training was asked for something that it cannot be."""
