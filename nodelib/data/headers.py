"""Headers of WFDB records: read, checked, and asked for age and sex.

The format is described in https://physionet.org/physiotools/wag/header-5.htm.
"""

import re
from pathlib import Path

import wfdb

from nodelib.errors import DataError

OLDEST = 120
"""Years; a higher age stands for an unknown or hidden one (300 in PTB-XL is "over 89")."""

_NUMBER = r"(?P<age>\d+(?:\.\d+)?)(?!\d)(?!\s*(?:months?|weeks?|days?|hours?)\b)"
_AGE = re.compile(rf"\bage\b(?:\s*\(?(?:in )?years\)?)?[\s>:=]*{_NUMBER}", re.IGNORECASE)
_SEX = re.compile(r"\b(?:sex|gender)\b[\s>:=]*(male|female|m|f)\b", re.IGNORECASE)
_BOTH = re.compile(
    r"(?:(?P<age>\d+)|-\d+|\?)(?:\s*(?:years?|yrs?|y/?o))?,?\s+(?P<sex>[MF]|(?i:male|female))\b"
)


def read(path: Path) -> wfdb.Record | wfdb.MultiRecord:
    """The header of a record of one segment or several.

    Of the former ``sig_len`` is None or 0 where the header gives no length.

    Args:
        path: directory and record name, without a suffix.

    Raises:
        DataError: if it is missing or malformed, or announces another number of signals, or of
            segments, than it describes.
    """
    file = path.with_name(path.name + ".hea")
    if not file.is_file():
        raise DataError(f"{file} is missing: copy or download the record's header")
    _check_letters(file)
    try:
        header = wfdb.rdheader(str(path))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OSError) as error:
        raise DataError(f"{file} is not a WFDB header ({error}): replace it") from error
    several = isinstance(header, wfdb.MultiRecord)
    announced = header.n_seg if several else header.n_sig
    described = len((header.seg_name if several else header.file_name) or ())
    if described != announced:
        raise DataError(
            f"{file} announces {announced} {'segments' if several else 'signals'} and describes "
            f"{described}: replace it"
        )
    if not header.fs > 0:
        raise DataError(f"{file} gives a sampling frequency of {header.fs} Hz: correct its line 1")
    return header


def age_and_sex(comments: list[str]) -> tuple[int | None, str | None]:
    """Age in whole years and sex (M or F) from a header's comments; None where not stated.

    Read are the forms of PhysioNet's databases: ``69 M 1085 1629 x1``, ``Age: 71  Sex: M``, ``Age:
    71`` and ``Sex: Female`` on lines of their own, ``<age>: 69  <sex>: M``. An age in months, or
    over :data:`OLDEST`, is not known.
    """
    texts = [comment.strip() for comment in comments]
    age = next((found["age"] for text in texts if (found := _AGE.search(text))), None)
    sex = next((found[1] for text in texts if (found := _SEX.search(text))), None)
    if both := next((found for text in texts if (found := _BOTH.match(text))), None):
        age, sex = age or both["age"], sex or both["sex"]
    years = None if age is None or float(age) > OLDEST else int(float(age))
    return years, sex[0].upper() if sex else None


def _check_letters(file: Path) -> None:
    # wfdb leaves out what is not ASCII: a signal in uV, written with the Greek letter, would be
    # read as one in V.
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error})") from error
    for number, line in enumerate(lines, 1):
        if not line.isascii() and not line.lstrip().startswith(b"#"):
            raise DataError(
                f"{file} has a letter in line {number} that is not ASCII, as only comments may "
                f"({line.decode(errors='replace')!r}): replace it, a Greek mu by a u"
            )
