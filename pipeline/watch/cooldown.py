"""By which clock, and of what, two hits come soon after each other."""

import re

from schemas.query import Hit

_RECORDING = re.compile(r"#\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")  # as pipeline/live/feeds/recorder.py names them


def camera(uri: str) -> str:
    """A feed, for any of its recordings; else the file itself."""
    return _RECORDING.sub("", uri)


def place_and_moment(hit: Hit) -> tuple[str, float]:
    """What a cooldown counts by, and the hit's time by its clock in seconds: UTC of a feed or of a file that knows its
    time, else presentation time within the file."""
    if hit.time is not None:
        return camera(hit.source), hit.time.timestamp()
    return hit.source_id, hit.pts_s
