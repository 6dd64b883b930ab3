"""How a long computation asks the C library to treat freed memory."""

import ctypes


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory, where it is GNU's.

    It would give every large tensor back to the system and then wait for it again, page by page,
    which costs a tenth of the training time.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_threshold, 2**30)
