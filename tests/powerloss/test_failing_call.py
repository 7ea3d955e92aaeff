"""Catches a commit, or a batch in the spool, of which half is there after a call of the system failed: a sample of what
`python -m tests.powerloss calls allocations` runs."""

import random

import pytest

from tests.powerloss.calls.victims import Victims
from tests.powerloss.failing_commit import ALLOCATIONS, CALLS, FailingWork, Failure, Work, commit, spool


@pytest.fixture(scope="module")
def failing(victims: Victims, tmp_path_factory: pytest.TempPathFactory) -> FailingWork:
    return FailingWork.of(victims, tmp_path_factory.mktemp("failing"))


@pytest.mark.parametrize("failure", [*CALLS, ALLOCATIONS], ids=str)
@pytest.mark.parametrize("work", [commit, spool])
def test_after_a_call_failed_all_of_it_is_there_or_nothing(failing: FailingWork, work: Work, failure: Failure) -> None:
    count = failing.count(work, failure)
    assert count > 0
    number = random.Random(str(failure)).randint(1, count)
    # what fails once is tried again by the same process, what goes on failing by the next one
    assert list(failing.problems(work, failure, number, again=not failure.on)) == [], number
