"""The errors of the book's own machinery, each with one clear message."""

from nodelib.errors import NodelibError


class ResultsError(NodelibError):
    """A recorded run is missing, malformed or does not re-derive."""


class LedgerError(NodelibError):
    """The ledger of claims does not fit its schema or names evidence that does not exist."""


class ExecutionError(NodelibError):
    """A notebook could not be run or failed."""


class BuildError(NodelibError):
    """The book could not be rendered."""
