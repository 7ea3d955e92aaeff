"""Files of watches: catches keys that are read wrongly, and mistakes that are accepted or not named."""

from pathlib import Path

import pytest

from pipeline.watch.watch_list import read_watches
from schemas.errors import PlanError, QueryError

GOOD = """
[watch.red-car]
text = "red car"
not = ["a bus"]
box = [0.5, 0.4, 1, 1]
geometry = "giou"
weight = 0.8
max_distance = 0.62
cooldown = 30
source = "gate"
stay = 120
hours = "mon-fri 20:00-06:00 Europe/Berlin"

[watch.lawn]
text = "a dog"
zones = ["gate=0,0.5 0.4,0.5 0.3,1 0,1", [0.5, 0, 1, 1], [[0, 0], [1, 0], [0.5, 1]]]
min_inside = 0.8
max_distance = 0.5

[watch.door]
image = "door.png"
roi = [0, 0, 0.5, 0.5]
min_confidence = 0.4
sources = ["gate", "yard"]

[watch.idle]
title = "Anything"
paused = true
box = [0, 0, 1, 1]
max_distance = 1
"""


def test_the_keys_are_those_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "watches.toml").write_text(GOOD)
    car, lawn, door = read_watches(tmp_path / "watches.toml")
    assert (car.stay_s, str(car.hours)) == (120.0, "mon,tue,wed,thu,fri 20:00-06:00 Europe/Berlin")
    assert door.sources == ("gate", "yard")
    assert [str(zone) for zone in lawn.query.areas] == [
        "gate=0,0.5 0.4,0.5 0.3,1 0,1",
        "0.5,0,1,1",
        "0,0 1,0 0.5,1",
    ]
    assert lawn.query.min_inside == 0.8
    assert (car.name, car.max_distance, car.cooldown_s) == ("red-car", 0.62, 30.0)
    assert (car.query.text, car.query.not_text, car.query.source) == ("red car", ("a bus",), "gate")
    assert car.query.box == (0.5, 0.4, 1.0, 1.0)
    assert (car.query.geometry, car.query.weight) == ("giou", 0.8)
    assert (door.max_distance, door.query.min_confidence) == (None, 0.4)
    assert (door.query.image, door.query.roi) == (str(tmp_path / "door.png"), (0.0, 0.0, 0.5, 0.5))


def test_the_former_name_of_the_largest_distance_is_read_and_reported(tmp_path: Path) -> None:
    (tmp_path / "watches.toml").write_text(
        "[watch.a]\ntext = 'x'\nthreshold = 0.5\n[watch.b]\ntext='y'\nmax_distance=0.25"
    )
    reported: list[str] = []
    a, b = read_watches(tmp_path / "watches.toml", on_deprecated=reported.append)
    assert (a.max_distance, b.max_distance) == (0.5, 0.25)
    (sentence,) = reported
    assert "watch.a: threshold is deprecated" in sentence


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "no \\[watch.NAME\\]"),
        ("[watches.a]", "has watches"),
        ("[watch.a]\ntext = 'x'", "min_confidence"),
        ("[watch.a]\ntext = 'x'\nmax_distance = 'near'", "max_distance"),
        ("[watch.a]\ntext = 'x'\nmax_distance = 0.5\nmax_distanse = 1", "max_distanse"),
        ("[watch.a]\nbox = [0, 0, 1]\nmax_distance = 0.5", "box"),
        ("[watch.a]\ntext = 'x'\ngeometry = 'round'\nmax_distance = 0.5", "geometry"),
        ("[watch.a]\nmax_distance = 0.5", "asks for nothing"),
        ("[watch.a]\ntext = 'x'\nmax_distance = 0.5\nhours = 'noon'", "watch.a: 'noon' are no hours"),
        ("[watch.a]\ntext = 'x'\nmax_distance = 0.5\nstay = -1", "least stay"),
        ("[watch.a]\ntext = 'x'\nzones = ['0,0 1,1']\nmax_distance = 0.5", "3 to 256 corners"),
        ("[watch.a]\ntext = 'x'\nzones = [3]\nmax_distance = 0.5", "watch.a: .*`zones` is a list of zones"),
        ("[watch.a]\ntext = 'x'\nzones = [[0, 0, 3, 1]]\nmax_distance = 0.5", "watch.a: the box of a zone must lie"),
        ("[watch.a]\ntext = 'x'\nzone = ['0,0,1,1']\nmax_distance = 0.5", "zone"),
        ("[watch.a]\ntext = 'x'\nmax_distance = 0.5\nthreshold = 0.5", "former name of max_distance"),
        ("[watch.a]\nbox = [0, 0, 1, 1]\nmin_confidence = 0.5", "a box alone"),
        ("[watch.a]\ntext = 'x'\nmin_confidence = 1.5", "min_confidence"),
        ("[watch.'a b']\ntext = 'x'\nmax_distance = 0.5", "a b"),
        ("[watch", "cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, names: str) -> None:
    (tmp_path / "watches.toml").write_text(text)
    with pytest.raises((PlanError, QueryError), match=names):
        read_watches(tmp_path / "watches.toml")
