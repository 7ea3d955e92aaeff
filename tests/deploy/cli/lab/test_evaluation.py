"""Tables of `regionlake lab eval`. Catches figures under the wrong heading, and unknown figures shown as numbers."""

from collections.abc import Callable

import pytest

from deploy.cli.commands.lab.evaluation import codes, everyday, masks, proposals
from pipeline.lab.evaluation.codes import CodesRow, CodesTable
from pipeline.lab.evaluation.everyday import EverydayTable, Row
from pipeline.lab.evaluation.masks import MaskRecall
from pipeline.lab.evaluation.metrics import Estimate
from pipeline.lab.evaluation.proposals import ProposalRecall

Shown = Callable[[], list[list[str]]]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """The words of each printed line."""
    return lambda: [line.split() for line in capsys.readouterr().out.splitlines()]


def test_what_is_unknown_of_the_everyday_model_is_a_dash(shown: Shown) -> None:
    everyday.show(EverydayTable((Row("top-1", 0.5, None, 0.0125, 1700),), pictures=3, revision="r"))
    assert shown() == [
        ["everyday@r,", "3", "pictures"],
        ["measure", "ours", "trial", "chance", "n"],
        ["top-1", "0.500", "–", "0.013", "1,700"],
    ]


def test_masks_have_a_column_for_each_size(shown: Shown) -> None:
    masks.show([MaskRecall("segments", 0.25, {"medium": 0.5}, recall=0.125, mean_masks=9.96, ms=3.4)])
    header, row = shown()
    assert header == ["masks", "mean", "IoU", "small", "medium", "large", "recall", "at", "0.5", "a", "picture", "ms"]
    assert row == ["segments", "0.250", "–", "0.500", "–", "0.125", "10.0", "3"]


def test_codes_are_shown_beside_float_vectors(shown: Shown) -> None:
    estimate, gain = Estimate(0.5, 0.4, 0.6, 9), Estimate(0.01, None, None, 1)
    rows = (CodesRow("float vectors", None, estimate, None, 1.0), CodesRow("itq", estimate, gain, estimate, 0.5))
    codes.show(CodesTable(pictures=3, trained=600, tested=240, objects=1200, rows=rows, gain=gain))
    about, header, floats, itq, last = shown()
    assert about[:6] == ["3", "pictures;", "codes", "trained", "on", "600"]
    assert header == ["codes", "neighbours", "classes", "re-ranked", "100", "of", "float"]
    assert floats == ["float", "vectors", "–", ".500", "[.400,", ".600]", "–", "100.0%"]
    assert itq == ["itq", ".500", "[.400,", ".600]", ".010", ".500", "[.400,", ".600]", "50.0%"]
    assert last[-1] == ".010"


def test_proposals_are_counted_by_size_and_by_proposer(shown: Shown) -> None:
    found = ProposalRecall("clip.mp4", 15, 97, 0.763, 0.6, 63.5, 64, {"grid": 0.25}, {"larger": (0.75, 90)})
    proposals.show(found)
    about, header, *rows = shown()
    assert about[:3] == ["clip.mp4:", "15", "keyframes"]
    assert header == ["true", "boxes", "n", "recall", "at", "0.5"]
    assert rows == [
        ["all", "97", "0.763"],
        ["larger", "90", "0.750"],
        ["all,", "by", "grid", "alone", "97", "0.250"],
    ]
