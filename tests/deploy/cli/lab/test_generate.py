"""`regionlake lab generate`: catches unreadable folders, and errors that do not name a missing renderer."""

import subprocess
import sys
from pathlib import Path

from pipeline.lab.datasets.read import read_dataset
from tests.deploy.cli.conftest import Run


def test_rendered_shapes_are_data_sets_that_evaluation_reads(regionlake: Run, tmp_path: Path) -> None:
    out = tmp_path / "gen"
    done = regionlake("lab", "generate", out, "--shapes", "--train", "2", "--test", "1", "--size", "96x80")
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("\n", "").count("pictures with") == 4
    for name, pictures in (("train", 2), ("test", 1), ("test-small", 1), ("test-large", 1)):
        dataset = read_dataset(out / name, layout=None, split=None)
        assert len(dataset.frames) == pictures
        assert (dataset.frames[0].width_px, dataset.frames[0].height_px) == (96, 80)
        assert len(dataset.frames[0].objects)
        assert any(each.name.startswith("red metal ") for each in dataset.classes)


def test_without_the_renderer_the_extra_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    code = "import sys; sys.modules['mitsuba'] = None; from deploy.cli.main import main; main()"
    out = tmp_path / "gen"
    command = [sys.executable, "-c", code, "lab", "generate", str(out), "--shapes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "pip install 'regionlake[shapes]'" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not out.exists()
