"""By which clock, and of what, two hits come soon after each other."""

from schemas.query import Hit
from schemas.sources import feed_name


def place_and_moment(hit: Hit) -> tuple[str, float]:
    """What a cooldown counts by, and the hit's time by its clock in seconds: UTC of a feed or of a file that knows its
    time, else presentation time within the file."""
    if hit.time is not None:
        return feed_name(hit.source), hit.time.timestamp()
    return hit.source_id, hit.pts_s
