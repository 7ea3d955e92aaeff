"""Ranks frames by the codes of regions: the nearest by Hamming distance, re-ranked by vectors (methods.md §2)."""

from dataclasses import replace

import numpy as np

from operators.codes.features import RegionFeatures
from operators.codes.hamming import CodeArray, hamming_distances, nearest_codes
from operators.codes.model import CodeModel
from pipeline.lake.code_model import load_code_model
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.frame_scores import FrameScores
from pipeline.search.methods.method import RankingRequest, SearchState
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.regions import Proposals

REGIONS_PER_CANDIDATE = 2  # 100 regions by default, which kept 95 % of the mAP of the search by vectors


class Codes:
    """Ranks regions by their codes. It reads 32 bytes a region, and vectors of the nearest regions only. Not exact."""

    reranks = False

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._model: CodeModel | None = None

    def __call__(self, request: RankingRequest) -> FrameScores:
        columns = self._state.columns
        code = self._code_of(request)
        regions = BoxedVectors.of_regions(columns, proposers=self._state.proposers)
        passes = np.append(request.frames, False)[columns.frame]
        passes[request.standing] = True
        passes &= regions.alive & columns.region_coded
        if request.where is not None:
            passes &= request.where.passing(regions)
        rows = np.flatnonzero(passes)
        nearest = nearest_codes(
            hamming_distances(columns.region_codes, code)[rows], REGIONS_PER_CANDIDATE * request.query.candidates
        )
        scores = Candidates([regions], [np.sort(rows[nearest])]).frame_scores(
            request.target.vector,
            request.where,
            ranking=request.query.ranking,
            frames=len(columns.pts),
            scorer=self._state.scorer,
            confidence=request.target.confidence,
            least=request.query.min_confidence,
        )
        return replace(scores, candidates=len(rows), exact=len(nearest) == len(rows))

    def _code_of(self, request: RankingRequest) -> CodeArray:
        target, encoder = request.target, self._state.encoder
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
