"""Memory of the process."""

import ctypes

# The parameter of glibc's `mallopt`, and the size from which on a block is a mapping of its own.
_M_MMAP_THRESHOLD = -3
_LARGE = 1024 * 1024


def return_large_blocks() -> None:
    """Let large blocks go back to the system when they are freed, where the C library is glibc.

    By itself glibc raises the size of what it returns to that of the largest block that was freed,
    and each thread keeps the rest: of pages, tables and states that live for a moment.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (AttributeError, OSError, TypeError):
        # Another C library or system.
        return
