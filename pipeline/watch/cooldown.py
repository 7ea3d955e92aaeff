"""The feed or file to which a cooldown applies, and the clock by which it is measured."""

from schemas.query import Hit
from schemas.recorder_names import camera_name


def place_and_moment(hit: Hit) -> tuple[str, float]:
    """The feed or file of a hit, and the hit's time in seconds: UTC where it is known, otherwise the presentation time
    within the file."""
    if hit.time is not None:
        return camera_name(hit.source), hit.time.timestamp()
    return hit.source_id, hit.pts_s
