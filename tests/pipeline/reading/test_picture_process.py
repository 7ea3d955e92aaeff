"""Catches a picture of a query or of a lake that is decoded where a hostile one could do harm."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.readers.picture import read_picture
from operators.sandbox.confinement import unsupported
from pipeline.reading.picture_process import PictureProcess
from schemas.errors import DecodeError, SourceError
from tests.operators.readers.test_limits import huge_png


@pytest.fixture(scope="module")
def pictures() -> Iterator[PictureProcess]:
    process = PictureProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "p.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_the_child_decodes_what_this_process_would(pictures: PictureProcess, jpeg: Path) -> None:
    np.testing.assert_array_equal(pictures.picture(str(jpeg)), read_picture(str(jpeg)))
    np.testing.assert_array_equal(pictures.thumbnail(jpeg.read_bytes()), read_picture(str(jpeg)))


@pytest.mark.skipif(bool(unsupported()), reason="this kernel cannot confine a process")
def test_the_child_is_confined_in_its_only_thread_and_that_which_ends_it(pictures: PictureProcess, jpeg: Path) -> None:
    pictures.picture(str(jpeg))
    assert pictures._child is not None
    for task in Path(f"/proc/{pictures._child.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_refusals_are_those_of_a_reader(pictures: PictureProcess, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"read\.limits\.frame_px"):
        pictures.picture(str(huge_png(tmp_path / "bomb.png", 16_000)))
    with pytest.raises(SourceError, match=r"gone\.png does not exist"):
        pictures.picture(str(tmp_path / "gone.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DecodeError, match=r"text\.png cannot be decoded"):
        pictures.picture(str(tmp_path / "text.png"))
    with pytest.raises(DecodeError, match="a thumbnail is no JPEG"):
        pictures.thumbnail(b"%!PS-Adobe-3.0 EPSF-3.0")


def test_a_picture_that_kills_the_child_is_named_and_the_next_is_decoded(pictures: PictureProcess, jpeg: Path) -> None:
    pictures.picture(str(jpeg))
    assert pictures._child is not None
    os.kill(pictures._child.pid, signal.SIGKILL)
    with pytest.raises(DecodeError, match=r"p\.jpg cannot be decoded: the process died of it \(SIGKILL\)"):
        pictures.picture(str(jpeg))
    assert pictures.picture(str(jpeg)).shape == (30, 40, 3)
