"""Ctrl-C: catches an interrupt that is dropped, after which an ingest would continue to its end."""

import signal
from collections.abc import Iterator

import pytest

from deploy.cli.interrupt import interruptible
from tests.signals import default_signals


@pytest.fixture(autouse=True)
def obeyed() -> Iterator[None]:
    with default_signals():
        yield


def test_an_interrupt_that_was_dropped_is_raised_by_the_next_check() -> None:
    with interruptible() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        # the parent process ignored it
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_ignored_it_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible() as check:
        signal.raise_signal(signal.SIGINT)
        check()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
