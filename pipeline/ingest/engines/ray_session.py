"""Connects to Ray: to the running cluster, or to one that is started on this machine and ended afterwards."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import ray


@contextmanager
def ray_session() -> Iterator[None]:
    """Connects to Ray for the block; a cluster that was started here ends with it."""
    if ray.is_initialized():
        yield
        return
    with warnings.catch_warnings():
        # Ray forks only to start other programs, for which LanceDB's threads do not matter
        warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
        warnings.filterwarnings("ignore", "lance is not fork-safe", UserWarning)
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
