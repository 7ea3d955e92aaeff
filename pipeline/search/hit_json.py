"""A hit as programs read it."""

from schemas.query import Hit


def hit_json(hit: Hit) -> dict[str, object]:
    """The object that stands for a hit in `regionlake search --json`; times as ISO 8601 in UTC."""
    return {
        "rank": hit.rank,
        "distance": hit.distance,
        "semantic": hit.semantic,
        "geometric": hit.geometric,
        "source": hit.source,
        "pts_s": hit.pts_s,
        "time": hit.time.isoformat() if hit.time else None,
        "shot_s": hit.shot_s,
        "box": hit.box,
        "frame_id": hit.frame_id,
        "region_id": hit.region_id,
        "proposer": hit.proposer,
        "label": hit.label,
        "track": hit.track,
        **({} if hit.then is None else {"then": hit_json(hit.then)}),
    }
