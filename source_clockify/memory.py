"""Memory of the process."""

import ctypes

# The parameter of glibc's `mallopt`, and the size from which a block gets its own mapping.
_M_MMAP_THRESHOLD = -3
_LARGE = 1024 * 1024


def return_large_blocks() -> None:
    """Return large freed blocks to the system, if the C library is glibc.

    By default glibc raises this size to that of the largest freed block, and each thread keeps
    smaller ones, such as short-lived pages, tables and states.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (AttributeError, OSError, TypeError):
        # Another C library or system.
        return
