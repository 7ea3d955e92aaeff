"""The table `plans` of a lake: the plans that made its rows, and the error for a run with another plan."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipeline.lake.checksums import with_own_checksums
from pipeline.lake.lake import Lake
from pipeline.lake.plans_in_use import plans_in_use
from pipeline.plan.legacy_hash import is_legacy
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import LakeError, PlanConflictError
from schemas.tables import plans_schema


@dataclass(frozen=True, slots=True)
class StoredPlans:
    """The plans of a lake's sources, each with the number of its sources; the plan of most sources first."""

    found: list[tuple[StoredPlan, int]]
    missing: list[tuple[str, int]]  # hashes of plans that the lake does not store


def stored_plans(lake: Lake) -> StoredPlans:
    """Raises LakeError if the lake stores none of the plans of its sources."""
    stored, in_use = read_plans(lake), plans_in_use(lake)
    found = [(stored[hash], sources) for hash, sources in in_use if hash in stored]
    if not found:
        raise LakeError(f"the lake {lake.uri} stores no plan: it has no sources, or RegionLake 0.1.0 ingested them")
    return StoredPlans(found, [(hash, sources) for hash, sources in in_use if hash not in stored])


def read_plans(lake: Lake) -> dict[str, StoredPlan]:
    """Plans by their hash; a plan of 0.1.0 is missing unless a newer RegionLake has added rows under it."""
    rows = lake.read("plans").to_pylist()
    return {
        row["id"]: StoredPlan(row["id"], row["settings"], row["toml"], row["version"], row["written_at"])
        for row in rows
    }


def plans_table(plan: StoredPlan, hashes: Iterable[str], *, written_at: datetime) -> pa.Table:
    """Rows of `plans` for a plan, one for each of these hashes of it."""
    row = {"settings": plan.settings, "toml": plan.toml, "version": plan.version, "written_at": written_at}
    return with_own_checksums(pa.Table.from_pylist([{"id": each, **row} for each in hashes], schema=plans_schema()))


def plan_conflict(lake: Lake, uri: str, *, here: StoredPlan, there: str) -> PlanConflictError:
    """The error of a run with the plan `here` for a source that the lake has under the plan hash `there`."""
    kept = read_plans(lake).get(there)
    if kept is not None:
        why = here.difference(kept)
    elif is_legacy(there):
        why = "RegionLake 0.1.0 made it without storing the plan, so the settings cannot be compared"
    else:
        why = f"the lake does not contain the plan {there}, so the settings cannot be compared (regionlake check)"
    return PlanConflictError(
        f"{uri} is in the lake {lake.uri} under another plan: {why}; to ingest it again, run "
        f"{replace_command(uri, lake.uri)} with the settings of this run, or use the lake's settings "
        f"(regionlake plan --lake {lake.uri}), or another lake"
    )


def replace_command(uri: str, lake: str) -> str:
    """The command that ingests a source again, which a follower cannot do by itself."""
    return f"`regionlake ingest --replace {shlex.quote(uri)} --lake {shlex.quote(lake)}`"
