"""Tables of `regionlake lab eval`. Catches figures under the wrong heading, and unknown figures shown as numbers."""

from collections.abc import Callable

import pytest

from deploy.cli.commands.lab.evaluation import codes, confidence, counts, everyday, identities, masks, proposals
from pipeline.lab.evaluation.codes import CodesRow, CodesTable
from pipeline.lab.evaluation.confidence import Bin, ConfidenceTable, CutOffs, Reliability
from pipeline.lab.evaluation.counts import CountsRow, CountsTable
from pipeline.lab.evaluation.everyday import EverydayTable, Row
from pipeline.lab.evaluation.identities import IdentitiesRow, IdentitiesTable
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
        ["measure", "everyday", "everyday-1", "chance", "n"],
        ["top-1", "0.500", "–", "0.013", "1,700"],
    ]


def test_confidences_are_shown_beside_the_share_of_right_hits(shown: Shown) -> None:
    bins = (Bin(0.25, 0.5, 20), Bin(0.75, 1.0, 20))
    rows = (
        Reliability("names", 80, 4000, 0.125, 0.02, 0.4, bins),
        Reliability("whole pictures", 9, 40, 0.5, 0.1, 0.3, bins),
    )
    cuts = (CutOffs("cosine", 0.4, 0.5, 71, 513), CutOffs("confidence", 0.45, 0.5, 71, 513))
    confidence.show(ConfidenceTable("everyday@r", "p", pictures=128, training=1500, cut_offs=cuts, reliability=rows))
    lines = [line for line in shown() if line]
    assert lines[0][:3] == ["everyday@r,", "128", "pictures;"]
    assert lines[2] == ["cosine", "0.400", "0.500", "0.800", "71", "513"]
    assert lines[3][:4] == ["confidence", "0.450", "0.500", "0.900"]
    assert lines[5] == ["names", "80", "4,000", "0.125", "0.020", "0.400"]
    assert lines[-2:] == [["1", *["0.250", "0.500"] * 2], ["2", *["0.750", "1.000"] * 2]]


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
    found = ProposalRecall("clip.mp4", 15, 97, 0.763, 0.35, 4.2, 0.6, 63.5, 64, {"grid": 0.25}, {"larger": (0.75, 90)})
    proposals.show(found)
    about, header, *rows = shown()
    assert about[:3] == ["clip.mp4:", "15", "keyframes"]
    assert " ".join(about[-7:]) == "precision 0.350, 4.2 for each box found"
    assert header == ["true", "boxes", "n", "recall", "at", "0.5"]
    assert rows == [
        ["all", "97", "0.763"],
        ["larger", "90", "0.750"],
        ["all,", "by", "grid", "alone", "97", "0.250"],
    ]


def test_region_vectors_are_compared_once_each_with_crops_and_map_first() -> None:
    plans = identities.compared_plans(None, model=None, settings=["regions.context=2"], compare=identities.COMPARED)
    assert {name: (plan.regions.mode, plan.regions.context) for name, plan in plans.items()} == {
        "regions.mode=both": ("both", 1.4),
        "regions.context=2": ("pool", 2.0),  # the default of the embedded model
        "regions.context=2; regions.mode=crop": ("crop", 2.0),
    }
    same = ["regions.mode=both", "run.segment_s=5", "regions.mode=crop;regions.crop_px=96"]
    plans = identities.compared_plans(None, model=None, settings=[], compare=same)
    assert list(plans) == ["regions.mode=both", "default plan", "regions.mode=crop;regions.crop_px=96"]


def test_who_is_found_again_is_shown_beside_its_cost(shown: Shown) -> None:
    first, gain = Estimate(0.5, None, None, 1), Estimate(-0.25, None, None, 1)
    rows = (
        IdentitiesRow("regions.mode=both", "everyday", first, first, None, 1234.5),
        IdentitiesRow(
            "regions.mode=pool", "everyday", Estimate(1.0, None, None, 1), Estimate(0.25, None, None, 1), gain, 9
        ),
    )
    identities.show(IdentitiesTable("clip.mp4", 3, 9, 4, 8, 64, rows))
    about, header, *figures = shown()
    assert about == (
        "clip.mp4: 9 true boxes of 4 people in 3 frames; 8 questions; CPU time of a keyframe with 64 regions".split()
    )
    assert header == ["region", "vectors", "P@1", "mAP", "Δ", "mAP", "CPU", "ms"]
    assert figures == [
        ["regions.mode=both", ".500", ".500", "–", "1234"],
        ["regions.mode=pool", "1.000", ".250", "-.250", "9"],
    ]


def test_errors_of_counts_are_below_the_true_means(shown: Shown) -> None:
    rows = (CountsRow("tracks", 30, (21.0, 9.5), 2.75), CountsRow("people", 9, (1.0, 0.5), 0.25))
    counts.show(CountsTable("a.mp4", 15, 10, (60.0, 10.0), (10.0, 6.0), 0.75, rows))
    _, header, *found = shown()
    assert " ".join(header) == "counted things people in 60 s people in 10 s crossings of a line"
    assert found == [
        ["(true", "mean)", "10", "10.00", "6.00", "0.75"],
        ["tracks", "30", "21.00", "9.50", "2.75"],
        ["people", "9", "1.00", "0.50", "0.25"],
    ]
