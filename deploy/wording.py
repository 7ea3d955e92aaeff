"""Short texts for times, sizes, names and reasons, used in tables, pictures and file names."""

import mimetypes
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from schemas.query import SearchResult
from schemas.recorder_names import camera_name
from schemas.sources import feed_name
from schemas.visible_text import visible

_ACCESS_PATHS = {
    "float16": "columns in memory, as stored",
    "int8": "columns in memory, rounded",
    "disk": "columns on disk, all regions",
    "index": "the index on disk, some regions",
}
_NAMED = 5  # sources without a zone in a line of text; JSON has all


def clock_time(seconds: float) -> str:
    """`8.24` → `0:08.24`, `3725.5` → `1:02:05.50`, `-0.04` → `-0:00.04`."""
    hundredths = round(abs(seconds) * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{'-' if seconds < 0 else ''}{clock}:{rest / 100:05.2f}"


def is_picture(uri: str) -> bool:
    """Whether the name is that of a picture, within which there are no times."""
    return (mimetypes.guess_type(uri)[0] or "").startswith("image/")


def short_names(uris: Sequence[str]) -> dict[str, str]:
    """URI → its last part if no other URI has the same, else the whole URI, to be shown in one line.

    The file of a recorder is preceded by its camera, where its own name lacks it: `gate/30.05.mp4`.
    """
    distinct = set(uris)
    names = {uri: _last_part(uri) for uri in distinct}
    times_used = Counter(names.values())
    return {uri: visible(name if times_used[name] == 1 else uri) for uri, name in names.items()}


def _last_part(uri: str) -> str:
    last, camera = PurePath(uri).name or uri, camera_name(uri)
    return last if camera == feed_name(uri) or camera in last else f"{camera}/{last}"


def reason(source: str, error: str) -> str:
    """The error in one line, preceded by its source unless it already names it."""
    return visible(error if source in error else f"{source}: {error}")


def refused_line(batches: int, why: str | None) -> str:
    """What is shown of rows that the lake does not accept. why: the last reason, if it is known."""
    held = counted(batches, "batch is", "batches are")
    return visible(f"{held} refused by the lake (regionlake spool list)" + (f": {why}" if why else ""))


def sources_without_zone(result: SearchResult) -> str:
    """Which of the searched sources have no zone, though others have one, and what was done with them; else empty."""
    others = result.by_meaning_alone or result.omitted
    if not others:
        return ""
    names = short_names(others)
    first = ", ".join(names[uri] for uri in others[:_NAMED])
    rest = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
    done = "searched by meaning alone" if result.by_meaning_alone else "omitted"
    return f"{done}, for no zone was drawn for {'it' if len(others) == 1 else 'them'}: {first}{rest}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 source`, `2,000 sources`, and with `many="batches"` `3 batches`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def lasted(seconds: float) -> str:
    """A duration in its largest unit: `8` → `8 s`, `200` → `3 min`, `7500` → `2 h`, `200000` → `2 d`."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length_s:
            return f"{int(seconds // length_s)} {unit}"
    return f"{max(0, int(seconds))} s"


def short_count(count: int) -> str:
    """At most seven characters: `12345` → `12,345`, `1234567` → `1.23 M`, `43200000` → `43.2 M`."""
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if count >= size:
            amount = count / size
            return f"{amount:.{2 if amount < 10 else 1 if amount < 100 else 0}f} {unit}"
    return f"{count:,}"


def short_size(size_bytes: float) -> str:
    """`1234` → `1.2 kB`, `56789` → `57 kB`, `2500000` → `2.5 MB`."""
    if size_bytes >= 1e6:
        return f"{size_bytes / 1e6:,.1f} MB"
    return f"{size_bytes / 1e3:,.0f} kB" if size_bytes >= 1e4 else f"{size_bytes / 1e3:,.1f} kB"


def parts_from_lake(result: SearchResult) -> str:
    """Which parts of the lake were not answered by their actors."""
    numbers = [str(number) for number in result.from_lake]
    if len(numbers) == 1:
        return f"part {numbers[0]} of {result.shards} was ranked from the lake, because its actor was away"
    named = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    return f"parts {named} of {result.shards} were ranked from the lake, because their actors were away"


def explanation_lines(result: SearchResult) -> list[str]:
    """How a query was answered, in a few lines; none where that is not known."""
    explained = result.explanation
    if explained is None:
        return ["how the query was answered is not known: the service says it to those who see all of the lake"]
    one, many = ("block of the index", "blocks of the index") if result.access_path == "index" else ("fragment", None)
    # the parts of a lake that is shared out may have several
    path = " and ".join(_ACCESS_PATHS.get(each, each) for each in result.access_path.split(" and "))
    return [
        f"access path: {path}, because {explained.why}",
        f"read: {explained.compared:,} regions and frames of {explained.passing:,} regions that pass the filters, "
        f"{counted(explained.blocks, one, many)}, {short_size(explained.bytes)}",
        "time: " + ", ".join(f"{step} {ms:.1f} ms" for step, ms in explained.steps_ms.items()),
    ]
