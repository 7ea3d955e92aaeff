"""Limits torch to one thread for a while: sums then have one order, and torch does not compete with other threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_setting = threading.RLock()  # the number of threads is one for the whole process


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Context manager and decorator; other threads that enter it wait until it is left."""
    import torch

    with _setting:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
