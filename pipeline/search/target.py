"""Makes the vector of a query, with which candidates are compared."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from operators.encoders.calibration import Calibration, Evidence, QueryKind, calibration_of
from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.ranking.feedback import Move, Rocchio
from pipeline.lake.lake import Lake
from pipeline.search.confidence import Confidence
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.frames import ImageArray
from schemas.masks import Mask
from schemas.query import BoxTuple, Query
from schemas.vectors import VectorArray

if TYPE_CHECKING:
    from pipeline.labels.word_table import TrainedWord

WORD_PREFIX = "word:"  # of a query's words: the name of a word that was trained from labels follows


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What candidates are compared with.

    vector: float32 (D,); the semantic distance of a candidate v is `1 − v · vector`. Of unit length for words or a
        picture alone; otherwise the weighted sum of the query's vectors, minus those of `not_text` and `not_rois`.
        None for a query by a box alone.
    picture: the query's, if it has one. roi: the part of the picture to search for; None for all of it.
    mask: the region of the picture that prompts chose, if there are any; roi is then the box around it.
    confidence: None for a query by a box alone, and for a model without calibration.
    """

    vector: VectorArray | None
    picture: ImageArray | None = None
    roi: BoxTuple | None = None
    mask: Mask | None = None
    confidence: Confidence | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One of the vectors of which a target is the sum. vector: float32 (D,), of unit length. word: that was trained."""

    weight: float
    vector: VectorArray
    kind: QueryKind
    word: "TrainedWord | None" = None


_KNOWN = 64
# all that a target depends on
_SHOWN = (
    *("text", "roi", "frame", "points", "not_points", "prompt", "prompt_box"),
    *("text_weight", "not_text", "not_weight", "not_rois", "like", "unlike"),
)


class TargetMaker:
    """Makes targets with a model. lake: holds the keyframe of a query by `frame`.

    regions: how a part of a picture becomes a vector; None for the way in which the lake's regions became theirs.
    move: how `like` and `unlike` move the vector of a query.
    """

    def __init__(
        self,
        encoder: Encoder | None,
        *,
        lake: Lake,
        regions: RegionVectorsConfig | None = None,
        move: Move | None = None,
    ) -> None:
        self._move = move or Rocchio()
        self._lake = lake
        self._encoder = encoder
        self._regions = regions
        self._known: OrderedDict[object, Target] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Forgets the targets that were made: those of keyframes that the lake may have erased."""
        with self._lock:
            self._known.clear()

    def __call__(self, query: Query) -> Target:
        """Makes the target of a query, or finds it where only the query's place, time or weight is new.

        Raises as `make` does.
        """
        key = _key(query)
        with self._lock:
            found = self._known.get(key)
        if found is not None:
            return found
        made = self.make(query)
        if key is not None:
            with self._lock:
                self._known[key] = made
                while len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
        return made

    def make(self, query: Query) -> Target:
        """Makes the target of a query.

        `like` and `unlike` move the vector, and not the confidence: that is of what words and picture ask.
        Raises QueryError when the query needs a model and there is none, or its prompts choose nothing, or it wants a
        confidence that this model does not have; DecodeError for an unreadable picture.
        """
        if not query.by_meaning:
            return Target(None)
        encoder = self._need()
        wanted: list[_Part] = []
        shown = None
        if query.image is not None or query.frame is not None:
            # imported here: a query by words alone does not wait for the code that decodes and segments pictures
            from pipeline.search.query_picture import prompted_region, query_picture, region_vector

            shown = query_picture(query, self._lake)
        picture = None if shown is None else shown.image
        roi, mask = query.roi, None
        if query.text is not None:
            weight = 1.0 if shown is None else query.text_weight
            wanted.append(self._of_text(query.text, weight))
        if shown is not None:
            if query.prompts is not None:
                region = prompted_region(shown, query.prompts, encoder)
                x0, y0, x1, y1 = region.box.xyxy[0].tolist()
                roi, mask = (x0, y0, x1, y1), region.mask
                of_picture = region_vector(shown.image, region, encoder, like=self._region_settings())
            elif roi is not None:
                of_picture = self._of_roi(shown.image, roi)
            else:
                of_picture = encoder.encode_images([shown.image])[0]
            weight = 1.0 if query.text is None else 1.0 - query.text_weight
            wanted.append(_Part(weight, of_picture, "picture" if roi is None else "part"))
        weight = -query.not_weight / max(1, len(query.not_text) + len(query.not_rois))
        unwanted = [self._of_text(text, weight) for text in query.not_text]
        if picture is not None:
            unwanted += [_Part(weight, self._of_roi(picture, roi), "part") for roi in query.not_rois]
        parts = [part.weight * part.vector for part in (*wanted, *unwanted)]
        vector = np.sum(parts, axis=0).astype(np.float32) if parts else None
        if query.like or query.unlike:
            liked, unliked = (self._of_regions(ids) for ids in (query.like, query.unlike))
            vector = self._move(vector, liked, unliked)
            if not wanted:
                wanted = [_Part(1.0 / len(liked), each, "part") for each in liked]
        return Target(vector, picture, roi, mask, self._confidence(query, wanted, unwanted) if wanted else None)

    def of_what_follows(self, query: Query) -> Target:
        """The target of the query's `then`, with the confidence that it is shown."""
        assert query.then is not None
        part = self._of_text(query.then, 1.0)
        return Target(part.vector, confidence=self._confidence(query, [part]))

    def _confidence(self, query: Query, wanted: Sequence[_Part], unwanted: Sequence[_Part] = ()) -> Confidence | None:
        """None for a model without calibration; QueryError if the query has a `min_confidence`, though."""
        encoder = self._need()
        calibration = calibration_of(encoder)
        if calibration is None:
            if query.min_confidence is not None:
                model = f"{encoder.space.model}@{encoder.space.revision}"
                raise QueryError(
                    f"`min_confidence` needs a calibrated model; {model} has no calibration, only distances"
                )
            return None
        return Confidence(
            calibration,
            [(part.weight, _evidence(calibration, part)) for part in wanted],
            [_evidence(calibration, part) for part in unwanted],
        )

    def _of_text(self, text: str, weight: float) -> _Part:
        """The model's vector of words, or that of a word that was trained from labels, `word:NAME`."""
        encoder = self._need()
        if text.startswith(WORD_PREFIX):
            from pipeline.labels.word_table import Words, trained_name  # not for every search

            word = Words(self._lake).find(trained_name(text) or "", encoder.space)
            return _Part(weight, word.vector, "words", word)
        return _Part(weight, encoder.encode_texts([text])[0], "words")

    def _of_regions(self, ids: Sequence[str]) -> VectorArray:
        """float32 (N, D), of unit length."""
        from pipeline.search.liked_regions import vectors_of  # not for every search

        space = self._need().space
        if not ids:
            return np.zeros((0, space.dimension), np.float32)
        return vectors_of(self._lake, ids, column=self._lake.column_of(space))

    def _of_roi(self, picture: ImageArray, roi: BoxTuple) -> VectorArray:
        # as the stored regions were made: a query by a region's own box is at distance 0 from it
        ((vector,),) = RegionVectors(self._region_settings(), self._need())(
            [picture], [Boxes(np.array([roi], np.float32))]
        )
        return np.asarray(vector, np.float32)

    def _region_settings(self) -> RegionVectorsConfig:
        """They are read by the first query with a part of a picture, and kept once the lake has a plan."""
        if self._regions is None:
            from pipeline.lake.plans_in_use import region_settings_in_use  # its TOML is not for every search

            self._regions = region_settings_in_use(self._lake)
        return self._regions or RegionVectorsConfig(mode="both")  # the default of 0.1.0, which kept no plan

    def _need(self) -> Encoder:
        if self._encoder is None:
            raise QueryError("a query by text or image needs a model; give one, or ask with a box alone")
        return self._encoder


def _evidence(calibration: Calibration, part: _Part) -> Evidence:
    return calibration.evidence(part.vector, part.kind) if part.word is None else part.word.evidence


def _key(query: Query) -> object:
    """What the target of a query depends on; None where it is not known: a picture's file may change."""
    if isinstance(query.picture, str):
        return None
    if any(text.startswith(WORD_PREFIX) for text in (query.text or "", *query.not_text)):
        return None  # a word may be trained again
    # whether there is a least confidence matters, as a model without calibration refuses it
    of_picture = None if query.picture is None else query.picture.id
    return (*(getattr(query, name) for name in _SHOWN), of_picture, query.min_confidence is None)
