"""Settings of operators in a plan's TOML: each operator has a table under its name, in the table of its kind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields, make_dataclass
from typing import Any

import cattrs

from operators.encoders.catalogue import ENCODERS
from operators.proposals.catalogue import PROPOSERS
from operators.proposals.config import ProposalConfig
from operators.runtime.registry import Registry, is_class_path, settings_key
from operators.shots.catalogue import SHOT_DETECTORS
from operators.shots.config import ShotConfig
from pipeline.plan.plan import Plan
from schemas.errors import PlanError


def register_operators(converter: cattrs.Converter, *, class_paths: bool) -> None:
    """Makes a converter read and write the tables of operators in a plan. class_paths: see `Registry.resolve`."""

    def structure_proposals(value: object, _: type) -> ProposalConfig:
        chosen = value.get("use", ()) if isinstance(value, Mapping) else ()
        made: ProposalConfig = _structure(converter, value, ProposalConfig, PROPOSERS, chosen, class_paths=class_paths)
        return made

    def unstructure_proposals(config: ProposalConfig) -> dict[str, object]:
        return _unstructure(converter, config, [config.config_of(name) for name in (*PROPOSERS.built_in, *config.use)])

    def structure_shots(value: object, _: type) -> ShotConfig:
        chosen = [value.get("detector")] if isinstance(value, Mapping) else ()
        made: ShotConfig = _structure(converter, value, ShotConfig, SHOT_DETECTORS, chosen, class_paths=class_paths)
        return made

    def unstructure_shots(config: ShotConfig) -> dict[str, object]:
        return _unstructure(converter, config, [] if config.detector in SHOT_DETECTORS.built_in else [config.chosen])

    def structure_named_plan(value: object, kind: type) -> Plan:
        if isinstance(value, Mapping) and is_class_path(str(value.get("model"))):
            # raises here: a model has no table of settings to resolve
            ENCODERS.resolve(str(value["model"]), class_paths=False)
        made: Plan = structure_plan(value, kind)
        return made

    converter.register_structure_hook(ShotConfig, structure_shots)
    converter.register_unstructure_hook(ShotConfig, unstructure_shots)
    converter.register_structure_hook(ProposalConfig, structure_proposals)
    converter.register_unstructure_hook(ProposalConfig, unstructure_proposals)
    if not class_paths:
        structure_plan = converter.get_structure_hook(Plan)
        converter.register_structure_hook(Plan, structure_named_plan)


def _structure(
    converter: cattrs.Converter,
    value: object,
    shape: type[Any],
    registry: Registry[Any],
    chosen: object,
    *,
    class_paths: bool,
) -> Any:
    """A dataclass `shape` whose field `settings` is written in TOML as one table per operator.

    chosen: names of the operators in use, as read from TOML; the converter refuses those of a wrong type later.
    Only operators that the plan names are imported.
    """
    if not isinstance(value, Mapping):
        raise PlanError(f"{value!r} is not a table")
    own = [each for each in fields(shape) if each.name != "settings"]
    names = [name for name in chosen if isinstance(name, str)] if isinstance(chosen, Iterable) else []
    kinds = [registry.resolve(name, class_paths=class_paths) for name in names if name not in registry.built_in]
    tables = {settings_key(kind.name): kind for kind in kinds}
    for key in value.keys() - {each.name for each in own} - tables.keys():
        name = key.replace("_", "-")
        if settings_key(name) == key and registry.knows(name):
            tables[key] = registry.resolve(name)
    for each in own:
        if each.name in tables:
            raise PlanError(
                f"the {registry.kind} {tables[each.name].name} needs another name: {each.name} is already a setting"
            )
    # one class with all allowed keys, so that errors read like those of any other table
    merged = make_dataclass(
        shape.__name__,
        [(e.name, e.type, field(default=e.default, default_factory=e.default_factory)) for e in own]
        + [(key, kind, field(default_factory=kind)) for key, kind in tables.items()],
        kw_only=True,
    )
    made: Any = converter.structure(value, merged)
    settings = tuple(getattr(made, key) for key in tables)
    return shape(**{each.name: getattr(made, each.name) for each in own}, settings=settings)


def _unstructure(converter: cattrs.Converter, config: Any, shown: Sequence[Any]) -> dict[str, object]:
    """The TOML content of a config. shown: settings of operators that are printed even if they are the defaults."""
    tables = {settings_key(each.name): converter.unstructure(each) for each in (*shown, *config.settings)}
    content: dict[str, object] = {}
    for each in fields(config):
        content |= tables if each.name == "settings" else {each.name: converter.unstructure(getattr(config, each.name))}
    return content
