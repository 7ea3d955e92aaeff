"""Catches proposals that no longer find people in real videos, and figures of recall that are too good."""

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from operators.proposals.config import ProposalConfig
from pipeline.lab.evaluation.proposals import proposal_recall
from pipeline.plan.plan import Plan
from schemas.errors import SourceError

WIDTH, HEIGHT, FRAMES = 160, 120, 120


@pytest.mark.data
@pytest.mark.parametrize(
    ("clip", "least_recall", "least_keyframes"),
    # measured: 0.932 of 891 boxes on 157 keyframes, and 0.876 of 97 on 15
    [("pets09-s2l1", 0.85, 40), ("tud-stadtmitte", 0.8, 10)],
)
def test_the_default_plan_finds_people_of_real_videos(
    data_dir: Path, clip: str, least_recall: float, least_keyframes: int
) -> None:
    found = proposal_recall(data_dir / clip, Plan())
    assert found.recall >= least_recall
    assert found.most_boxes <= 32
    assert found.frames >= least_keyframes


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds in which something of 20×40 pixels crosses the picture, up and down, before a street."""
    folder = tmp_path_factory.mktemp("crossing")
    street = np.kron(np.random.default_rng(0).integers(60, 190, (6, 8, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    heights = random.Random(0)
    rows = []
    with av.open(str(folder / "clip.mp4"), "w") as target:
        stream = target.add_stream("libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(FRAMES):
            x, y = (3 * i) % (WIDTH - 20), heights.randrange(4, 70)
            picture = street.copy()
            picture[y : y + 40, x : x + 20] ^= 128
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            rows.append(f"{i + 1},1,{x},{y},20,40,1,-1,-1,-1\n")
        target.mux(stream.encode(None))
    (folder / "gt.txt").write_text("".join(rows))
    return folder


def test_what_crosses_the_picture_is_found_by_its_motion(dataset: Path) -> None:
    decoded: list[int] = []
    found = proposal_recall(dataset, Plan(), on_progress=decoded.append)
    assert found.clip == "clip.mp4"
    assert found.true_boxes == found.frames > 10
    assert found.recall == found.by_proposer["moving"] == 1.0
    assert found.by_size == {"larger": (1.0, found.true_boxes)}
    assert 0.8 < found.mean_iou <= 1.0
    assert 0 < found.mean_boxes <= found.most_boxes <= 32
    assert decoded[-1] == FRAMES


def test_boxes_that_lie_elsewhere_find_nothing(dataset: Path) -> None:
    found = proposal_recall(dataset, Plan(proposals=ProposalConfig(use=("grid",))))
    assert set(found.by_proposer) == {"grid"}  # of both scales
    assert found.recall == found.by_proposer["grid"] < 0.5
    assert found.mean_boxes == found.most_boxes == 4 + 16


def test_without_proposals_nothing_is_found(dataset: Path) -> None:
    found = proposal_recall(dataset, Plan(proposals=ProposalConfig(use=())))
    assert (found.recall, found.mean_iou, found.most_boxes, found.by_proposer) == (0.0, 0.0, 0, {})


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gt\.txt"):
        proposal_recall(tmp_path, Plan())


def test_truth_without_a_box_that_counts_is_refused(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes((dataset / "clip.mp4").read_bytes())
    (tmp_path / "gt.txt").write_text("1,1,0,0,10,10,0\n")
    with pytest.raises(SourceError, match=r"keyframes of .*clip\.mp4 has a true box"):
        proposal_recall(tmp_path, Plan())
