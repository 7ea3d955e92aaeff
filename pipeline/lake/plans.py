"""The plans by which the rows of a lake were made, as its table `plans` keeps them."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from pipeline.lake.lake import Lake
from pipeline.plan.legacy_hash import is_legacy
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import PlanConflictError
from schemas.tables import plans_schema


def read_plans(lake: Lake) -> dict[str, StoredPlan]:
    """By the hash that rows name; none of a plan by which 0.1.0 made rows, unless something newer went on with it."""
    rows = lake.read("plans").to_pylist()
    return {
        row["id"]: StoredPlan(row["id"], row["settings"], row["toml"], row["version"], row["written_at"])
        for row in rows
    }


def plans_table(plan: StoredPlan, hashes: Iterable[str], *, written_at: datetime) -> pa.Table:
    """Rows of `plans` for a plan, under each of these hashes of it."""
    row = {"settings": plan.settings, "toml": plan.toml, "version": plan.version, "written_at": written_at}
    return pa.Table.from_pylist([{"id": each, **row} for each in hashes], schema=plans_schema())


def plans_in_use(lake: Lake) -> list[tuple[str, int]]:
    """(hash, sources that it made), most sources first."""
    return Counter(lake.read("sources", columns=["plan"])["plan"].to_pylist()).most_common()


def plan_conflict(lake: Lake, uri: str, *, here: StoredPlan, there: str) -> PlanConflictError:
    """The error of a run with plan `here` at a source that the lake has under the hash `there`."""
    kept = read_plans(lake).get(there)
    if kept is not None:
        why = here.difference(kept)
    elif is_legacy(there):
        why = "RegionLake 0.1.0 made it and kept no plan, so nobody can say which settings differ"
    else:
        why = f"the lake keeps no plan {there}, so nobody can say which settings differ (regionlake check)"
    return PlanConflictError(
        f"{uri} is in the lake {lake.uri} under another plan: {why}; pass --replace to ingest it anew, take the lake's "
        f"settings (regionlake plan --lake {lake.uri}), or use another lake"
    )
