"""Names of files of clips."""

import re
from pathlib import Path

from deploy.wording import clock_time
from schemas.query import Hit
from schemas.sources import feed_name

_NAME_BYTES = 200  # file systems allow 255 in a name; rank, time and suffix need up to 30


def clip_name(hit: Hit) -> str:
    """`01_bikes_0-04.52.mp4`: the rank of the hit, its source and its time."""
    name = re.sub(r"[^\w.-]", "_", Path(feed_name(hit.source)).stem)[:80]  # a file system takes 255 bytes
    name = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return f"{hit.rank:02}_{name}_{clock_time(hit.pts_s).replace(':', '-')}.mp4"
