"""A question to the lake, and its answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.boxes import Boxes
from schemas.errors import QueryError

BoxTuple = tuple[float, float, float, float]
Geometry = Literal["iou", "giou", "centroid", "shape", "area"]
Normalisation = Literal["raw", "minmax", "zscore", "rrf"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How candidates are ordered: `w * semantic + (1 - w) * geometric` (methods of sub-region search).

    semantic_weight: w, in [0, 1]; without a box only the semantic distance counts.
    normalisation: what is done to both distances over the query's candidates before they are added;
        "rrf" adds reciprocal ranks instead.
    """

    semantic_weight: float = 0.5
    geometry: Geometry = "iou"
    normalisation: Normalisation = "raw"

    def __post_init__(self) -> None:
        if not 0.0 <= self.semantic_weight <= 1.0:
            raise QueryError(f"semantic_weight must lie in [0, 1], got {self.semantic_weight}")


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for (text, or a picture's vector by path and ROI), where (box), and in what (filters).

    text: words; or image: path of a picture, of which roi (fractions of that picture) is sought.
    box: region of the frame that a hit must overlap, `(x0, y0, x1, y1)`; see schemas.boxes.
    source: keeps sources whose URI matches this glob, or contains it where it has no wildcard.
    since, until: UTC bounds, `since <= time < until`; sources without a recording time never match.
    since_s, until_s: the same on presentation time within each source, seconds.
    """

    text: str | None = None
    image: str | None = None
    roi: BoxTuple | None = None
    box: BoxTuple | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    since_s: float | None = None
    until_s: float | None = None
    k: int = 10
    ranking: Ranking = Ranking()

    def __post_init__(self) -> None:
        if self.text is not None and not self.text.strip():
            raise QueryError("the query text is empty; give words, or leave it out and give --box or --image")
        if self.text is not None and self.image is not None:
            raise QueryError("give a text or an image, not both")
        if self.text is None and self.image is None and self.box is None:
            raise QueryError("the query asks for nothing; give a text, a box (--box x0,y0,x1,y1) or an image")
        if self.roi is not None and self.image is None:
            raise QueryError("--roi is a part of --image; give the image too")
        if self.k < 1:
            raise QueryError(f"k must be at least 1, got {self.k}")
        for name, box in (("box", self.box), ("roi", self.roi)):
            if box is not None and Boxes([box]).area()[0] <= 0:  # type: ignore[arg-type]
                raise QueryError(f"{name} must have an area, got {box}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One frame of the answer with its best region; distances are lower for better."""

    rank: int
    distance: float
    semantic: float | None
    geometric: float | None
    source: str
    source_id: str
    pts: int
    pts_s: float
    time: datetime | None
    shot_s: tuple[float, float] | None
    box: BoxTuple
    frame_id: str
    region_id: str | None
    proposer: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to a query.

    exact: whether the hits are the exact top k of the ranking, or an index may have missed some.
    candidates: how many regions and whole frames passed the filters.
    """

    query: Query
    took_ms: float
    exact: bool
    candidates: int
    hits: tuple[Hit, ...]
