"""Files of named tables: catches a reader that accepts unknown keys, and errors that do not name the place."""

from dataclasses import dataclass
from pathlib import Path

import cattrs
import pytest

from pipeline.plan.named_tables import read_named_tables
from schemas.errors import PlanError


@dataclass(frozen=True, slots=True)
class Door:
    width: int


def read(folder: Path, text: str) -> dict[str, Door]:
    path = folder / "doors.toml"
    path.write_text(text)
    return read_named_tables(path, "doors", Door, converter=cattrs.Converter(forbid_extra_keys=True))


def test_entries_come_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, "[doors.north]\nwidth = 2\n[doors.east]\nwidth = 1\n")
    assert list(found.items()) == [("north", Door(2)), ("east", Door(1))]
    assert read(tmp_path, "") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[doors", "cannot be read"),
        ("[windows.north]\nwidth = 2", r"has windows; it should contain \[doors.NAME\] tables only"),
        ("[doors.north]\nheight = 2", "height"),
        ("[doors.north]\nwidth = 'wide'", "doors.*north"),
        ("doors = 3", "has doors = 3; it should contain"),
        ("doors.north = 3", "doors.*north"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        read(tmp_path, text)
    with pytest.raises(PlanError, match="cannot be read"):
        read_named_tables(tmp_path, "doors", Door, converter=cattrs.Converter())
