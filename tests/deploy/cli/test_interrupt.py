"""Ctrl-C: catches one that is dropped on its way, after which an ingest would go on to its end."""

import signal

import pytest

from deploy.cli.interrupt import interruptible


def test_an_interrupt_that_was_dropped_is_raised_by_the_next_check() -> None:
    with interruptible() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        # whoever called ignored it
        with pytest.raises(KeyboardInterrupt):
            check()


def test_the_handler_before_is_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
