"""Parses the values of options: boxes, times, methods. Anything else is wrong usage; the error says what is right."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import typer

from schemas.clock import in_utc
from schemas.errors import QueryError
from schemas.prompts import PointTuple
from schemas.query import BoxTuple, MethodName, WeightedMethod
from schemas.zones import Zone

_DURATION = re.compile(r"(\d+(?:\.\d*)?)\s*([smhdw]?)")
_BYTES = re.compile(r"(\d+(?:\.\d*)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)
_SECONDS = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")


def parse_box(text: str) -> BoxTuple:
    """`0.1,0.2,0.5,0.9` → the box `(x0, y0, x1, y1)`, fractions of the frame."""
    try:
        x0, y0, x1, y1 = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no box; write x0,y0,x1,y1") from None
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise typer.BadParameter(
            f"{text!r} is no box in the frame; x0,y0,x1,y1 are fractions of its width and height with "
            "0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1"
        )
    return x0, y0, x1, y1


def parse_zone(text: str) -> Zone:
    """`0,0.2,0.4,1`, `0,0.5 0.4,0.5 0.4,1 0,1` or `gate=0,0.2,0.4,1` → a zone."""
    try:
        return Zone.parse(text)
    except QueryError as error:
        raise typer.BadParameter(str(error)) from None


def parse_point(text: str) -> PointTuple:
    """`0.4,0.6` → the point `(x, y)`, fractions of the picture."""
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no point; write x,y") from None
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise typer.BadParameter(f"{text!r} is no point of the picture; x,y are fractions of its width and height")
    return x, y


def parse_picture(text: str) -> str:
    """The path of a file that exists."""
    if not Path(text).is_file():
        raise typer.BadParameter(f"there is no file {text!r}")
    return text


def parse_moment(text: str) -> datetime | float:
    """Parses a moment in UTC (`2026-05-01T12:00:00Z`), or seconds within a source (`90`, `1:30`, `0:01:30.5`)."""
    if within := _SECONDS.fullmatch(text):
        hours, minutes, seconds = within.groups()
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write UTC as 2026-05-01T12:00:00Z, or a time within the source as 90 or 1:30"
        ) from None
    try:
        return in_utc(moment)
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is in UTC before the year 1 or after 9999") from None


def parse_method(text: str) -> WeightedMethod:
    """`regions` or `regions:0.5` → a method of ranking and its weight among several."""
    name, colon, weight = text.partition(":")
    try:
        return WeightedMethod(cast(MethodName, name), float(weight) if colon else 1.0)
    except QueryError as error:
        raise typer.BadParameter(str(error)) from None
    except ValueError:
        raise typer.BadParameter(f"{weight!r} is no weight; write {name}:0.5") from None


def parse_duration(text: str, *, option: str) -> timedelta:
    """Parses `90`, `90s`, `15m`, `12h`, `30d` or `2w`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 15m, 12h or 30d", param_hint=option)
    seconds = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}[match[2]]
    try:
        return timedelta(seconds=float(match[1]) * seconds)
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is longer than {timedelta.max.days:,} days", param_hint=option) from None


def parse_bytes(text: str, *, option: str) -> int:
    """Parses a size: `50GB` and `50G` are 50 × 10⁹, `50GiB` is 50 × 2³⁰."""
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no size; write 500MB, 50GB or 2TB", param_hint=option)
    step = 1024 if match[3] else 1000
    return int(float(match[1]) * step ** " kmgt".index(match[2].lower() or " "))
