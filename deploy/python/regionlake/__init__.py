"""Find the moment when *this* appeared *there*: RegionLake from Python.

    import regionlake as rl

    report = rl.ingest(["bikes.mp4", "pictures"], lake="lake")
    with rl.open("lake") as lake:
        hits = lake.search("a bicycle", box=(0.5, 0.4, 1.0, 1.0), k=6)

In a notebook `hits` shows its frames; `hits.to_pandas()`, `hits.sheet("hits.png")` and `hits.clips("clips")` make a
table, a picture and clips of them. Queries have the options of `regionlake search`, by the names of `Query`'s fields.

Importing this imports no model, no lake and no engine: they are imported by the first call that needs them.
"""

from typing import TYPE_CHECKING, Any

from regionlake.hits import Hits
from regionlake.ingesting import ingest
from regionlake.lake import Lake, open
from regionlake.remote import AsyncRemoteLake, RemoteLake, connect, connect_async
from schemas.boxes import Boxes
from schemas.errors import (
    DecodeError,
    InvalidValueError,
    LakeError,
    ModelError,
    PlanConflictError,
    PlanError,
    QueryError,
    RegionLakeError,
    ServiceError,
    SourceError,
)
from schemas.query import Hit, Place, Query, WeightedMethod
from schemas.regions import Proposals
from schemas.zones import Zone

if TYPE_CHECKING:
    from pipeline.ingest.progress import IngestReport
    from pipeline.plan.plan import Plan
    from pipeline.plan.plan_file import load_plan

__all__ = [
    "AsyncRemoteLake",
    "Boxes",
    "DecodeError",
    "Hit",
    "Hits",
    "IngestReport",
    "InvalidValueError",
    "Lake",
    "LakeError",
    "ModelError",
    "Place",
    "Plan",
    "PlanConflictError",
    "PlanError",
    "Proposals",
    "Query",
    "QueryError",
    "RegionLakeError",
    "RemoteLake",
    "ServiceError",
    "SourceError",
    "WeightedMethod",
    "Zone",
    "connect",
    "connect_async",
    "ingest",
    "load_plan",
    "open",
]

_LATER = {
    "IngestReport": "pipeline.ingest.progress",
    "Plan": "pipeline.plan.plan",
    "load_plan": "pipeline.plan.plan_file",
}


def __getattr__(name: str) -> Any:
    """Imports names that need operators when they are first used."""
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
