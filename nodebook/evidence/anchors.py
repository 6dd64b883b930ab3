"""The places on the book's pages that a chapter, a claim and an experiment have."""


def of_chapter(chapter: str) -> str:
    """The place on the scorecard page of the claims that a chapter ("02") tests."""
    return f"scorecard-{chapter}"


def of_claim(name: str) -> str:
    """The place on the scorecard page of one claim."""
    return f"claim-{name}"


def of_experiment(name: str) -> str:
    """The place of an experiment on the page of the recorded runs."""
    return f"runs-{name.replace('_', '-')}"
