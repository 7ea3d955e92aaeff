"""The benchmark of a GPU, in a tiny form on whatever there is. Catches a part that no longer runs, which would only be
noticed where a GPU is at hand, and a column of a GPU that a CPU fills."""

import sys

import pytest
import torch

from tests.bench.gpu import Ingest, conclusion, decoding, entry_named, main
from tests.conftest import ROOT

CLIP = ROOT / "tests" / "fixtures" / "lake-0.1.0" / "clip.mp4"
WITHOUT = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
TINY = ["--seconds", "1", "--encoder", "everyday", "--detector", "", "--frames", "1", "--regions", "2"]


def test_every_part_runs_and_the_end_says_what_limits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", str(CLIP), *TINY])
    main()
    printed = capsys.readouterr().out
    for part in ("| clip.mp4 | h264 | 96×64 |", "everyday ", "a whole ingest: 4 s of video", "limited by "):
        assert part in printed
    assert "5 keyframes" in printed  # as many as the lake of this clip has


@WITHOUT
def test_without_a_gpu_its_columns_are_empty() -> None:
    found = decoding(CLIP, most_s=0.2)
    assert found.gpu is None
    assert found.why
    assert found.cpu > found.rate
    lines = conclusion(Ingest(60.0, 30.0, 40, {"read": 4.0, "embed": 20.0, "commit": 2.0}, None))
    assert lines[0].endswith("2.0 × real time, 40 keyframes; use of the GPU –")
    assert lines[1].startswith("limited by embed")
    assert lines[4] == "| files, × real time | – | 2.0 | 125 |"
    assert lines[-1] == "There was no GPU on this machine, so every column of a GPU is empty."


def test_a_model_that_is_not_there_is_named_with_those_that_are() -> None:
    assert entry_named("rt-detr r50").name == "RT-DETR R50"
    with pytest.raises(SystemExit, match=r"no model YOLO; there are everyday, .*RT-DETR R50"):
        entry_named("YOLO")
