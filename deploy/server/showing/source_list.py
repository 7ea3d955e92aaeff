"""The list of sources: what each is, what of it is in the lake, and since when."""

import numpy as np

from deploy.server.showing.catalogue import ServedSource, Sources
from deploy.server.showing.frames import of_source, utc_text
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.lake_cache import NO_TIME


def source_list(sources: Sources, listing: FrameListing) -> list[dict[str, object]]:
    """Every source by name, as the service's JSON."""
    catalogue = sources()
    return [_shown(each, listing, sources) for each in sorted(catalogue.sources.values(), key=lambda each: each.name)]


def _shown(source: ServedSource, listing: FrameListing, sources: Sources) -> dict[str, object]:
    rows = of_source(listing, source.source_ids)
    times = listing.time[rows]
    times = times[times != NO_TIME]
    return {
        "id": source.id,
        "name": source.name,
        "kind": source.kind,
        "state": source.state,
        "recordings": len(source.source_ids),
        "keyframes": len(rows),
        "width_px": source.width_px,
        "height_px": source.height_px,
        "start_s": float(listing.pts_s[rows].min()) if len(rows) else None,
        "stop_s": float(listing.pts_s[rows].max()) if len(rows) else None,
        "start": utc_text(int(np.min(times))) if len(times) else None,
        "stop": utc_text(int(np.max(times))) if len(times) else None,
        "newest_frame": listing.frame_id[rows[-1]].decode() if len(rows) else None,
        "error": None if source.error is None else sources.hide(source.error),
    }
