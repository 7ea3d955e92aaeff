"""What is covered: catches people who can be seen on some frame of a redacted clip, covers that end before the next
keyframe, and frames that nobody analysed shown as if nothing were in them."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from deploy.pictures.clips import HitVideos
from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from operators.redaction.config import CarryConfig
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.redaction.config import RedactionConfig
from pipeline.redaction.covers import Redactor
from pipeline.redaction.tracks import regions_around
from schemas.errors import InvalidValueError
from schemas.query import Hit, Place
from tests.clips import ffmpeg
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

EXACT = CarryConfig(margin_sides=0.0, most_growth_sides=0.0, hold_s=0.0)
SECONDS = 12


def no_encoder() -> Encoder:
    raise AssertionError("no words are covered: no model is needed")


def hit_in(world: World, region: dict[str, object], *, pts: int) -> Hit:
    box = tuple(float(region[name]) for name in ("x0", "y0", "x1", "y1"))  # type: ignore[arg-type]
    place = Place(box, "moving", str(region["id"]))  # type: ignore[arg-type]
    return Hit(1, 0.1, place, world.source.uri, world.source.id, pts, pts / 10, None, None, str(region["frame"]))


@pytest.fixture
def commit(tmp_path: Path) -> Callable[..., Lake]:
    """Commits segments of World(0), 100 ticks of 1/10 s with a keyframe every 5; the middle one by `change`."""

    def make(change: Callable[[SegmentRows], SegmentRows] | None = lambda rows: rows) -> Lake:
        lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
        world = World(0)
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
            committer.register(world.source)
            for number, segment in enumerate(world.segments(4)):
                rows = world.rows(segment)
                if number == 1:
                    if change is None:
                        continue
                    rows = change(rows)
                committer.commit([rows])
        return lake

    return make


def regions_at(lake: Lake, pts: int) -> list[dict[str, object]]:
    rows = lake.read("regions", columns=["id", "frame", "x0", "y0", "x1", "y1", "proposer"], where=f"pts = {pts}")
    return list(rows.to_pylist())


def pixels_of(region: dict[str, object], height: int, width: int) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = (float(region[name]) for name in ("x0", "y0", "x1", "y1"))  # type: ignore[arg-type]
    plane = np.zeros((height, width), bool)
    plane[
        math.floor(y0 * height + 1e-4) : math.ceil(y1 * height - 1e-4),
        math.floor(x0 * width + 1e-4) : math.ceil(x1 * width - 1e-4),
    ] = True
    return plane


@pytest.mark.parametrize("proposer", ["moving", "grid-4"])
def test_a_region_without_a_track_is_covered_to_the_keyframes_around_it(
    commit: Callable[..., Lake], proposer: str
) -> None:
    lake = commit()
    [region, *_] = [each for each in regions_at(lake, 50) if each["proposer"] == proposer]
    hit = hit_in(World(0), region, pts=50)
    cover = Redactor(lake, RedactionConfig(("hits",), carry=EXACT), no_encoder).of(hit, start_s=3.0, stop_s=7.0)
    box = pixels_of(region, 48, 64)
    for pts in (45, 48, 50, 53, 55):
        np.testing.assert_array_equal(cover.plane(pts, 48, 64), box)
    for pts in (44, 56):
        assert not cover.plane(pts, 48, 64).any()
    others = Redactor(lake, RedactionConfig(("others",)), no_encoder).of(hit, start_s=3.0, stop_s=7.0)
    np.testing.assert_array_equal(others.plane(53, 48, 64), ~box)
    assert others.plane(20, 48, 64).all()  # where the hit is not seen, nothing is


def test_what_moves_and_people_are_covered_and_static_windows_are_not(commit: Callable[..., Lake]) -> None:
    """The model of this lake has no calibration, so that words cover every region."""
    lake = commit()
    found = regions_around(lake, World(0).source.id, start_s=5.0, stop_s=5.0, column="vector")
    assert set(found.column("proposer")) == {"moving"}
    assert found.keyframes_s.tolist() == [number / 2 for number in range(20)]


@pytest.mark.parametrize("missing", ["not read", "failed"])
def test_frames_that_were_not_analysed_are_covered_entirely(commit: Callable[..., Lake], missing: str) -> None:
    lake = commit(None)
    if missing == "failed":
        world = World(0)
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
            committer.fail(world.segments(4)[1], state="quarantined", error="it cannot be read")
    [region, *_] = regions_at(lake, 50)
    hit = hit_in(World(0), region, pts=50)
    for what in (("hits",), ("others",)):
        cover = Redactor(lake, RedactionConfig(what, carry=EXACT), no_encoder).of(hit, start_s=2.0, stop_s=6.0)
        others = what == ("others",)
        assert [bool(cover.plane(pts, 48, 64).all()) for pts in (15, 25, 49, 50)] == [others, True, True, False]


def test_far_from_keyframes_that_were_dropped_all_is_covered(commit: Callable[..., Lake]) -> None:
    def shed(rows: SegmentRows) -> SegmentRows:
        kept = rows.frames.filter(pa.compute.less(rows.frames["pts"], 30))
        regions = rows.regions.filter(pa.compute.less(rows.regions["pts"], 30))
        return replace(rows, frames=kept, regions=regions, report=replace(rows.report, shed=4))

    lake = commit(shed)
    [region, *_] = regions_at(lake, 50)
    config = RedactionConfig(("hits",), carry=replace(EXACT, hold_s=1.0))
    cover = Redactor(lake, config, no_encoder).of(hit_in(World(0), region, pts=50), start_s=2.0, stop_s=6.0)
    # keyframes at 25 and 50: the hold of a second reaches to 35, and back to 40
    for pts, covered in ((26, False), (35, False), (36, True), (39, True), (40, False), (49, False)):
        assert cover.plane(pts, 48, 64).all() == covered, pts


def test_where_the_whole_frame_was_found_others_cover_all(commit: Callable[..., Lake]) -> None:
    lake = commit()
    hit = replace(hit_in(World(0), regions_at(lake, 50)[0], pts=50), place=Place())
    for what in (("others",), ("hits",)):
        cover = Redactor(lake, RedactionConfig(what), no_encoder).of(hit, start_s=4.0, stop_s=6.0)
        assert cover.plane(50, 48, 64).all()
        assert cover.plane(57, 48, 64).all()


def test_what_to_cover_is_checked() -> None:
    for what in ((), ("",), ("people", " ")):
        with pytest.raises(InvalidValueError, match="needs what to cover"):
            RedactionConfig(what)
    with pytest.raises(InvalidValueError, match="cannot add to it"):
        RedactionConfig(("others", "people"))
    assert RedactionConfig(("people", "hits", "a car", "people")).words == ("a person", "a car")


@pytest.fixture(scope="module")
def people(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake]:
    """The first seconds of a square that people cross, and a lake of it by the default plan."""
    folder = tmp_path_factory.mktemp("people")
    whole = data_dir / "pets09-s2l1" / "vtest.avi"
    ffmpeg("-i", str(whole), "-t", str(SECONDS), "-c", "copy", str(folder / "square.avi"))
    ingest = [sys.executable, "-m", "deploy.cli.main", "ingest", str(folder / "square.avi")]
    command = [*ingest, "--lake", str(folder / "lake")]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return folder / "square.avi", Lake.open(str(folder / "lake"))


def true_boxes(data_dir: Path) -> list[tuple[int, slice, slice]]:
    """Frame, rows and columns of each person."""
    rows = np.loadtxt(data_dir / "pets09-s2l1" / "gt.txt", delimiter=",")
    found = []
    for frame, _, x, y, width, height, counts in rows[:, :7]:
        if counts > 0 and frame <= SECONDS * 10:
            x0, y0 = max(0, math.floor(x)), max(0, math.floor(y))
            found.append((int(frame) - 1, slice(y0, math.ceil(y + height)), slice(x0, math.ceil(x + width))))
    return found


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


@pytest.mark.data
def test_no_person_of_a_redacted_clip_can_be_seen_on_any_frame(
    people: tuple[Path, Lake], data_dir: Path, tmp_path: Path
) -> None:
    """In the clip as it is decoded. A covered pixel is black; people in dark clothes are as well, so the same clip is
    made of a white video of the same length, too, in which only covers are black."""
    path, lake = people
    [source] = lake.read("sources").to_pylist()
    encoder = load_encoder("everyday", threads=1)
    redactor = Redactor(lake, RedactionConfig(("people",), style="black"), lambda: encoder)
    boxes = true_boxes(data_dir)
    assert len(boxes) > 400
    hits = [
        Hit(n, 0.0, Place(), str(path), source["id"], 10 * at, float(at), None, None, "frame")
        for n, at in enumerate(range(2, SECONDS, 4), start=1)
    ]
    with HitVideos(lake) as videos:
        for hit in hits:
            start_s, stop_s = hit.pts_s - 2, hit.pts_s + 2
            cover = redactor.of(hit, start_s=start_s, stop_s=stop_s)
            white = tmp_path / f"white-{hit.rank}.mp4"
            videos.clip(hit, white, paint=lambda pts, image, c=cover: c.paint(pts, np.full_like(image, 255)))
            real = tmp_path / f"real-{hit.rank}.mp4"
            videos.clip(hit, real, paint=cover.paint)
            first = round(start_s * 10)
            black = [(frame < 64).all(axis=2) for frame in frames_of(white)]
            shown = [(frame < 64).all(axis=2) for frame in frames_of(real)]
            assert len(black) == len(shown) == 40
            inside = [box for box in boxes if first <= box[0] < first + 40]
            for planes in (black, shown):
                least = min(float(planes[frame - first][rows, columns].mean()) for frame, rows, columns in inside)
                assert least >= 0.95
            assert np.mean([plane.mean() for plane in black]) < 0.5  # and the square can be seen


@pytest.mark.data
def test_words_cover_less_than_people_and_more_than_nothing(people: tuple[Path, Lake]) -> None:
    path, lake = people
    [source] = lake.read("sources").to_pylist()
    encoder = load_encoder("everyday", threads=1)
    hit = Hit(1, 0.0, Place(), str(path), source["id"], 20, 2.0, None, None, "frame")

    def share(*what: str) -> float:
        cover = Redactor(lake, RedactionConfig(what), lambda: encoder).of(hit, start_s=0.0, stop_s=4.0)
        return float(np.mean([cover.plane(pts, 144, 192).mean() for pts in range(40)]))

    assert 0 < share("a car") < share("a car", "people") < 0.6
