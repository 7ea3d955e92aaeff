"""Times, names and reasons, short to read, in tables, pictures and file names alike."""

import mimetypes
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath


def clock_time(seconds: float) -> str:
    """`8.24` → `0:08.24`, `3725.5` → `1:02:05.50`, `-0.04` → `-0:00.04`."""
    hundredths = round(abs(seconds) * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{'-' if seconds < 0 else ''}{clock}:{rest / 100:05.2f}"


def is_picture(uri: str) -> bool:
    """Whether the name is that of a picture, for which times within the source say nothing."""
    return (mimetypes.guess_type(uri)[0] or "").startswith("image/")


def short_names(uris: Sequence[str]) -> dict[str, str]:
    """URI → its last part where that tells it from the others, else the whole of it."""
    distinct = set(uris)
    names = {uri: PurePath(uri).name or uri for uri in distinct}
    times_used = Counter(names.values())
    return {uri: name if times_used[name] == 1 else uri for uri, name in names.items()}


def reason(source: str, error: str) -> str:
    """The error with the name of its source, said once."""
    return error if source in error else f"{source}: {error}"
