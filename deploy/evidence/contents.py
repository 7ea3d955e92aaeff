"""What is in an evidence zip besides its manifest: the query, the rows, and for each hit its stills and its clip."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from deploy.pictures.clip_names import clip_name
from deploy.pictures.clips import HitVideos, clip_span
from deploy.pictures.contact_sheet import draw_hit, drawn_on, read_stored
from deploy.tables.hits_table import hits_table
from pipeline.lake.lake import Lake
from pipeline.reading.picture_process import confined_pictures
from pipeline.redaction.covers import Cover, Redactor
from schemas.errors import RegionLakeError
from schemas.query import Hit, SearchResult
from schemas.query_json import Json, hit_json, query_json, result_json
from schemas.visible_text import visible_json


@dataclass(frozen=True, slots=True)
class Content:
    """A file of the zip. what: a sentence for people."""

    name: str
    content: bytes | Path
    what: str


def described_query(result: SearchResult) -> Json:
    """The query as JSON. A picture of the query is named by its path, and by the SHA-256 of its bytes."""
    found = query_json(result.query)
    if isinstance(result.query.picture, str):
        try:
            found["image_sha256"] = hashlib.sha256(Path(result.query.picture).read_bytes()).hexdigest()
        except OSError:
            found["image_sha256"] = None
    return found


def answer_files(result: SearchResult) -> Iterator[Content]:
    """The query and the rows of the hits."""
    query = visible_json(described_query(result), indent=2)
    yield Content("query.json", f"{query}\n".encode(), "the query, with every option")
    rows = f"{visible_json(result_json(result), indent=2)}\n"
    yield Content("rows.json", rows.encode(), "a row for each hit, as regionlake search --json prints them")
    parquet = pa.BufferOutputStream()
    pq.write_table(hits_table(result), parquet)
    yield Content("rows.parquet", parquet.getvalue().to_pybytes(), "the same rows, with exact PTS and ids, as Parquet")


class HitFiles:
    """Makes the stills and the clip of each hit.

    scratch: folder in which clips are made. on_missing: called with the reason for each clip that cannot be made, and
    each still that shows only the lake's thumbnail. redactor: covers what stills and clips must not show.
    """

    def __init__(
        self,
        result: SearchResult,
        lake: Lake,
        videos: HitVideos,
        *,
        scratch: Path,
        on_missing: Callable[[str], None],
        redactor: Redactor | None = None,
    ) -> None:
        self._result = result
        self._videos = videos
        self._scratch = scratch
        self._on_missing = on_missing
        self._redactor = redactor
        self._thumbnails, self._masks = read_stored(result, lake)

    def of(self, hit: Hit) -> tuple[list[Content], Json]:
        """The files of a hit, and what the manifest says about it. A clip is to be deleted after it was used."""
        start_s, stop_s = clip_span(hit)
        cover = None
        if self._redactor is not None:
            cover = self._redactor.of(hit, start_s=min(start_s, hit.pts_s), stop_s=max(stop_s, hit.pts_s))
        name = Path(clip_name(hit)).stem
        files, about = self._stills(hit, name, cover)
        clip = self._scratch / f"{name}.mp4"
        about |= {"clip": None}
        try:
            made = self._videos.clip(hit, clip, paint=None if cover is None else cover.paint)
        except RegionLakeError as error:
            self._on_missing(str(error))
            about |= {"no_clip_because": str(error)}
        else:
            if made:
                span = f"{start_s:.2f} s to {stop_s:.2f} s of its source"
                files.append(Content(f"clips/{name}.mp4", clip, f"the clip of hit {hit.rank}, {span}"))
                about |= {"clip": f"clips/{name}.mp4", "clip_s": [start_s, stop_s]}
            else:
                about |= {"no_clip_because": "its source is a picture"}
        return files, {**hit_json(hit), "source_id": hit.source_id, "pts": hit.pts, **about}

    def _stills(self, hit: Hit, name: str, cover: Cover | None) -> tuple[list[Content], Json]:
        try:
            image, origin = self._videos.frame(hit), "original"
        except RegionLakeError as error:
            self._on_missing(f"the still of hit {hit.rank} is the lake's thumbnail: {error}")
            image, origin = confined_pictures().thumbnail(self._thumbnails[hit.frame_id]), "thumbnail"
        if cover is not None:
            image = cover.paint(hit.pts, image)
        plain, boxed = f"stills/{name}.png", f"stills/{name}_box.png"
        made_from = "as its source has it" if origin == "original" else "the lake's thumbnail"
        picture = Image.fromarray(np.ascontiguousarray(image))
        files = [
            Content(plain, _png(picture), f"the frame of hit {hit.rank}, {made_from}"),
            Content(boxed, _png(self._boxed(hit, picture)), "the same with the hit's box; what was drawn is dashed"),
        ]
        return files, {"still": plain, "still_with_box": boxed, "still_origin": origin}

    def _boxed(self, hit: Hit, picture: Image.Image) -> Image.Image:
        mask = hit.place.mask or self._masks.get(hit.place.region_id or "")
        return draw_hit(picture, hit, drawn=drawn_on(hit, self._result.query), mask=mask)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
