"""A question to the lake, and its answer."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.masks import Mask
from schemas.prompts import RegionPrompts

BoxTuple = tuple[float, float, float, float]
Geometry = Literal["iou", "giou", "centroid", "shape", "area"]
Normalisation = Literal["raw", "minmax", "zscore", "rrf"]
MethodName = Literal[
    "regions",
    "global",
    "codes",
    "detail",
    "parts",
    "parts-global",
    "patches",
    "votes",
    "votes-unique",
    "votes-weighted",
    "votes-weighted-unique",
    "growing",
]
Fusion = Literal["rrf", "weighted"]


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
class RankTerm:
    """One of the ways in which a query's frames are ranked, and its share where there are several.

    method: "regions", the regions that overlap the box, and whole frames, by meaning and geometry; "global", whole
        frames by meaning; "codes", the regions whose codes are nearest to that of the region sought (Search Anything,
        methods.md §2), two for each of the query's `candidates`, by meaning and geometry;
        "detail", by the vector into which the details of a frame are fused; "parts", representatives of frames, and
        "patches", all their patches, by meaning and geometry; "parts-global", the representatives with whole frames
        among them; "votes", "votes-unique", "votes-weighted", "votes-weighted-unique", votes of the patches of the
        sought part of a picture for the frames in which their nearest patches lie; "growing", by the largest region of
        a frame that matches that part patch by patch. The votes and "growing" re-rank.
    """

    method: MethodName = "regions"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.weight < math.inf:
            raise QueryError(f"the weight of {self.method} must be positive, got {self.weight}")


@dataclass(frozen=True, slots=True)
class Then:
    """What must follow in the same source: `text` (in `box`, where one is given) within `within_s` seconds."""

    text: str
    within_s: float
    box: BoxTuple | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise QueryError("the text of what is to follow is empty")
        if not 0.0 < self.within_s < math.inf:
            raise QueryError(f"what follows must do so within some seconds, got {self.within_s}")
        _require_area("box", self.box)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for (words, a picture, or both), where (box), and in what (filters).

    text: words. image: path of a picture, or frame: id of a keyframe of the lake, of which a part is sought: roi
        (fractions of that picture), or the region that prompts choose.
    text_weight: share of the words where both are given.
    not_text, not_rois: what a hit should not show: words, and parts of the picture; not_weight times their likeness
        is taken off.
    box: region of the frame that a hit must overlap, `(x0, y0, x1, y1)`; see schemas.boxes.
    rank: the ways in which frames are ranked; several are fused by reciprocal ranks ("rrf"), or by the weighted sum of
        their distances, each scaled to [0, 1] over the frames found ("weighted").
    candidates: how many of the nearest frames those ways look at that cost too much for all.
    then: what must follow.
    source: keeps sources whose URI matches this glob, or contains it where it has no wildcard.
    not_frames: ids of keyframes that are left out, such as the one from which what is sought was taken: votes of
        patches would nearly all go to it.
    since, until: UTC bounds, `since <= time < until`; sources without a recording time never match.
    since_s, until_s: the same on presentation time within each source, seconds.
    """

    text: str | None = None
    image: str | None = None
    frame: str | None = None
    roi: BoxTuple | None = None
    prompts: RegionPrompts | None = None
    text_weight: float = 0.5
    not_text: tuple[str, ...] = ()
    not_rois: tuple[BoxTuple, ...] = ()
    not_weight: float = 0.5
    box: BoxTuple | None = None
    source: str | None = None
    not_frames: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    since_s: float | None = None
    until_s: float | None = None
    k: int = 10
    ranking: Ranking = Ranking()
    rank: tuple[RankTerm, ...] = (RankTerm(),)
    fusion: Fusion = "rrf"
    candidates: int = 50
    then: Then | None = None

    def __post_init__(self) -> None:
        if self.text is not None and not self.text.strip():
            raise QueryError("the query text is empty; give words, or leave it out and give --box or --image")
        if not all(text.strip() for text in self.not_text):
            raise QueryError("a text of what is not to be shown is empty")
        if not self.by_meaning and self.box is None:
            raise QueryError("the query asks for nothing; give a text, a box (--box x0,y0,x1,y1) or an image")
        if self.image is not None and self.frame is not None:
            raise QueryError("give a picture (--image) or a keyframe of the lake (--frame), not both")
        if (self.roi is not None or self.not_rois or self.prompts is not None) and not self.has_picture:
            raise QueryError(
                "--roi, --not-roi, --point, --not-point, --prompt and --prompt-box are parts of a picture; "
                "give --image, or --frame"
            )
        if self.roi is not None and self.prompts is not None:
            raise QueryError("--roi is the part that is sought; without it, points, words and a box choose one")
        if self.not_text and not self.by_meaning:
            raise QueryError("--not says what a text or an image should not mean; give one of these too")
        if self.k < 1 or self.candidates < 1:
            raise QueryError(f"k and candidates must be at least 1, got {self.k} and {self.candidates}")
        if not 0.0 <= self.text_weight <= 1.0 or not 0.0 <= self.not_weight <= 1.0:
            raise QueryError(
                f"text_weight and not_weight must lie in [0, 1], got {self.text_weight} and {self.not_weight}"
            )
        methods = [term.method for term in self.rank]
        if not methods or len(set(methods)) < len(methods):
            raise QueryError(f"rank must name each way once, and at least one, got {methods}")
        for name, box in (("box", self.box), ("roi", self.roi), *(("not_roi", box) for box in self.not_rois)):
            _require_area(name, box)

    @property
    def by_meaning(self) -> bool:
        """Whether something is sought, and not only a place."""
        return self.text is not None or self.has_picture

    @property
    def has_picture(self) -> bool:
        """Whether what is sought is shown, by a picture or a keyframe."""
        return self.image is not None or self.frame is not None


def _require_area(name: str, box: BoxTuple | None) -> None:
    if box is not None and Boxes([box]).area()[0] <= 0:  # type: ignore[arg-type]
        raise QueryError(f"{name} must have an area, got {box}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One frame of the answer with its best region; distances are lower for better.

    label: of the region, where its proposer knows one. track: the region's, once its source is complete.
    mask: of what was found, where the way of ranking cuts it out.
    then: what followed, where that was asked for.
    """

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
    label: str | None = None
    track: str | None = None
    mask: Mask | None = None
    then: "Hit | None" = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to a query.

    exact: whether the hits are the exact top k of the ranking, or not all frames were looked at closely.
    candidates: how many regions and whole frames passed the filters.
    region: the part of the query's picture that its prompts chose.
    """

    query: Query
    took_ms: float
    exact: bool
    candidates: int
    hits: tuple[Hit, ...]
    region: BoxTuple | None = None
