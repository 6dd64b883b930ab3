"""Data: found, checked, read, and said where it came from.

Each loader looks in the ``NODELIB_DATA`` directory, then in the cache (``NODELIB_CACHE``, or the
user's cache directory), then at the official source (not where ``NODELIB_OFFLINE=1``), and then
uses a stand-in that works offline. ``allow_standin=False`` raises instead of using one.
"""

from nodelib.data.digits import Mnist, mnist
from nodelib.data.find.provenance import Provenance
from nodelib.data.fingerprints import fingerprint
from nodelib.data.physionet import Database, chfdb, mitdb, nsrdb
from nodelib.data.records import Record, read_record
from nodelib.data.rr import RRDatabase, chf2db, nsr2db
from nodelib.data.toy import Toy, toy_ecg

__all__ = [
    "Database",
    "Mnist",
    "Provenance",
    "RRDatabase",
    "Record",
    "Toy",
    "chf2db",
    "chfdb",
    "fingerprint",
    "mitdb",
    "mnist",
    "nsr2db",
    "nsrdb",
    "read_record",
    "toy_ecg",
]
