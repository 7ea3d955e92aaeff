"""Torch on one thread for a while: sums then have one order, and threads of our own do not fight torch's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_setting = threading.RLock()  # the number of threads is one for the whole process


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Also a decorator. Others that ask for it wait until it is given back."""
    import torch

    with _setting:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
