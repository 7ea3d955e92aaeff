"""Ctrl-C: catches one that is dropped on its way, after which an ingest would go on to its end."""

import signal
from collections.abc import Iterator

import pytest

from deploy.cli.interrupt import interruptible


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """A test run in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_was_dropped_is_raised_by_the_next_check() -> None:
    with interruptible() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        # whoever called ignored it
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_ignored_it_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible() as check:
        signal.raise_signal(signal.SIGINT)
        check()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
