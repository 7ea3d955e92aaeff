"""What a file of labels says, before it is matched to the lake: boxes in fractions of pictures, each with its label."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from pipeline.labels.label_table import Verdict
from schemas.clock import in_utc
from schemas.errors import InvalidValueError
from schemas.query import BoxTuple


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box or a region with its label.

    where: in the file, for messages. region, frame: ids that the file has; None where it has none. box: in fractions of
    the picture; None where the file has only an id. by, at: who labelled it, and when; None where that is not in the
    file.
    """

    where: str
    label: str
    region: str | None = None
    frame: str | None = None
    box: BoxTuple | None = None
    verdict: Verdict = "right"
    by: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """A file that was read.

    frames: pictures that somebody looked at, by id and who that was. shown: what they were shown; what of it is not
    among `boxes` they deleted. skipped: what the file has besides boxes, a sentence each.
    """

    format: str
    boxes: tuple[LabelledBox, ...]
    frames: frozenset[tuple[str, str | None]] = frozenset()
    shown: tuple[LabelledBox, ...] = ()
    skipped: tuple[str, ...] = ()


def frame_of(name: object) -> str | None:
    """The id of the frame of which a picture has this name or path; other tools put something before or after it."""
    stem = PurePosixPath(str(name).replace("\\", "/")).name
    found = re.search(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", stem)
    return found[0] if found else None


def box_of(place: Sequence[float], *, width: float = 1.0, height: float = 1.0) -> BoxTuple:
    """A box in fractions, from x, y, width and height in units of a picture of this size; what is outside is cut off.

    Raises InvalidValueError for one without an area in the picture.
    """
    x, y, across, down = (float(value) for value in place)
    sides = (x / width, y / height, (x + across) / width, (y + down) / height)
    x0, y0, x1, y1 = (min(1.0, max(0.0, side)) for side in sides)
    if not (x0 < x1 and y0 < y1):
        raise InvalidValueError(f"the box {x:g}, {y:g}, {across:g}, {down:g} has no area in the picture")
    return x0, y0, x1, y1


def time_of(text: object) -> datetime | None:
    """The time that ISO 8601 says, UTC where it names no zone; None for nothing. Raises InvalidValueError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidValueError(f"{text!r} is no time: write ISO 8601, such as 2026-05-01T12:00:00Z") from None
    return in_utc(found)


def text_of(values: Mapping[str, Any], *names: str) -> str | None:
    """The first of these values that is a text with something in it."""
    for name in names:
        value = values.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None
