"""Saved watches: catches one that is read as another, lost or doubled, and pictures that stay or go with another."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.watch.hours import Hours
from pipeline.watch.saved_watches import SavedWatches
from pipeline.watch.watch import Watch
from pipeline.watch.watch_list import ListedWatch, read_watches
from schemas.errors import PlanError
from schemas.query import Query

BOX = ListedWatch(Watch("door", Query(box=(0.1, 0.1, 0.4, 0.4)), max_distance=0.5), "door")
FULL = ListedWatch(
    Watch(
        "car",
        Query(
            text="red car", not_text=("a bus",), zones=("0,0 1,0 0.5,1",), min_inside=0.8, weight=0.75,
            min_confidence=0.4,
        ),
        None,
        60.0,
        120.0,
        Hours.parse("mon-fri 20:00-06:00 Europe/Berlin"),
        ("gate", "/videos/yard.mp4"),
    ),
    "Red car, after 20:00",
    paused=True,
)  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> SavedWatches:
    return SavedWatches(tmp_path / "watch" / "saved.toml")


def test_what_is_saved_is_read_as_the_same(saved: SavedWatches) -> None:
    assert saved.read() == []
    for each in (BOX, FULL):
        saved.save(each, most=2, new=True)
    assert saved.read() == [BOX, FULL]
    assert read_watches(saved.path) == [BOX.watch]  # regionlake watch --queries, without those that are paused
    assert saved.remove("door")
    assert not saved.remove("door")
    assert saved.read() == [FULL]


def test_none_is_doubled_or_made_by_a_change_and_there_are_not_too_many(saved: SavedWatches) -> None:
    saved.save(BOX, most=1, new=True)
    for listed, new, names in ((BOX, True, "already"), (FULL, False, "no watch car"), (FULL, True, "there are 1")):
        with pytest.raises(PlanError, match=names):
            saved.save(listed, most=1, new=new)
    saved.save(ListedWatch(BOX.watch, "another title"), most=1, new=False)
    assert [each.title for each in saved.read()] == ["another title"]


def test_a_picture_is_kept_as_long_as_a_watch_looks_for_it(saved: SavedWatches) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    path = saved.keep_picture(pixels, id="a1")
    for name in ("one", "two"):
        watch = Watch(name, Query(image=str(path), roi=(0, 0, 0.5, 1)), max_distance=0.5)
        saved.save(ListedWatch(watch, name), most=9, new=True)
    assert [each.watch.query.image for each in saved.read()] == [str(path)] * 2
    assert saved.picture("a1") is not None
    saved.remove("one")
    assert saved.picture("a1") is not None
    saved.save(ListedWatch(Watch("two", Query(box=(0, 0, 1, 1)), max_distance=0.5), "two"), most=9, new=False)
    assert saved.picture("a1") is None
    assert saved.picture("../saved") is None
