"""The arguments of handed work as JSON and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

import schemas.errors
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.live.commits.stored_json import (
    plan_from_json,
    plan_to_json,
    report_from_json,
    report_to_json,
    segment_from_json,
    segment_to_json,
)
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import plan_toml
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import LakeError, RegionLakeError

Json = dict[str, Any]
_TABLES = ("frames", "regions", "patches")


def rows_to_json(rows: Sequence[SegmentRows]) -> tuple[list[Json], list[pa.Table]]:
    """Segments, and their tables in order."""
    described: list[Json] = []
    tables: list[pa.Table] = []
    for each in rows:
        held = {name: getattr(each, name) for name in _TABLES if getattr(each, name) is not None}
        segment, report = segment_to_json(each.segment), report_to_json(each.report)
        described.append({"segment": segment, "plan": each.plan, "report": report, "tables": list(held)})
        tables += held.values()
    return described, tables


def rows_from_json(described: Sequence[Json], tables: Sequence[pa.Table]) -> list[SegmentRows]:
    waiting = iter(tables)
    found = []
    for each in described:
        held: Mapping[str, pa.Table] = {name: next(waiting) for name in each["tables"]}
        found.append(
            SegmentRows(
                segment=segment_from_json(each["segment"]),
                plan=each["plan"],
                report=report_from_json(each["report"]),
                frames=held["frames"],
                regions=held["regions"],
                patches=held.get("patches"),
            )
        )
    return found


def handed_plan_to_json(plan: Plan) -> Json:
    """A plan for another process: as the lake stores it, and with all its settings."""
    stored = StoredPlan.of(plan)
    return {**plan_to_json(stored), "legacy_hash": stored.legacy_hash, "plan": plan_toml(_with_whole_paths(plan))}


def stored_plan_from_json(stored: Json) -> StoredPlan:
    return replace(plan_from_json(stored), legacy_hash=stored["legacy_hash"])


def config_to_json(config: UpkeepConfig) -> Json:
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {
        name: {"seconds": value.total_seconds()} if isinstance(value, timedelta) else value
        for name, value in values.items()
    }


def config_from_json(stored: Json) -> UpkeepConfig:
    values: dict[str, Any] = {
        name: timedelta(seconds=value["seconds"]) if isinstance(value, dict) else value
        for name, value in stored.items()
    }
    return UpkeepConfig(**values)


def error_to_json(error: BaseException) -> Json:
    known = isinstance(error, RegionLakeError)
    return {"kind": type(error).__name__, "message": str(error) if known else f"{type(error).__name__}: {error}"}


def error_from_json(stored: Json) -> RegionLakeError:
    """The error as it was raised, or a LakeError for one that is not RegionLake's."""
    kind = getattr(schemas.errors, stored["kind"], None)
    if isinstance(kind, type) and issubclass(kind, RegionLakeError):
        return kind(stored["message"])
    return LakeError(f"the follower that writes the lake failed: {stored['message']}")


def _with_whole_paths(plan: Plan) -> Plan:
    """The plan with its models' paths from the root: the follower has another working directory."""
    codes = replace(plan.codes, model=_whole(plan.codes.model))
    propagation = replace(plan.tracks.propagation, model=_whole(plan.tracks.propagation.model))
    return replace(plan, codes=codes, tracks=replace(plan.tracks, propagation=propagation))


def _whole(model: str) -> str:
    return str(Path(model).resolve()) if model and Path(model).exists() else model
