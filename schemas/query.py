"""A query to the lake, and its answer.

The options of a query are the fields of `Query`, declared there once. The flags of `regionlake search` and `regionlake
watch`, the keys of a file of watches, the query in JSON, and the keyword arguments of `regionlake.Lake.search` follow
from them: to add an option, add a field here, and what answers it in `pipeline/search`. What a hit shows of the place
where it was found is a field of `Place`: to add one, fill it in `pipeline/search/memory/lake_cache.py` for searches and
in `pipeline/watch/new_rows.py` for watches; JSON and Arrow follow.

In help and in errors, names in backticks are those of fields: each door writes them in its own way (`--box`).
"""

import math
from dataclasses import dataclass
from datetime import datetime
from os import PathLike, fspath
from typing import Literal, get_args

from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, QueryError
from schemas.masks import Mask
from schemas.options import Option, described, option, options_of
from schemas.pictures import HasPixels, Picture
from schemas.prompts import PointTuple, RegionPrompts
from schemas.regions import WHOLE_FRAME

BoxTuple = tuple[float, float, float, float]
WHOLE: BoxTuple = (0.0, 0.0, 1.0, 1.0)
Moment = datetime | float
PictureSource = str | PathLike[str] | HasPixels
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
class WeightedMethod:
    """One of the methods by which a query's frames are ranked, and its share where there are several.

    name: "regions", the regions that overlap the box, and whole frames, by meaning and geometry; "global", whole
        frames by meaning; "codes", the regions whose codes are nearest to that of the region sought (Search Anything,
        methods.md §2), two for each of the query's `candidates`, by meaning and geometry;
        "detail", by the vector into which the details of a frame are fused; "parts", representatives of frames, and
        "patches", all their patches, by meaning and geometry; "parts-global", the representatives with whole frames
        among them; "votes", "votes-unique", "votes-weighted", "votes-weighted-unique", votes of the patches of the
        sought part of a picture for the frames in which their nearest patches lie; "growing", by the largest region of
        a frame that matches that part patch by patch. The votes and "growing" re-rank.
    """

    name: MethodName = "regions"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in get_args(MethodName):
            raise QueryError(f"{self.name!r} is none of the methods {', '.join(get_args(MethodName))}")
        if not 0.0 < self.weight < math.inf:
            raise QueryError(f"the weight of {self.name} must be positive, got {self.weight}")


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for (words, a picture, or both), where in the frame, and in which sources.

    Boxes are `(x0, y0, x1, y1)`, fractions of the frame or picture; see schemas.boxes. A picture is a path, or RGB
    pixels: uint8 (H, W, 3), of NumPy or of Pillow. Moments are datetimes (UTC unless they say otherwise), which sources
    without a recording time never match, or seconds of presentation time within each source.
    Raises QueryError for a query that asks for nothing, or whose options do not go together.

    """

    text: str | None = option(None, "What to look for, in words.", standing=True)
    box: BoxTuple | None = option(None, "Where in the frame; hits overlap this box.", standing=True)
    image: PictureSource | None = option(
        None, "Look for what this picture shows, alone or beside a text.", standing=True
    )
    roi: BoxTuple | None = option(None, "The part of `image` that is sought.", standing=True)
    frame: str | None = option(
        None,
        "Look for what this keyframe of the lake shows: the frame_id of a hit.",
        value="ID",
        standing=True,
    )
    points: tuple[PointTuple, ...] = option((), "A point in the region of `image` that is sought.", standing=True)
    not_points: tuple[PointTuple, ...] = option((), "A point outside that region.", standing=True)
    prompt: str | None = option(None, "What that region of `image` shows, in words.", value="TEXT", standing=True)
    prompt_box: BoxTuple | None = option(None, "A box around that region.", standing=True)
    text_weight: float = option(0.5, "Share of `text` beside a picture.", least=0, most=1, standing=True)
    not_text: tuple[str, ...] = option(
        (), "What hits should not show, in words.", name="not", value="TEXT", standing=True
    )
    not_weight: float = option(
        0.5, "How much of the likeness to what hits should not show is subtracted.", least=0, most=1, standing=True
    )
    not_rois: tuple[BoxTuple, ...] = option((), "A part of `image` that hits should not show.", standing=True)
    # votes of patches would nearly all go to the keyframe from which what is sought was taken
    not_frames: tuple[str, ...] = option((), "A keyframe to leave out, such as that of `frame`.", value="ID")
    then: str | None = option(None, "What must follow in the same source, in words.", value="TEXT")
    then_box: BoxTuple | None = option(None, "Where in the frame that must be.")
    within_s: float = option(10.0, "How soon `then` must follow.", name="within", value="SECONDS")
    methods: tuple[WeightedMethod | MethodName, ...] = option(
        ("regions",),
        f"How frames are ranked, by one or several of {', '.join(get_args(MethodName))}.",
        former_name="rank",
    )
    fuse: Fusion = option(
        "rrf", "How several `methods` become one: by reciprocal ranks, or by the weighted sum of scaled distances."
    )
    candidates: int = option(50, "Number of nearest frames to re-rank, by the methods that do.", least=1)
    geometry: Geometry = option("iou", "How a hit's box is compared with `box`.", standing=True)
    norm: Normalisation = option("raw", "How both distances are made comparable.")
    weight: float = option(
        0.5, "Share of meaning in the distance; the rest is geometry.", least=0, most=1, standing=True
    )
    source: str | None = option(
        None,
        "Only files and feeds whose path, URL or name holds this, or matches it as a glob.",
        value="TEXT",
        standing=True,
    )
    since: Moment | None = option(None, "The earliest moment: in UTC, or in seconds within the source.")
    until: Moment | None = option(None, "As `since`; not included itself.")
    k: int = option(10, "How many hits.", least=1)

    def __post_init__(self) -> None:
        if self.image is not None and not isinstance(self.image, str):
            image = fspath(self.image) if isinstance(self.image, PathLike) else Picture.of(self.image)
            object.__setattr__(self, "image", image)
        for each in options_of(Query):
            _require_span(each, getattr(self, each.field))
        if self.text is not None and not self.text.strip():
            raise QueryError("the text of the query is empty; give words, or omit it and give `box` or `image`")
        if not all(text.strip() for text in self.not_text):
            raise QueryError("a text of what hits should not show is empty")
        if not self.by_meaning and self.box is None:
            raise QueryError("the query asks for nothing; give `text`, `box` or `image`")
        if self.image is not None and self.frame is not None:
            raise QueryError("give a picture (`image`) or a keyframe of the lake (`frame`), not both")
        if (self.roi is not None or self.not_rois or self._has_prompts) and not self.has_picture:
            raise QueryError(
                "`roi`, `not_rois`, `points`, `not_points`, `prompt` and `prompt_box` are about a picture; "
                "give `image` or `frame`"
            )
        if self.roi is not None and self._has_prompts:
            raise QueryError("`roi` is the part that is sought; without it, points, words and a box choose one")
        if self.not_text and not self.by_meaning:
            raise QueryError("`not_text` says what a text or an image should not mean; give one of these too")
        self._require_what_follows()
        names = [method.name for method in self.weighted_methods]
        if not names or len(set(names)) < len(names):
            raise QueryError(f"`methods` must name each method once, and at least one, got {names}")
        boxes = {"box": self.box, "roi": self.roi, "then_box": self.then_box}
        for name, box in (*boxes.items(), *(("not_rois", box) for box in self.not_rois)):
            if box is not None and Boxes([box]).area()[0] <= 0:  # type: ignore[arg-type]
                raise QueryError(f"`{name}` must have an area, got {box}")
        _ = self.prompts  # which has checks of its own

    def _require_what_follows(self) -> None:
        if self.then is None:
            if self.then_box is not None:
                raise QueryError("`then_box` is where what follows must be; give `then` too")
        elif not self.then.strip():
            raise QueryError("the text of what is to follow is empty")
        if not 0.0 < self.within_s < math.inf:
            raise QueryError(f"what follows must do so within some seconds (`within_s`), got {self.within_s}")

    @property
    def by_meaning(self) -> bool:
        """Whether something is sought, and not only a place."""
        return self.text is not None or self.has_picture

    @property
    def has_picture(self) -> bool:
        """Whether what is sought is shown, by a picture or a keyframe."""
        return self.image is not None or self.frame is not None

    @property
    def picture(self) -> str | Picture | None:
        """The query's own picture: a path, or its pixels."""
        assert self.image is None or isinstance(self.image, str | Picture)
        return self.image

    @property
    def prompts(self) -> RegionPrompts | None:
        """What chooses a region of the picture; None where nothing does."""
        if not self._has_prompts:
            return None
        return RegionPrompts(self.points, self.not_points, self.prompt_box, self.prompt)

    @property
    def ranking(self) -> Ranking:
        return Ranking(self.weight, self.geometry, self.norm)

    @property
    def weighted_methods(self) -> tuple[WeightedMethod, ...]:
        """The methods, each with its weight; where only a name is given, the weight is 1."""
        return tuple(each if isinstance(each, WeightedMethod) else WeightedMethod(each) for each in self.methods)

    @property
    def _has_prompts(self) -> bool:
        return bool(self.points or self.not_points) or self.prompt is not None or self.prompt_box is not None


Query.__doc__ = f"{(Query.__doc__ or '').rstrip()}\n\n{described(Query)}\n"


def _require_span(each: Option, value: float) -> None:
    try:
        if each.most is not None:
            require.within(f"[{each.least:g}, {each.most:g}]", **{each.field: value})
        elif each.least is not None:
            require.at_least(each.least, **{each.field: value})
    except InvalidValueError as error:
        raise QueryError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its frame something was found, and what is there; by default the whole frame.

    region_id: None where no stored region was found, but the whole frame or a part that a method cut out.
    semantic, geometric: both parts of the distance, where the method has them.
    label: of the region, where its proposer knows one. track: the region's, once its source is complete.
    mask: of what was found, where the method cuts it out.
    """

    box: BoxTuple = WHOLE
    proposer: str = WHOLE_FRAME
    region_id: str | None = None
    semantic: float | None = None
    geometric: float | None = None
    label: str | None = None
    track: str | None = None
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One frame of the answer with its best place; distances are lower for better.

    source: URI. pts, pts_s: presentation time in its source, `pts_s` in seconds. time: UTC, where the source tells it.
    shot_s: start and stop of its shot in seconds, once the source is complete.
    then: what followed, where that was asked for.
    """

    rank: int
    distance: float
    place: Place
    source: str
    source_id: str
    pts: int
    pts_s: float
    time: datetime | None
    shot_s: tuple[float, float] | None
    frame_id: str
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
