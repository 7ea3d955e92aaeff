"""A plan as a lake keeps it: what its hash is taken of, and the TOML that makes it again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Self

from operators.runtime.settings import Setting, identity
from pipeline.plan.legacy_hash import legacy_hash
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import plan_toml
from pipeline.plan.plan_hash import canonical_form, plan_hash

_SHOWN = 6  # settings that differ


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """hash: by which rows name the plan. settings: the canonical form, of which that is taken.

    toml: its file, less what no row depends on. version: of the RegionLake that wrote it, at written_at; None before.
    legacy_hash: by which rows of 0.1.0 name the same plan; None where 0.1.0 could not make it.
    """

    hash: str
    settings: str
    toml: str
    version: str
    written_at: datetime | None = None
    legacy_hash: str | None = None

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """As it is written now. Raises ModelError where a model of the plan is not there."""
        counted = identity(plan)
        return cls(
            hash=plan_hash(counted),
            settings=canonical_form(counted),
            toml=plan_toml(plan, for_rows=True),
            version=version("regionlake"),
            legacy_hash=legacy_hash(counted),
        )

    def is_of(self, hash: str) -> bool:
        """Whether rows that name this hash were made by this plan."""
        return hash in (self.hash, self.legacy_hash)

    def difference(self, other: "StoredPlan") -> str:
        """The settings in which a run of this plan differs from a lake of another, as a sentence."""
        here, there = _settings(self), _settings(other)
        both = sorted(name for name in here.keys() & there.keys() if here[name] != there[name])
        said = [f"this run has {name} = {_shown(here[name])}, the lake has {_shown(there[name])}" for name in both]
        for name in sorted(here.keys() ^ there.keys()):
            whose, value = ("this run", here[name]) if name in here else ("the lake", there[name])
            said.append(f"{whose} alone has {name} = {_shown(value)}")
        more = len(said) - _SHOWN
        return "; ".join(said[:_SHOWN]) + (f"; and {more} more differ" if more > 0 else "")


def _settings(plan: StoredPlan) -> Mapping[str, Setting]:
    found: Mapping[str, Setting] = json.loads(plan.settings)["settings"]
    return found


def _shown(value: Setting) -> str:
    return json.dumps(value, ensure_ascii=False)
