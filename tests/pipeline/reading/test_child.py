"""Children whose parent ends while they start: catches the traceback of an ordinary Ctrl-C."""

import pytest

from pipeline.live.feeds import feed
from pipeline.reading import reader_process
from pipeline.reading.child import Child


@pytest.mark.parametrize("code", [reader_process.CHILD_CODE, feed.CHILD_CODE], ids=["reader", "feed"])
def test_a_child_whose_parent_leaves_before_it_has_started_ends_without_a_word(
    code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    child = Child(code)
    child.connection.close()
    exited = child._process.wait(timeout=60)
    child.close()
    assert (exited, capfd.readouterr().err) == (0, "")
