"""Ranking by codes: the regions nearest by Hamming distance, re-ranked by their float vectors (methods.md §2)."""

from dataclasses import replace

import numpy as np

from operators.codes.features import RegionFeatures
from operators.codes.hamming import CodeArray, hamming_distances, nearest_codes
from operators.codes.model import CodeModel
from pipeline.lake.code_model import load_code_model
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.filters import overlapping
from pipeline.search.frame_scores import FrameScores
from pipeline.search.methods.method import Asked, SearchState
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.regions import Proposals

REGIONS_PER_CANDIDATE = 2  # of a query: 100 regions by default, from which 95 % of the float search's mAP came back


class Codes:
    """A candidate source: it reads 32 bytes a region, and the vectors of the nearest alone. Not exact."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._model: CodeModel | None = None

    def __call__(self, asked: Asked) -> FrameScores:
        columns = self._state.columns
        code = self._code_of(asked)
        regions = BoxedVectors.of_regions(columns, proposers=self._state.proposers)
        passes = regions.alive & columns.region_coded & np.append(asked.frames, False)[columns.frame]
        if asked.query.box is not None:
            passes &= overlapping(regions.boxes, asked.query.box)
        rows = np.flatnonzero(passes)
        nearest = nearest_codes(
            hamming_distances(columns.region_codes, code)[rows], REGIONS_PER_CANDIDATE * asked.query.candidates
        )
        scores = Candidates([regions], [np.sort(rows[nearest])]).frame_scores(
            asked.target.vector,
            asked.query.box,
            ranking=asked.query.ranking,
            frames=len(columns.pts),
            scorer=self._state.scorer,
        )
        return replace(scores, candidates=len(rows), exact=len(nearest) == len(rows))

    def _code_of(self, asked: Asked) -> CodeArray:
        target, encoder = asked.target, self._state.encoder
        if target.picture is None or encoder is None:
            raise QueryError(
                "the method codes compares a region with regions; give a picture (`image` or `frame`) with `points`, "
                "`prompt`, `prompt_box` or `roi`, or rank by regions"
            )
        if self._model is None:
            self._model = load_code_model(self._state.lake)
            self._model.require_space(encoder.space)
        box = Boxes(np.array([target.roi or (0, 0, 1, 1)], np.float32))
        region = Proposals.of(box, score=1.0, proposer="query", mask=[target.mask])
        (x,) = RegionFeatures(self._model.features, encoder)([target.picture], [region])
        code: CodeArray = self._model(x)[0]
        return code
