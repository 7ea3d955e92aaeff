"""Reads a plan that is stored in a lake, and neither imports nor opens anything that the lake names.

Whoever wrote the lake wrote its plans, so they may be hostile. Operators are resolved by built-in and registered names
only. A class path would import a module, and the name of a model or of a file would open it: these settings are omitted
before the plan is made, and reported, so that users who trust them can set them again.

A stored plan has every setting of its time. One that it lacks is newer, and gets the value with which rows are as they
were before it existed, whatever its default is today.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from operators.encoders.catalogue import ENCODERS
from operators.proposals.catalogue import PROPOSERS
from operators.proposals.config import ProposalConfig
from operators.runtime.registry import Registry, settings_key
from operators.runtime.settings import dotted, neutral_values, opens_files
from operators.shots.catalogue import SHOT_DETECTORS
from operators.shots.config import ShotConfig
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import structure_plan
from schemas.errors import PlanError

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LakePlan:
    """plan: has registered operators only, and no model but a registered encoder.

    omitted: the other settings of the stored plan, by their dotted names. `proposals.use` is the whole list of the
        stored plan if any of its names was omitted.
    """

    plan: Plan
    omitted: Mapping[str, object]


def read_lake_plan(toml: str) -> LakePlan:
    """The plan in a TOML text from a lake. Raises PlanError where this version cannot read it."""
    try:
        settings = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"the plan in the lake is not TOML: {error}") from error
    omitted: dict[str, object] = {}
    model = settings.pop("model", None)
    proposals = _below(settings, "proposals")
    shots = _below(_below(settings, "read"), "shots")
    _omit_unregistered(proposals, ProposalConfig, PROPOSERS, "proposals", omitted)
    _omit_unregistered(shots, ShotConfig, SHOT_DETECTORS, "read.shots", omitted)
    _omit_files(settings, Plan, "", omitted)
    if isinstance(model, str) and ENCODERS.knows(model):
        settings["model"] = model
    elif model is not None:
        omitted["model"] = model
    use = proposals.get("use")
    if isinstance(use, list) and not all(_is_known(name, PROPOSERS) for name in use):
        omitted["proposals.use"] = use
        proposals["use"] = [name for name in use if _is_known(name, PROPOSERS)]
    if "detector" in shots and not _is_known(shots["detector"], SHOT_DETECTORS):
        omitted["read.shots.detector"] = shots.pop("detector")
    box_masks = _below(proposals, "box_masks")
    if box_masks.get("by") == "sam" and "proposals.box_masks.sam.model" in omitted:  # a plan with it needs its model
        omitted["proposals.box_masks.by"] = box_masks.pop("by")
    _add_newer(settings, Plan)
    use = proposals.get("use")
    for name in use if isinstance(use, list) else ():
        if _is_known(name, PROPOSERS):
            kind = PROPOSERS.resolve(name)
            _add_newer_below(proposals, settings_key(kind.name), kind)
    return LakePlan(structure_plan(settings, class_paths=False), omitted)


def _omit_unregistered(
    table: Table, shape: type, registry: Registry[Any], name: str, omitted: dict[str, object]
) -> None:
    """Omits the tables of operators that are not registered; from those of the others, the settings that open files."""
    for key in table.keys() - {each.name for each in fields(shape)}:
        operator = key.replace("_", "-")
        if settings_key(operator) != key or not registry.knows(operator):
            omitted |= _flat(dotted(name, key), table.pop(key))
        elif isinstance(table[key], dict):
            _omit_files(table[key], registry.resolve(operator), dotted(name, key), omitted)


def _omit_files(table: Table, config: type, name: str, omitted: dict[str, object]) -> None:
    """Omits the settings of a config, and of the configs below it, that name models or other files."""
    types = get_type_hints(config)
    for each in fields(config):
        value, key = table.get(each.name), dotted(name, each.name)
        if opens_files(each):
            if table.pop(each.name, ""):
                omitted |= _flat(key, value)
            continue
        tables = [below for below in (value if isinstance(value, list) else [value]) if isinstance(below, dict)]
        for kind in _configs(types[each.name]):
            for below in tables:
                _omit_files(below, kind, key, omitted)


def _add_newer(table: Table, config: type) -> None:
    """Adds the settings of a config, and of the configs below it, that are newer than the table."""
    for key, value in neutral_values(config).items():
        table.setdefault(key, value)
    types = get_type_hints(config)
    for each in fields(config):
        kind = types[each.name]
        if isinstance(kind, type) and is_dataclass(kind):  # not `Config | None`: where it is missing, it is None
            _add_newer_below(table, each.name, kind)


def _add_newer_below(table: Table, key: str, config: type) -> None:
    below = table.get(key, {})
    if isinstance(below, dict):  # anything else is refused when the plan is made
        _add_newer(below, config)
        if below:
            table[key] = below


def _configs(kind: Any) -> Iterator[type]:
    """The classes of configs in the type of a field: `Config`, `Config | None`, `tuple[Config, ...]`."""
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
    for each in get_args(kind):
        yield from _configs(each)


def _flat(key: str, value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        return {key: value}
    return {name: leaf for each, below in value.items() for name, leaf in _flat(dotted(key, each), below).items()}


def _below(table: Table, key: str) -> Table:
    """The table under a key; where there is none, an empty one that is not part of the plan."""
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def _is_known(name: object, registry: Registry[Any]) -> bool:
    return isinstance(name, str) and registry.knows(name)
