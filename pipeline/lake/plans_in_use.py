"""Which plans made the sources of a lake, and how its regions became vectors.

Only one table of a plan's TOML is read: a search need not wait for the import of every operator that a plan can name.
"""

import logging
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from operators.encoders.region_vectors import RegionVectorsConfig
from pipeline.lake.lake import Lake
from schemas.errors import LakeError

_log = logging.getLogger(__name__)


def plans_in_use(lake: Lake) -> list[tuple[str, int]]:
    """(plan hash, number of its sources) for each plan, most sources first."""
    return Counter(lake.read("sources", columns=["plan"])["plan"].to_pylist()).most_common()


def region_settings_in_use(lake: Lake) -> RegionVectorsConfig | None:
    """The `regions` settings of the lake's plan, without its reduction; None where it keeps no plan.

    Where sources were ingested with different ones, those of most sources, which the log names. A source whose plan
    the lake does not keep counts for the defaults. Raises LakeError for settings that this version cannot read.
    """
    plans = lake.read("plans", columns=["id", "toml"]).to_pylist()
    if not plans:
        return None
    settings = {row["id"]: _regions_of(row["toml"], plan=row["id"], lake=lake.uri) for row in plans}
    sources: Counter[RegionVectorsConfig] = Counter()
    for plan, count in plans_in_use(lake):
        sources[settings.get(plan, RegionVectorsConfig(mode="both"))] += count
    if not sources:
        return None
    (most, count), *others = sources.most_common()
    if others:
        _log.warning(
            "sources of this lake were ingested with different `regions` settings: parts of pictures are encoded as in "
            "most of them",
            extra={"lake": lake.uri, "regions": str(most), "sources": count, "others": sum(n for _, n in others)},
        )
    return most


def _regions_of(toml: str, *, plan: str, lake: str) -> RegionVectorsConfig:
    try:
        table = tomllib.loads(toml).get("regions", {})
        if not isinstance(table, Mapping):
            raise TypeError(f"{table!r} is no table")
        made = RegionVectorsConfig(**{"mode": "both", **table})
        return replace(made, dimensions=0, reduction="")  # the lake's own reduction shortens what they make
    except (TypeError, ValueError) as error:
        raise LakeError(f"the `regions` settings of plan {plan} in the lake {lake} cannot be read: {error}") from error
