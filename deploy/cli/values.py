"""What options hold, from text: boxes and times. Anything else is wrong usage and says how it is written."""

import re
from datetime import UTC, datetime

import typer

from schemas.query import BoxTuple

_SECONDS = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")


def parse_box(text: str | None, *, option: str) -> BoxTuple | None:
    """`0.1,0.2,0.5,0.9` → the box `(x0, y0, x1, y1)`, fractions of the frame."""
    if text is None:
        return None
    try:
        x0, y0, x1, y1 = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no box; write x0,y0,x1,y1", param_hint=option) from None
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise typer.BadParameter(
            f"{text!r} is no box in the frame; x0,y0,x1,y1 are fractions of its width and height with "
            "0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1",
            param_hint=option,
        )
    return x0, y0, x1, y1


def parse_time(text: str | None, *, option: str) -> datetime | float | None:
    """A moment in UTC (`2026-05-01T12:00:00Z`), or seconds within a source (`90`, `1:30`, `0:01:30.5`)."""
    if text is None:
        return None
    if within := _SECONDS.fullmatch(text):
        hours, minutes, seconds = within.groups()
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write UTC as 2026-05-01T12:00:00Z, or a time within the source as 90 or 1:30",
            param_hint=option,
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
