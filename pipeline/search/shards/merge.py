"""Merges what shards answered. The top k of all is among the top k of the parts, because a frame is in one part and
the order of frames is total: by distance, and by id where distances are equal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from operators.ranking.fusion import Spreads
from operators.ranking.spread import Spread
from pipeline.search.answering.asked import Asked
from pipeline.search.memory.frame_listing import FrameListing
from schemas.query import Explanation, SearchResult


def merged_result(asked: Asked, parts: Sequence[SearchResult], *, away: Mapping[int, str]) -> SearchResult:
    """The answer to a query from those of all parts. away: why parts were answered from the lake, by their numbers."""
    query = asked.query
    best = sorted((hit for part in parts for hit in part.hits), key=lambda hit: (hit.distance, hit.frame_id))
    hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(best[: query.k], start=1))
    targets = [part.recall_target for part in parts if part.recall_target is not None]
    asked.steps.end("merge")
    return SearchResult(
        query,
        asked.steps.total_ms,
        all(part.exact for part in parts),
        sum(part.candidates for part in parts),
        hits,
        None if query.prompts is None else asked.target.roi,
        by_meaning_alone=_names(part.by_meaning_alone for part in parts),
        omitted=_names(part.omitted for part in parts),
        access_path=" and ".join(sorted({part.access_path for part in parts})),
        recall_target=min(targets, default=None),
        explanation=_explained(asked, parts, away),
        shards=len(parts),
        from_lake=tuple(sorted(away)),
    )


def merged_spreads(parts: Sequence[Spreads]) -> Spreads:
    """Those of the candidates of all parts."""
    return Spread.joined([part[0] for part in parts]), Spread.joined([part[1] for part in parts])


def merged_listing(parts: Sequence[FrameListing], *, generation: int) -> FrameListing:
    """The keyframes of all parts, by source and then by time."""
    uris = {id: uri for part in parts for id, uri in zip(part.source_ids, part.uris, strict=True)}
    number = {id: number for number, id in enumerate(uris)}
    of_part = [np.array([number[id] for id in part.source_ids] + [-1], np.int64)[part.source] for part in parts]
    source, pts = np.concatenate(of_part), np.concatenate([part.pts for part in parts])
    order = np.lexsort((pts, source))
    return FrameListing(
        np.concatenate([part.frame_id for part in parts])[order],
        source[order],
        pts[order],
        np.concatenate([part.pts_s for part in parts])[order],
        np.concatenate([part.time for part in parts])[order],
        np.concatenate([part.regions for part in parts])[order],
        tuple(uris),
        tuple(uris.values()),
        generation,
    )


def _names(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for part in parts for name in part}))


def _explained(asked: Asked, parts: Sequence[SearchResult], away: Mapping[int, str]) -> Explanation | None:
    """Sums of what the parts read, and why any was not answered by its actor."""
    each = [part.explanation for part in parts if part.explanation is not None]
    if len(each) < len(parts):
        return None
    reasons = list(dict.fromkeys(found.why for found in each))
    why = f"{len(parts) - len(away)} of {len(parts)} parts of the lake were ranked by their actors"
    why += "".join(f", part {number} from the lake ({reason})" for number, reason in sorted(away.items()))
    return Explanation(
        f"{'; '.join(reasons)}; {why}",
        sum(found.passing for found in each),
        sum(found.compared for found in each),
        sum(found.blocks for found in each),
        sum(found.bytes for found in each),
        asked.steps.ms,
    )
