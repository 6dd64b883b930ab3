"""Memory that tensors have freed, kept for the next ones.

glibc gives the memory of large arrays back to the system as soon as they are freed, and the next
ones come as pages that the system must first fill with zeros. In a training whose batches are of
some megabytes that is a tenth of the time.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
NEVER = 2**31 - 1
LARGEST = 1 << 25
"""Arrays above 32 MiB still come from the system: older versions of glibc take no larger number."""


def keep_freed_memory() -> bool:
    """Keep what is freed from now on in this process; whether the C library could be told to."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    settings = {M_TRIM_THRESHOLD: NEVER, M_MMAP_THRESHOLD: LARGEST}
    return all(library.mallopt(option, value) == 1 for option, value in settings.items())
