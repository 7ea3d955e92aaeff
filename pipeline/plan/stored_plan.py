"""A plan as stored in a lake: the settings that are hashed, and the TOML file from which it can be loaded again."""

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

_SHOWN = 6  # differing settings that a message lists


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan with its hash, settings and TOML file.

    hash: the plan's name in the rows. settings: the canonical form from which the hash is computed.
    toml: the plan's file, without settings that no row depends on. version: of the RegionLake that wrote it.
    written_at: UTC; None where it is not written yet.
    legacy_hash: the plan's name in rows of 0.1.0; None where 0.1.0 could not express it.
    """

    hash: str
    settings: str
    toml: str
    version: str
    written_at: datetime | None = None
    legacy_hash: str | None = None

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The stored form of a plan. Raises ModelError where a model of the plan is missing."""
        counted = identity(plan)
        return cls(
            hash=plan_hash(counted),
            settings=canonical_form(counted),
            toml=plan_toml(plan, for_rows=True),
            version=version("regionlake"),
            legacy_hash=legacy_hash(counted),
        )

    def is_of(self, hash: str) -> bool:
        """Whether rows with this hash were made by this plan."""
        return hash in (self.hash, self.legacy_hash)

    def difference(self, other: "StoredPlan") -> str:
        """The settings in which a run with this plan differs from a lake of the `other` plan, for an error message."""
        here, there = _settings(self), _settings(other)
        both = sorted(name for name in here.keys() & there.keys() if here[name] != there[name])
        lines = [f"this run has {name} = {_shown(here[name])}, the lake has {_shown(there[name])}" for name in both]
        for name in sorted(here.keys() ^ there.keys()):
            whose, value = ("this run", here[name]) if name in here else ("the lake", there[name])
            lines.append(f"only {whose} has {name} = {_shown(value)}")
        more = len(lines) - _SHOWN
        return "; ".join(lines[:_SHOWN]) + (f"; and {more} more differ" if more > 0 else "")


def _settings(plan: StoredPlan) -> Mapping[str, Setting]:
    found: Mapping[str, Setting] = json.loads(plan.settings)["settings"]
    return found


def _shown(value: Setting) -> str:
    return json.dumps(value, ensure_ascii=False)
