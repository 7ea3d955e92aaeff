"""A query to the lake, and its answer.

The options of a query are the fields of `Query`, declared there once. The flags of `regionlake search` and `regionlake
watch`, the keys of a file of watches, the query in JSON, and the keyword arguments of `regionlake.Lake.search` are
derived from them: to add an option, add a field here, and answer it in `pipeline/search`. Everything that a hit says
about its place in the frame is a field of `Place`: to add one, fill it in `pipeline/search/memory/lake_cache.py` for
searches and in `pipeline/watch/new_rows.py` for watches; JSON and Arrow are derived from these fields too.

In help texts and errors, names in backticks are those of fields; each interface writes them in its own form (`--box`).
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
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
from schemas.zones import Zone

BoxTuple = tuple[float, float, float, float]
WHOLE: BoxTuple = (0.0, 0.0, 1.0, 1.0)
Moment = datetime | float
PictureSource = str | PathLike[str] | HasPixels
ZoneShape = Zone | str | BoxTuple | tuple[PointTuple, ...]
Geometry = Literal["iou", "giou", "centroid", "shape", "area", "inside"]
Normalisation = Literal["raw", "minmax", "zscore", "rrf"]
MethodName = Literal[
    "regions",
    "global",
    "codes",
    "detail",
    "representatives",
    "representatives-global",
    "patches",
    "votes",
    "votes-unique",
    "votes-weighted",
    "votes-weighted-unique",
    "growing",
    "correlation",
]
# names of 0.1.0, accepted until 0.4.0
_RENAMED_METHODS: dict[str, MethodName] = {"parts": "representatives", "parts-global": "representatives-global"}
Fusion = Literal["rrf", "weighted"]
# those that rank by the query's vector alone, which `like` and `unlike` move
MOVED_METHODS: tuple[MethodName, ...] = ("regions", "global", "representatives", "representatives-global", "patches")
CONFIDENT_METHODS: tuple[MethodName, ...] = ("regions", "global", "codes")


@dataclass(frozen=True, slots=True)
class Ranking:
    """How candidates are ordered: `w * semantic + (1 - w) * geometric + prior * (0.3 - score)` (methods of sub-region
    search, and the prior).

    semantic_weight: w, in [0, 1]; without a box only the semantic distance counts.
    normalisation: how both distances are scaled over the query's candidates before they are added;
        "rrf" adds reciprocal ranks instead.
    prior: in [0, 1], how much a region gains by its score, where both distances count; 0 ranks as published. 0.3 is the
        score of a typical region, and of one whose proposer scores otherwise; see `schemas.regions.ONE_SCALE`.
    """

    semantic_weight: float = 0.5
    geometry: Geometry = "iou"
    normalisation: Normalisation = "raw"
    prior: float = 0.4

    def __post_init__(self) -> None:
        with _query_errors():
            require.within("[0, 1]", semantic_weight=self.semantic_weight, prior=self.prior)


@dataclass(frozen=True, slots=True)
class WeightedMethod:
    """A method that ranks frames for a query, and its weight where there are several.

    name: "regions" ranks regions by meaning and geometry: those that overlap the box or lie in a zone; where the
        query has neither, all of them and whole frames; "global" ranks whole frames by meaning, wherever the box is;
        "codes" ranks the regions whose codes are nearest to the code of the query's region (Search Anything, methods.md
        §2), two for each of the query's `candidates`, by meaning and geometry; "detail" compares the vector into which
        the details of a frame are fused; "representatives" ranks a few vectors of each frame, and "patches" all its
        patches, by meaning and geometry; "representatives-global" ranks the representatives and whole frames together;
        in "votes", "votes-unique", "votes-weighted" and "votes-weighted-unique" the patches of the query's part of a
        picture vote for the frames that contain their nearest patches; "growing" ranks by the largest region of a frame
        that matches that part patch by patch, and "correlation" by the place where all patches of that part fit best
        together. The votes, "growing" and "correlation" re-rank.
    """

    name: MethodName = "regions"
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _RENAMED_METHODS.get(self.name, self.name))
        if self.name not in get_args(MethodName):
            raise QueryError(f"{self.name!r} is none of the methods {', '.join(get_args(MethodName))}")
        if not 0.0 < self.weight < math.inf:
            raise QueryError(f"the weight of {self.name} must be positive and finite, got {self.weight}")


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for (words, a picture, or both), where in the frame, and in which sources.

    Boxes are `(x0, y0, x1, y1)`, fractions of the frame or picture; see schemas.boxes. A picture is a path, or RGB
    pixels: uint8 (H, W, 3), of NumPy or of Pillow. Moments are datetimes (UTC unless they have another time zone),
    which sources without a recording time never match, or seconds of presentation time within each source.
    A zone is a Zone, its text, a box, or the corners `((x, y), …)` of a polygon; see
    schemas.zones.
    Raises QueryError for an empty query, or for options that contradict each other.

    """

    text: str | None = option(None, "What to look for, in words.", standing=True)
    box: BoxTuple | None = option(None, "Where in the frame; hits overlap this box.", standing=True)
    image: PictureSource | None = option(
        None, "Look for what this picture shows, alone or together with a text.", standing=True
    )
    roi: BoxTuple | None = option(None, "The part of `image` to look for.", standing=True)
    frame: str | None = option(
        None,
        "Look for what this keyframe of the lake shows: the frame_id of a hit.",
        value="ID",
        standing=True,
    )
    points: tuple[PointTuple, ...] = option((), "A point in the region of `image` to look for.", standing=True)
    not_points: tuple[PointTuple, ...] = option((), "A point outside that region.", standing=True)
    prompt: str | None = option(None, "What that region of `image` shows, in words.", value="TEXT", standing=True)
    prompt_box: BoxTuple | None = option(None, "A box around that region.", standing=True)
    text_weight: float = option(0.5, "Weight of `text` where there is a picture too.", least=0, most=1, standing=True)
    not_text: tuple[str, ...] = option(
        (), "What hits should not show, in words.", name="not", value="TEXT", standing=True
    )
    not_weight: float = option(
        0.5, "Weight of the similarity to what hits should not show.", least=0, most=1, standing=True
    )
    not_rois: tuple[BoxTuple, ...] = option((), "A part of `image` that hits should not show.", standing=True)
    like: tuple[str, ...] = option(
        (), "A region of the lake that hits should resemble: the region_id of a hit.", value="ID"
    )
    unlike: tuple[str, ...] = option((), "A region of the lake that hits should not resemble.", value="ID")
    # nearly all patches would vote for the keyframe that the query itself shows
    not_frames: tuple[str, ...] = option((), "A keyframe to exclude, such as that of `frame`.", value="ID")
    then: str | None = option(None, "What must follow in the same source, in words.", value="TEXT")
    then_box: BoxTuple | None = option(None, "Where in the frame `then` must be.")
    within_s: float = option(10.0, "How soon `then` must follow.", name="within", value="SECONDS")
    methods: tuple[WeightedMethod | MethodName, ...] = option(
        ("regions",),
        f"How frames are ranked, by one or several of {', '.join(get_args(MethodName))}.",
        former_name="rank",
    )
    fuse: Fusion = option(
        "rrf", "How several `methods` are combined: by reciprocal ranks, or by the weighted sum of scaled distances."
    )
    candidates: int = option(50, "Number of nearest frames to re-rank, for methods that re-rank.", least=1)
    geometry: Geometry = option(
        "iou", "How a hit's box is compared with `box`; inside makes it one of `zones`.", standing=True
    )
    norm: Normalisation = option("raw", "How both distances are made comparable.")
    weight: float = option(
        0.5, "Weight of meaning in the distance; the rest is geometry.", least=0, most=1, standing=True
    )
    prior: float = option(
        0.4,
        "Where meaning and place both count: how much a region gains by the score with which it was proposed.",
        least=0,
        most=1,
        standing=True,
    )
    zones: tuple[ZoneShape, ...] = option(
        (),
        "Somewhere in this area, a box or a polygon; hits lie in it, whatever their size. SOURCE=… draws it for some "
        "sources alone.",
        standing=True,
    )
    min_inside: float = option(
        0.5, "The least share of a hit's region that lies in one of `zones`.", least=0, most=1, standing=True
    )
    min_confidence: float | None = option(
        None,
        "Only hits that show what the query asks for with at least this chance; distances stay the same.",
        least=0,
        most=1,
        standing=True,
    )
    source: str | None = option(
        None,
        "Only files and feeds whose path, URL or name contains this, or matches it as a glob.",
        value="TEXT",
        standing=True,
    )
    source_ids: tuple[str, ...] = option((), "Only a source with this id.", value="ID")
    since: Moment | None = option(None, "The earliest moment: in UTC, or in seconds within the source.")
    until: Moment | None = option(None, "The moment before which hits lie, given as in `since`.")
    k: int = option(10, "Number of hits.", least=1)

    def __post_init__(self) -> None:
        if self.image is not None and not isinstance(self.image, str):
            image = fspath(self.image) if isinstance(self.image, PathLike) else Picture.of(self.image)
            object.__setattr__(self, "image", image)
        for each in options_of(Query):
            if getattr(self, each.field) is not None:
                _require_range(each, getattr(self, each.field))
        if self.text is not None and not self.text.strip():
            raise QueryError("the text of the query is empty; give words, or omit it and give `box` or `image`")
        if not all(text.strip() for text in self.not_text):
            raise QueryError("a text of what hits should not show (`not_text`) is empty")
        self._make_zones()
        if not self.by_meaning and self.box is None and not self.zones:
            raise QueryError("the query asks for nothing; give `text`, `box`, `zones` or `image`")
        if self.unlike and not (self.shows or self.box is not None or self.zones):
            raise QueryError(
                "`unlike` restricts what is looked for; give `text`, `image`, `like`, `box` or `zones` too"
            )
        self._require_examples()
        if self.image is not None and self.frame is not None:
            raise QueryError("give a picture (`image`) or a keyframe of the lake (`frame`), not both")
        if (self.roi is not None or self.not_rois or self._has_prompts) and not self.has_picture:
            raise QueryError(
                "`roi`, `not_rois`, `points`, `not_points`, `prompt` and `prompt_box` are about a picture; "
                "give `image` or `frame`"
            )
        if self.roi is not None and self._has_prompts:
            raise QueryError("give `roi`, or points, words and a box that select a region, not both")
        if self.not_text and not (self.text is not None or self.has_picture):
            raise QueryError("`not_text` restricts a query by text or picture; give `text`, `image` or `frame` too")
        self._require_what_follows()
        self._require_time()
        names = [method.name for method in self.weighted_methods]
        if not names or len(set(names)) < len(names):
            raise QueryError(f"`methods` must name each method once, and at least one, got {names}")
        boxes = {"box": self.box, "roi": self.roi, "then_box": self.then_box}
        for name, box in (*boxes.items(), *(("not_rois", box) for box in self.not_rois)):
            if box is not None and Boxes([box]).area()[0] <= 0:  # type: ignore[arg-type]
                raise QueryError(f"`{name}` must have an area, got {box}")
        _ = self.prompts  # RegionPrompts checks them
        if self.min_confidence is not None:
            self._require_confidence()

    def _make_zones(self) -> None:
        """Makes zones of what was given as boxes and corners, and sets the geometry that they have."""
        zones = self.zones
        if isinstance(zones, Zone | str) or any(isinstance(each, int | float) for each in zones):
            raise QueryError(f"`zones` is a list of zones, also of one: [zone]; got {zones!r}")
        object.__setattr__(self, "zones", tuple(Zone.of(each) for each in zones))
        if self.zones and self.box is not None:
            raise QueryError("give `box` for exactly there, or `zones` for somewhere in an area, not both")
        if self.zones and self.geometry == "iou":  # the default
            object.__setattr__(self, "geometry", "inside")
        if self.zones and self.geometry != "inside":
            raise QueryError(f"regions lie inside of `zones`, and have no other `geometry`; got {self.geometry}")

    def _require_what_follows(self) -> None:
        if self.then is None:
            if self.then_box is not None:
                raise QueryError("`then_box` says where `then` must be; give `then` too")
        elif not self.then.strip():
            raise QueryError("the text of `then` is empty")
        if not 0.0 < self.within_s < math.inf:
            raise QueryError(f"`within_s` must be a positive number of seconds, got {self.within_s}")

    def _require_examples(self) -> None:
        both = sorted({*self.like} & {*self.unlike})
        if both:
            raise QueryError(f"the region {both[0]} cannot be in `like` and in `unlike`")
        others = [each.name for each in self.weighted_methods if each.name not in MOVED_METHODS]
        if (self.like or self.unlike) and others:
            known = ", ".join(MOVED_METHODS)
            raise QueryError(f"`like` and `unlike` are for the methods {known}, and not for {', '.join(others)}")

    def _require_confidence(self) -> None:
        if not self.shows:
            raise QueryError(
                "`min_confidence` is the chance that a hit shows what the query asks for, and a box alone or a "
                "zone alone asks for nothing that could be shown; give `text`, `image` or `frame` too"
            )
        others = [each.name for each in self.weighted_methods if each.name not in CONFIDENT_METHODS]
        if others:
            known = ", ".join(CONFIDENT_METHODS)
            raise QueryError(
                f"`min_confidence` is for the methods {known}, which find stored regions and frames; "
                f"hits of {', '.join(others)} have no confidence"
            )

    def _require_time(self) -> None:
        # of one kind: a moment in UTC and a second within a source cannot be compared
        since, until = (_in_utc(moment) for moment in (self.since, self.until))
        if isinstance(since, datetime):
            empty = isinstance(until, datetime) and since >= until
        else:
            empty = since is not None and until is not None and not isinstance(until, datetime) and since >= until
        if empty:
            raise QueryError(f"nothing can be found: `since` {self.since} is not before `until` {self.until}")

    @property
    def by_meaning(self) -> bool:
        """Whether the query has a text, a picture or examples, and not only a box."""
        return self.shows or bool(self.unlike)

    @property
    def shows(self) -> bool:
        """Whether the query says what hits show: by a text, a picture or regions that they should resemble."""
        return self.text is not None or self.has_picture or bool(self.like)

    @property
    def has_picture(self) -> bool:
        """Whether the query has a picture: one of its own, or a keyframe of the lake."""
        return self.image is not None or self.frame is not None

    @property
    def picture(self) -> str | Picture | None:
        """The query's own picture: a path, or its pixels."""
        assert self.image is None or isinstance(self.image, str | Picture)
        return self.image

    @property
    def areas(self) -> tuple[Zone, ...]:
        """The zones in which hits must lie: `zones`, or `box` where the geometry is "inside"."""
        if self.box is not None and self.geometry == "inside":
            return (Zone.of(self.box),)
        return tuple(Zone.of(each) for each in self.zones)

    @property
    def prompts(self) -> RegionPrompts | None:
        """The prompts that select a region of the picture; None where there are none."""
        if not self._has_prompts:
            return None
        return RegionPrompts(self.points, self.not_points, self.prompt_box, self.prompt)

    @property
    def ranking(self) -> Ranking:
        return Ranking(self.weight, self.geometry, self.norm, self.prior)

    @property
    def weighted_methods(self) -> tuple[WeightedMethod, ...]:
        """The methods, each with its weight; where only a name is given, the weight is 1."""
        return tuple(each if isinstance(each, WeightedMethod) else WeightedMethod(each) for each in self.methods)

    @property
    def _has_prompts(self) -> bool:
        return bool(self.points or self.not_points) or self.prompt is not None or self.prompt_box is not None


Query.__doc__ = f"{(Query.__doc__ or '').rstrip()}\n\n{described(Query)}\n"


def _in_utc(moment: Moment | None) -> Moment | None:
    if isinstance(moment, datetime) and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment


def _require_range(each: Option, value: float) -> None:
    with _query_errors():
        if each.most is not None:
            require.within(f"[{each.least:g}, {each.most:g}]", **{each.field: value})
        elif each.least is not None:
            require.at_least(each.least, **{each.field: value})


@contextmanager
def _query_errors() -> Iterator[None]:
    """Raises failed checks of settings as QueryError."""
    try:
        yield
    except InvalidValueError as error:
        raise QueryError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Place:
    """The box of a hit in its frame, and what was found there; by default the whole frame.

    region_id: None where the hit is the whole frame, or a part that the method cut out, instead of a stored region.
    semantic, geometric: both parts of the distance, where the method has them.
    score: with which the region was proposed, in [0, 1], the third part of the distance; see Ranking.prior.
    label: the region's label, where its proposer gave one. track: the region's track, once its source is complete.
    human_label: what people say that the region shows. verdict: "right" where they say what it shows, "wrong" where
        they only say what it does not show. Both are None where nobody labelled it, and in the hits of a watch, which
        are of regions that nobody has looked at yet.
    confidence: the chance that the region shows what the query asks for, in [0, 1]; None for a query by a box alone, a
        model without calibration, and methods that rank neither stored regions nor whole frames.
    mask: of the hit, where the method cuts it out.
    until_s: where what stands is stored once: up to when the region shows the same, in seconds of its source.
    """

    box: BoxTuple = WHOLE
    proposer: str = WHOLE_FRAME
    region_id: str | None = None
    semantic: float | None = None
    geometric: float | None = None
    label: str | None = None
    track: str | None = None
    confidence: float | None = None
    mask: Mask | None = None
    score: float | None = None
    human_label: str | None = None
    verdict: str | None = None
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One frame of the answer with its best place; lower distances are better.

    source: URI. pts, pts_s: presentation time in its source, `pts_s` in seconds. time: UTC, where it is known.
    shot_s: start and stop of its shot in seconds, once the source is complete.
    then: the hit that followed, where the query has `then`.
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

    @property
    def confidence(self) -> float | None:
        """The chance that its place shows what the query asks for; see Place."""
        return self.place.confidence


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a query was answered.

    why: why by this access path, a sentence. passing: regions in the frames that pass the filters of source and time.
    compared: regions and frames whose vectors or codes were read. blocks: runs of an index that were read, or fragments
    of the table. bytes: of vectors, codes and boxes. steps_ms: step → time.
    """

    why: str
    passing: int
    compared: int
    blocks: int
    bytes: int
    steps_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to a query.

    exact: whether the hits are the exact top k of the ranking; False where only some frames were compared in full.
    candidates: number of regions and whole frames that passed the filters.
    region: the part of the query's picture that its prompts selected.
    by_meaning_alone: URIs of the searched sources for which no zone was drawn; there the whole frame is the zone.
    omitted: these sources, where the query has zones and nothing else, so that nothing could be found in them.
    access_path: where the vectors were: "float16" or "int8" (in memory), "disk", or "index", which reads some of them:
        all that lie where an exact answer looks, or those that may be nearest.
    recall_target: the share of the exact hits that an answer by the index has on average, as it was measured for other
        queries; None for exact answers.
    explanation: None where the service does not give it.
    shards: number of parts into which the lake is shared out; 0 where one process holds all of it.
    from_lake: numbers of the parts that were read and ranked from the lake, because what holds them was away.
    """

    query: Query
    took_ms: float
    exact: bool
    candidates: int
    hits: tuple[Hit, ...]
    region: BoxTuple | None = None
    by_meaning_alone: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()
    access_path: str = ""
    recall_target: float | None = None
    explanation: Explanation | None = None
    shards: int = 0
    from_lake: tuple[int, ...] = ()
