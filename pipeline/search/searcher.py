"""Search: from a query to the exact top k frames of a lake."""

import math
import threading
import time

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.ranking.fusion import contenders, fuse, rank_frames
from operators.ranking.geometry import geometric_distance
from operators.readers.picture import read_picture
from operators.region_vectors import RegionVectors, RegionVectorsConfig
from pipeline.lake.lake import Lake
from pipeline.search.filters import frames_in_filter, overlapping
from pipeline.search.hot_columns import HotColumns
from pipeline.search.scoring import Scorer, float32_error
from schemas.boxes import Boxes, FloatArray
from schemas.errors import QueryError
from schemas.query import Hit, Query, SearchResult
from schemas.regions import WHOLE_FRAME
from schemas.vectors import VectorArray

_FRAME_BOX = np.array([[0, 0, 1, 1]], np.float32)


class Searcher:
    """Answers queries over one lake from memory; follows the lake as it grows.

    encoder: makes the query's vector, and chooses the column of vectors that it is compared with; it may be None
        where only boxes are asked for.
    regions: how a part of a picture becomes a vector; best as the lake's own regions were made.
    proposers: which candidates take part ("frame" is the whole frame); None for all.
    threads: that score; None for one a core.
    max_age_s: how long the lake need not be looked at again: looking costs four listings, which is 2 ms on a
        disk, and much more in a bucket. 0 finds what was committed the instant before.

    The ranking is exact: semantic distances are float64 products of the query with the stored float16
    vectors, rounded to float32; ties are broken by id.
    Raises ModelError when the encoder's vectors cannot be compared with any of the lake's.
    """

    def __init__(
        self,
        lake: Lake,
        encoder: Encoder | None = None,
        *,
        regions: RegionVectorsConfig = RegionVectorsConfig(),  # noqa: B008  # frozen
        proposers: frozenset[str] | None = None,
        threads: int | None = None,
        max_age_s: float = 0.0,
    ) -> None:
        self._lake = lake
        self._encoder = encoder
        self._regions = regions
        self._proposers = proposers
        self._columns = HotColumns(lake, column="vector" if encoder is None else lake.column_of(encoder.space))
        self._scorer = Scorer(threads=threads)
        self._lock = threading.Lock()
        self._max_age_s = max_age_s
        self._looked_at = -math.inf

    def refresh(self) -> bool:
        """Loads what the lake has that memory has not; returns whether there was anything. `search` does it too."""
        with self._lock:
            return self._refresh()

    def search(self, query: Query) -> SearchResult:
        """The top k frames for a query, each with its best box. No candidates: no hits.

        Raises QueryError when the query needs an encoder and there is none, DecodeError when its
        picture cannot be read.
        """
        start = time.perf_counter()
        vector = self._vector(query)
        with self._lock:
            if time.monotonic() - self._looked_at >= self._max_age_s:
                self._refresh()
            candidates = _Candidates.of(self._columns, query, self._proposers)
            hits = candidates.rank(query, vector, self._scorer)
        took_ms = (time.perf_counter() - start) * 1000
        return SearchResult(query, took_ms, exact=True, candidates=len(candidates), hits=hits)

    @property
    def without_vector(self) -> int:
        """Keyframes that the last search could not find, because this model has not seen them yet."""
        return self._columns.without_vector

    def close(self) -> None:
        """Ends the threads that score; the encoder is its owner's to close."""
        self._scorer.close()

    def _refresh(self) -> bool:
        changed = self._columns.refresh()
        self._looked_at = time.monotonic()
        return changed

    def _vector(self, query: Query) -> VectorArray | None:
        """float32 (D,): what is looked for; None where only a box is given."""
        if query.text is None and query.image is None:
            return None
        if self._encoder is None:
            raise QueryError("a query by text or image needs a model; give one, or ask with a box alone")
        if query.text is not None:
            of_text: VectorArray = self._encoder.encode_texts([query.text])[0]
            return of_text
        assert query.image is not None
        image = read_picture(query.image)
        if query.roi is None:
            of_image: VectorArray = self._encoder.encode_images([image])[0]
            return of_image
        # as the stored regions were made: a region that is asked for by its own box has distance 0
        ((of_region,),) = RegionVectors(self._regions, self._encoder)(
            [image], [Boxes(np.array([query.roi], np.float32))]
        )
        return np.asarray(of_region, np.float32)


class _Candidates:
    """The regions and whole frames that pass a query's filters: regions first, then frames.

    regions: rows of regions. frames: rows of frames that are candidates themselves.
    """

    def __init__(self, columns: HotColumns, regions: NDArray[np.intp], frames: NDArray[np.intp]) -> None:
        self._columns = columns
        self._regions = regions
        self._frames = frames

    @classmethod
    def of(cls, columns: HotColumns, query: Query, proposers: frozenset[str] | None) -> "_Candidates":
        frame_passes = frames_in_filter(columns, query)
        # row −1 is that of a region whose frame is gone
        passes = columns.region_alive & np.append(frame_passes, False)[columns.frame]
        if query.box is not None:
            passes &= overlapping(columns.boxes, query.box)
        if proposers is not None:
            passes &= np.array([name in proposers for name in columns.proposers] + [False])[columns.proposer]
        frames = np.flatnonzero(frame_passes)
        if proposers is not None and WHOLE_FRAME not in proposers:
            frames = frames[:0]
        return cls(columns, np.flatnonzero(passes), frames)

    def __len__(self) -> int:
        return len(self._regions) + len(self._frames)

    def take(self, index: NDArray[np.intp]) -> "_Candidates":
        """Those at `index`, ascending."""
        split = len(self._regions)
        return _Candidates(
            self._columns, self._regions[index[index < split]], self._frames[index[index >= split] - split]
        )

    @property
    def frame(self) -> NDArray[np.intp]:
        """intp (N,): row of each candidate's frame."""
        return np.concatenate([self._columns.frame[self._regions], self._frames])

    def semantic(self, vector: VectorArray, scorer: Scorer, *, exact: bool) -> FloatArray:
        regions = scorer.distances(self._columns.region_vectors, vector, self._regions, exact=exact)
        frames = scorer.distances(self._columns.frame_vectors, vector, self._frames, exact=exact)
        return np.concatenate([regions, frames])

    def geometric(self, query: Query) -> FloatArray:
        assert query.box is not None
        box = Boxes(np.array([query.box]))
        geometry = query.ranking.geometry
        regions = geometric_distance(Boxes(self._boxes()), box, geometry=geometry)
        frame = geometric_distance(Boxes(_FRAME_BOX), box, geometry=geometry)
        return np.concatenate([regions, np.repeat(frame, len(self._frames))])

    def _boxes(self) -> FloatArray:
        return np.stack([column[self._regions] for column in self._columns.boxes], axis=1)

    def rank(self, query: Query, vector: VectorArray | None, scorer: Scorer) -> tuple[Hit, ...]:
        """The query's hits: all candidates scored in float32, and exactly those that can be among the top k."""
        if not len(self):
            return ()
        geometric = None if query.box is None else self.geometric(query)
        # normalisations look at all candidates, so all must be exact; a raw sum needs only the best to be
        only_best = vector is not None and (geometric is None or query.ranking.normalisation == "raw")
        semantic = None if vector is None else self.semantic(vector, scorer, exact=not only_best)
        distance = fuse(semantic, geometric, ranking=query.ranking)
        weight = 1.0 if geometric is None else query.ranking.semantic_weight
        slack = weight * float32_error(self._columns.dimension) + 2.0**-23 if only_best else 0.0
        kept = contenders(distance, self.frame, k=query.k, slack=slack)
        best = self.take(kept)
        distance = distance[kept]
        semantic = None if semantic is None else semantic[kept]
        geometric = None if geometric is None else geometric[kept]
        if only_best and vector is not None:
            semantic = best.semantic(vector, scorer, exact=True)
            distance = fuse(semantic, geometric, ranking=query.ranking)
        return best.hits(distance, semantic, geometric, k=query.k)

    def hits(
        self, distance: FloatArray, semantic: FloatArray | None, geometric: FloatArray | None, *, k: int
    ) -> tuple[Hit, ...]:
        columns = self._columns
        frame = self.frame
        # a whole frame comes after regions at the same distance: "~" sorts behind every hexadecimal digit
        ids = np.concatenate([columns.region_id[self._regions], np.full(len(self._frames), b"~", "S32")])
        boxes = np.concatenate([self._boxes(), np.repeat(_FRAME_BOX, len(self._frames), axis=0)])
        order = rank_frames(distance, frame_id=columns.frame_id[frame], candidate_id=ids, k=k)
        shots = columns.shots_s(frame[order])
        hits = []
        for rank, (i, shot_s) in enumerate(zip(order.tolist(), shots, strict=True), start=1):
            row = int(frame[i])
            is_region = i < len(self._regions)
            x0, y0, x1, y1 = boxes[i].tolist()
            hits.append(
                Hit(
                    rank=rank,
                    distance=float(distance[i]),
                    semantic=None if semantic is None else float(semantic[i]),
                    geometric=None if geometric is None else float(geometric[i]),
                    source=columns.uris[columns.source[row]],
                    source_id=columns.source_ids[columns.source[row]],
                    pts=int(columns.pts[row]),
                    pts_s=float(columns.pts_s[row]),
                    time=columns.utc(row),
                    shot_s=shot_s,
                    box=(x0, y0, x1, y1),
                    frame_id=columns.frame_id[row].decode(),
                    region_id=ids[i].decode() if is_region else None,
                    proposer=columns.proposers[columns.proposer[self._regions[i]]] if is_region else WHOLE_FRAME,
                )
            )
        return tuple(hits)
