"""What the path of a recorder's file says: its camera, and when its recording began.

Sources of the layouts: Frigate's frigate/record/maintainer.py (UTC since 0.12), ZoneMinder's src/zm_event.cpp.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import InvalidValueError
from schemas.file_names import path_of_uri
from schemas.sources import feed_name

Layout = Literal["frigate", "zoneminder", "name", "given"]

_DAY = r"(?P<Y>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)"
_FRIGATE = re.compile(rf"(?:^|/){_DAY}/(?P<H>\d\d)/(?P<camera>[^/]+)/(?P<M>\d\d)\.(?P<S>\d\d)\.mp4\Z")
_FRIGATE_LOCAL = re.compile(
    r"(?:^|/)(?P<Y>20\d\d)-(?P<m>\d\d)/(?P<d>\d\d)/(?P<H>\d\d)/(?P<camera>[^/]+)/(?P<M>\d\d)\.(?P<S>\d\d)\.mp4\Z"
)
_FRIGATE_CLIP = re.compile(r"(?:^|/)(?P<camera>[\w-]+)-(?P<s>\d{10})\.(?P<f>\d{1,6})-[a-z0-9]{4,10}\.mp4\Z")
_ZM_FILE = r"(?P<event>\d+)-video(?:\.\w+)?\.(?:mp4|mkv|webm|avi)\Z"
_ZM_DEEP = re.compile(
    r"(?:^|/)(?P<camera>[^/]+)/(?P<y>\d\d)/(?P<m>\d\d)/(?P<d>\d\d)/(?P<H>\d\d)/(?P<M>\d\d)/(?P<S>\d\d)/" + _ZM_FILE
)
_ZM_MEDIUM = re.compile(rf"(?:^|/)(?P<camera>[^/]+)/{_DAY}/(?P<folder>\d+)/{_ZM_FILE}")
_ZM_SHALLOW = re.compile(rf"(?:^|/)(?P<camera>[^/]+)/(?P<folder>\d+)/{_ZM_FILE}")
_IN_NAME = re.compile(
    r"(?<!\d)(?P<Y>20\d\d)(?P<between>[-_.]?)(?P<m>\d\d)(?P=between)(?P<d>\d\d)"
    r"(?: at |[-_.T@ ]{0,3})(?P<H>\d\d)(?P<apart>[-_.:hH]?)(?P<M>\d\d)[-_.:mM]?(?P<S>\d\d)(?:[.,](?P<f>\d{1,6}))?"
    r"(?P<z>Z|\+\d\d:?\d\d|-\d\d:\d\d)?(?!\d)"  # -0001 is more often a number than an offset
)
_EPOCH = re.compile(r"(?:^|(?<=[-_.@ ]))(?P<s>[1-3]\d{9})(?:(?P<ms>\d{3})|\.(?P<f>\d{1,6}))?(?=[-_@ ]|\.[A-Za-z]|\Z)")
_TIME_OF_DAY = re.compile(r"(?<!\d)(?P<H>\d\d)([-_.:])(?P<M>\d\d)\2(?P<S>\d\d)(?!\d)")
_ONLY_DATE = re.compile(r"20\d\d([-_.]?\d\d){0,2}|\d\d?")
_VIDEOS = frozenset("mp4 m4v mov mkv webm avi ts m2ts mts mpg mpeg wmv flv 3gp ogv mxf h264 h265 hevc".split())
_NO_CAMERA = frozenset("vid video rec recording record clip img mov pxl movie dvr nvr output".split())
_YEARS = range(1800, 9999)  # beyond them no time zone can be applied
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d\d)",
    "m": r"(?P<m>\d\d)",
    "d": r"(?P<d>\d\d)",
    "H": r"(?P<H>\d\d)",
    "M": r"(?P<M>\d\d)",
    "S": r"(?P<S>\d\d)",
    "f": r"(?P<f>\d{1,6})",
    "s": r"(?P<s>\d{9,10})",
    "z": r"(?P<z>Z|[+-]\d\d:?\d\d)",
    "%": "%",
}


@dataclass(frozen=True, slots=True)
class NameRule:
    """How times in the names of files are read.

    timezone: a name of the IANA database, of times whose name does not say it. pattern: directives of strftime
    (%Y %y %m %d %H %M %S %f %s %z) with the text around them, such as "%d-%m-%Y/%Hh%M"; it is searched in the path, and
    where it occurs twice the last counts. None for the layouts and forms that are known. given: whether the user gave
    one of the two: then names are believed more than the time in a container.
    Raises InvalidValueError for a zone that does not exist, and for a pattern that does not say a day and an hour.
    """

    timezone: str = "UTC"
    pattern: str | None = None
    given: bool = False

    def __post_init__(self) -> None:
        _ = self.zone
        if self.pattern is not None:
            compiled_pattern(self.pattern)

    @property
    def zone(self) -> tzinfo:
        if self.timezone == "UTC":  # known without the database, which small systems lack
            return UTC
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # also a folder, or a path that leads elsewhere
            raise InvalidValueError(
                f"there is no time zone {self.timezone!r}; give a name of the IANA database such as Europe/Berlin"
            ) from None


KNOWN_FORMS = NameRule()


@dataclass(frozen=True, slots=True)
class NamedRecording:
    """What a path says.

    camera: the camera's name; ZoneMinder's monitor 3 is "monitor-3". began: when the recording began; without a time
    zone where the path does not say which; None where it says no time of day. day: the day in the path's folders,
    where only that is known.
    """

    layout: Layout
    camera: str | None
    began: datetime | None
    day: date | None = None


def named_recording(path: str, pattern: str | None = None) -> NamedRecording | None:
    """Reads the path of a video; None where it says neither a camera nor a time. pattern: see NameRule."""
    if pattern is not None:
        found = list(compiled_pattern(pattern).finditer(path))
        began = _moment(found[-1].groupdict()) if found else None
        known = _known(path)
        return None if began is None else NamedRecording("given", known.camera if known else None, began)
    return _known(path)


def camera_name(uri: str) -> str:
    """The camera of a source: the name of its feed, or the one that the path of a recorder's file says; of any other
    file its URI."""
    name = feed_name(uri)
    found = _known(path_of_uri(name))
    return name if found is None or found.camera is None else found.camera


@lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern of NameRule. Raises InvalidValueError."""
    parts, seen = [], set()
    for text, directive in re.findall(r"([^%]+)|%(.?)", pattern):
        if text:
            parts.append(re.escape(text))
            continue
        if directive not in _DIRECTIVES or directive in seen:
            what = "twice" if directive in seen else "which is none"
            raise InvalidValueError(
                f"{pattern!r} has %{directive}, {what}; a pattern of times has %Y %y %m %d %H %M %S %f %s %z, each once"
            )
        if directive != "%":
            seen.add(directive)
        parts.append(_DIRECTIVES[directive])
    if "s" not in seen and not ({"m", "d", "H"} <= seen and seen & {"Y", "y"}):
        raise InvalidValueError(
            f"{pattern!r} says no time: it needs %Y (or %y), %m, %d and %H, or %s for seconds since 1970"
        )
    return re.compile("".join(parts))


@lru_cache(maxsize=2**16)  # a search compares the names of thousands of files with its sources
def _known(path: str) -> NamedRecording | None:
    for layout, expression, zone in (
        ("frigate", _FRIGATE, UTC),
        ("frigate", _FRIGATE_LOCAL, None),
        ("frigate", _FRIGATE_CLIP, UTC),
        ("zoneminder", _ZM_DEEP, None),
    ):
        match = expression.search(path)
        began = None if match is None else _moment(match.groupdict(), zone)
        if match is not None and began is not None:
            camera = match["camera"] if layout == "frigate" else _monitor(match["camera"])
            return NamedRecording("frigate" if layout == "frigate" else "zoneminder", camera, began)
    for expression in (_ZM_MEDIUM, _ZM_SHALLOW):
        match = expression.search(path)
        if match is not None and match["folder"] == match["event"]:
            return NamedRecording("zoneminder", _monitor(match["camera"]), None, _day(match.groupdict()))
    return _in_name(path)


def _in_name(path: str) -> NamedRecording | None:
    folders, slash, name = path.rpartition("/")
    above = [part for part in folders.split("/") if part]
    stem, _, suffix = name.rpartition(".")
    if not slash or suffix.lower() not in _VIDEOS:  # the name of a feed, or a picture
        return None
    for expression in (_IN_NAME, _EPOCH):
        for match in expression.finditer(stem):
            began = _moment(match.groupdict())
            if began is not None:
                return NamedRecording("name", _camera(stem[: match.start()], above), began)
    of_day = _TIME_OF_DAY.search(stem)  # the day is the folder's: motionEye's 2026-05-01/12-30-00.mp4
    if of_day is not None and above and (day := re.fullmatch(_DAY, above[-1])) is not None:
        began = _moment(day.groupdict() | of_day.groupdict())
        if began is not None:
            return NamedRecording("name", _camera(stem[: of_day.start()], above), began)
    return None


def _camera(before: str, above: list[str]) -> str | None:
    """The camera: what the name has before its time, or else the nearest folder that is no date."""
    lead = before.strip("-_.@ #[]()")
    if lead and lead.lower() not in _NO_CAMERA and not lead.isdigit():
        return lead
    return next((part for part in reversed(above) if not _ONLY_DATE.fullmatch(part)), None)


def _monitor(folder: str) -> str:
    return f"monitor-{folder}" if folder.isdigit() else folder


def _day(found: Mapping[str, str | None]) -> date | None:
    try:
        return date(*(int(found.get(name) or 0) for name in "Ymd"))
    except ValueError:
        return None


def _moment(found: Mapping[str, str | None], zone: timezone | None = None) -> datetime | None:
    """The time of matched directives, in `zone` where they say none; None for a day or an hour that no calendar has."""
    micros = int((found.get("f") or "0").ljust(6, "0"))
    if found.get("ms"):
        micros = int(found["ms"] or 0) * 1000
    if (seconds := found.get("s")) is not None:
        return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=micros)
    year = int(found["Y"] or 0) if found.get("Y") else 2000 + int(found.get("y") or 0)
    if year not in _YEARS:
        return None
    month, day, hour, minute, second = (int(found.get(name) or 0) for name in ("m", "d", "H", "M", "S"))
    try:
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=_offset(found.get("z")) or zone)
    except ValueError:
        return None


def _offset(text: str | None) -> timezone | None:
    """`Z`, `+0200` or `+02:00`. Raises ValueError for an offset that is none."""
    if not text:
        return None
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))
