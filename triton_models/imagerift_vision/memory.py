"""A process that gives the memory of one picture back before the next one."""

import ctypes

# glibc's names for them in malloc.h, and sizes in bytes.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20


def map_large_buffers() -> None:
    """Have glibc map each large buffer by itself, so that freeing it returns it at once.

    By itself it raises the bound to the largest buffer that was freed, and keeps holes between
    the buffers under it.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:
        option(_M_MMAP_THRESHOLD, _LARGE)
        option(_M_TRIM_THRESHOLD, _LARGE)


def give_memory_back() -> None:
    """Return freed pages to the system: glibc would keep the largest picture's for the next one."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
