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
threshold = 0.62
cooldown = 30
source = "gate"

[watch.door]
image = "door.png"
roi = [0, 0, 0.5, 0.5]
threshold = 0.4
"""


def test_the_keys_are_those_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "watches.toml").write_text(GOOD)
    car, door = read_watches(tmp_path / "watches.toml")
    assert (car.name, car.threshold, car.cooldown_s) == ("red-car", 0.62, 30.0)
    assert (car.query.text, car.query.not_text, car.query.source) == ("red car", ("a bus",), "gate")
    assert car.query.box == (0.5, 0.4, 1.0, 1.0)
    assert (car.query.geometry, car.query.weight) == ("giou", 0.8)
    assert (door.query.image, door.query.roi) == (str(tmp_path / "door.png"), (0.0, 0.0, 0.5, 0.5))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "no \\[watch.NAME\\]"),
        ("[watches.a]", "has watches"),
        ("[watch.a]\ntext = 'x'", "threshold"),
        ("[watch.a]\ntext = 'x'\nthreshold = 'near'", "threshold"),
        ("[watch.a]\ntext = 'x'\nthreshold = 0.5\nthreshhold = 1", "threshhold"),
        ("[watch.a]\nbox = [0, 0, 1]\nthreshold = 0.5", "box"),
        ("[watch.a]\ntext = 'x'\ngeometry = 'round'\nthreshold = 0.5", "geometry"),
        ("[watch.a]\nthreshold = 0.5", "asks for nothing"),
        ("[watch.'a b']\ntext = 'x'\nthreshold = 0.5", "a b"),
        ("[watch", "cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, names: str) -> None:
    (tmp_path / "watches.toml").write_text(text)
    with pytest.raises((PlanError, QueryError), match=names):
        read_watches(tmp_path / "watches.toml")
