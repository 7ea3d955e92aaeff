"""Catches true boxes that are read for the wrong frame or in the wrong place, and missing ones without an error."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from operators.readers.video import VideoReader
from pipeline.lab.datasets.mot import read_mot, read_sequence
from schemas.errors import SourceError

WIDTH, HEIGHT, SQUARE, FRAMES = 160, 120, 24, 30


def place(i: int) -> tuple[int, int]:
    """Upper left corner of a white square in frame i, counted from 0."""
    return 4 * i, 60 - 2 * i


def draw_clip(path: Path) -> None:
    """A white square on black, with B-frames, so that decoding order is not the order shown."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"bf": "2", "crf": "18"}
        for i in range(FRAMES):
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            x, y = place(i)
            picture[y : y + SQUARE, x : x + SQUARE] = 255
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode(None))


def truth() -> list[str]:
    """Rows of gt.txt: the square from frame 1 on, and a row in each frame that does not count."""
    rows = []
    for i in range(FRAMES):
        x, y = place(i)
        rows += [f"{i + 1},1,{x},{y},{SQUARE},{SQUARE},1,-1,-1,-1", f"{i + 1},2,80,60,40,40,0,-1,-1,-1"]
    return rows


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[[list[str]], Path]:
    """A folder with the clip, and gt.txt with the given rows."""

    def make(rows: list[str]) -> Path:
        draw_clip(tmp_path / "clip.mp4")
        (tmp_path / "gt.txt").write_text("\n".join(rows) + "\n")
        return tmp_path

    return make


def test_every_frame_has_the_boxes_of_what_it_shows(dataset: Callable[[list[str]], Path]) -> None:
    sequence = read_sequence(dataset(truth()))
    shown = 0
    with VideoReader(sequence.source.uri, sequence.source) as reader:
        for frame in reader.frames(sequence.source.span.start):
            boxes = sequence.boxes[frame.pts]
            assert len(boxes) == 1  # the row of confidence 0 is none
            bright = np.argwhere(frame.image()[..., 0] > 128)
            found_px = [*bright.min(axis=0)[::-1], *(bright.max(axis=0)[::-1] + 1)]
            # a pixel of slack for the codec
            np.testing.assert_allclose(boxes.to_pixels(width_px=WIDTH, height_px=HEIGHT)[0], found_px, atol=1)
            shown += 1
    assert shown == len(sequence.boxes) == FRAMES


def test_every_third_frame_that_shows_somebody_comes_with_its_picture(dataset: Callable[[list[str]], Path]) -> None:
    rows = [row for row in truth() if row.split(",")[0] not in ("1", "4")]
    frames = list(read_sequence(dataset(rows)).peopled_frames(every=3))
    assert len(frames) == FRAMES // 3 - 2  # the first and the fourth show nobody
    image, boxes = frames[0]  # the seventh
    x, y = place(6)
    assert image[y + SQUARE // 2, x + SQUARE // 2].min() > 200
    np.testing.assert_allclose(boxes.xyxy[0, :2] * [WIDTH, HEIGHT], [x, y], atol=1e-3)


def test_rows_in_any_order_and_beyond_the_picture_are_read(dataset: Callable[[list[str]], Path]) -> None:
    rows = ["3,1,-20,100.5,60.5,80,0.5", "1,1,8,6,16,12,1"]
    sequence = read_sequence(dataset(rows))
    first, second, third, *rest = (sequence.boxes[pts] for pts in sorted(sequence.boxes))
    np.testing.assert_allclose(first.xyxy, [[0.05, 0.05, 0.15, 0.15]], rtol=1e-5)
    np.testing.assert_allclose(third.xyxy, [[0, 100.5 / HEIGHT, 40.5 / WIDTH, 1]], rtol=1e-5)
    assert [len(boxes) for boxes in (second, *rest)] == [0] * (FRAMES - 2)


def test_identities_stand_in_the_order_of_their_boxes(dataset: Callable[[list[str]], Path]) -> None:
    rows = ["2,7,8,6,16,12,1", "1,3,40,30,16,12,1", "1,7,0,6,16,12,1", "1,9,0,6,16,12,0"]
    sequence = read_sequence(dataset(rows))
    first, second, third, *_ = sorted(sequence.boxes)
    assert [sequence.identities[pts].tolist() for pts in (first, second, third)] == [[3, 7], [7], []]
    np.testing.assert_allclose(sequence.boxes[first].xyxy[:, 0], [40 / WIDTH, 0])


def test_truth_that_marks_nothing_is_read_as_frames_without_boxes(dataset: Callable[[list[str]], Path]) -> None:
    sequence = read_sequence(dataset(["1,1,0,0,10,10,0"]))
    assert [len(boxes) for boxes in sequence.boxes.values()] == [0] * FRAMES


def test_a_missing_gt_file_is_named(dataset: Callable[[list[str]], Path]) -> None:
    folder = dataset(truth())
    (folder / "gt.txt").unlink()
    with pytest.raises(SourceError, match=r"needs gt\.txt"):
        read_sequence(folder)


def test_two_videos_are_refused(dataset: Callable[[list[str]], Path]) -> None:
    folder = dataset(truth())
    (folder / "other.AVI").write_bytes(b"")
    with pytest.raises(SourceError, match="it has 2 videos"):
        read_sequence(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,1,0,0,10", r"gt\.txt:2: a row is frame, identity, .* got '1,1,0,0,10'"),
        ("1,1,0,zero,10,10,1", r"gt\.txt:2: a row is"),
        ("1,1,0,0,-10,10,1", r"gt\.txt:2: a row is"),
        ("31,1,0,0,10,10,1", r"gt\.txt: row 2 is of frame 31 of 30"),
        ("1,1,0,0,10,10,1,14,1", r"gt\.txt:2: class 14 is none"),
        ("1,1,0,0,10,10,1,3,1", r"gt\.txt:2: has 9 columns, other than"),
    ],
)
def test_a_row_that_is_none_is_named(dataset: Callable[[list[str]], Path], row: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_mot(dataset(["1,1,8,6,16,12,1,-1,-1,-1", row]))


def test_numbered_pictures_and_classes_of_later_years_are_read(tmp_path: Path) -> None:
    for part in ("img1", "gt"):
        (tmp_path / part).mkdir()
    for number in (1, 2):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "img1" / f"{number:06}.jpg")
    (tmp_path / "gt" / "gt.txt").write_text("2,5,16,12,32,24,1,3,0.5\n2,6,0,0,16,12,0,8,1\n")
    found = read_mot(tmp_path)
    assert found.video is None
    assert [frame.path.name for frame in found.frames] == ["000001.jpg", "000002.jpg"]
    objects = found.frames[1].objects
    assert [found.classes[n].name for n in objects.labels] == ["car", "distractor"]
    assert objects.counted.tolist() == [True, False]
    assert objects.identities.tolist() == [5, 6]
    np.testing.assert_allclose(objects.boxes.xyxy[0], [0.1, 0.1, 0.3, 0.3], rtol=1e-6)
    with pytest.raises(SourceError, match="has no split 'val'"):
        read_mot(tmp_path, split="val")


@pytest.mark.data
def test_a_real_sequence_has_the_rows_of_its_file(data_dir: Path) -> None:
    rows = np.loadtxt(data_dir / "pets09-s2l1" / "gt.txt", delimiter=",")
    found = read_mot(data_dir / "pets09-s2l1")
    assert len(found.frames) == 795
    assert found.objects == len(rows)
    assert sum(int(f.objects.counted.sum()) for f in found.frames) == (rows[:, 6] > 0).sum() == 4476
    assert [len(f.objects) for f in found.frames] == [int((rows[:, 0] == n).sum()) for n in range(1, 796)]
