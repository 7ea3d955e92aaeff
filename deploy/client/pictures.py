"""Pictures and clips of hits from a service."""

from collections.abc import Iterator
from pathlib import Path

from deploy.client import calls
from deploy.client.connection import Connection
from deploy.pictures.clip_names import clip_name
from schemas.errors import RegionLakeError, SourceError
from schemas.masks import Mask
from schemas.query import SearchResult


def stored_pictures(result: SearchResult, connection: Connection) -> tuple[dict[str, bytes], dict[str, Mask]]:
    """Thumbnails by the id of their frame; a service sends no masks."""
    frames = dict.fromkeys(hit.frame_id for hit in result.hits)
    return {id: connection(calls.thumbnail(id)) for id in frames}, {}


def save_clips(result: SearchResult, connection: Connection, folder: Path) -> Iterator[Path]:
    """Writes an MP4 for every hit of which the service has a video, and yields the paths.

    Raises RegionLakeError where the folder or a file cannot be written.
    """
    for hit in result.hits:
        try:
            mp4 = connection(calls.clip(hit.frame_id))
        except SourceError:  # a picture, a feed, or a video that is gone
            continue
        path = folder / clip_name(hit)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mp4)
        except OSError as error:
            raise RegionLakeError(f"the clip {path} cannot be written: {error}") from error
        yield path
