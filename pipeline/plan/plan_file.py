"""Plans as TOML: reads them from files and overrides, and writes them."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Literal, get_args, get_origin

import cattrs
import tomli_w
from cattrs.v import format_exception

from operators.encoders.region_vectors import RegionVectorsConfig
from pipeline.plan.operator_settings import register_operators
from pipeline.plan.plan import Plan
from pipeline.plan.toml_file import read_toml
from schemas.errors import PlanError, RegionLakeError


def load_plan(
    path: Path | None = None, *, overrides: Sequence[str] = (), regions: RegionVectorsConfig | None = None
) -> Plan:
    """The default plan, changed by a TOML file and then by `key.path=value` overrides (values as in TOML).

    regions: replaces the default of the settings of region vectors.
    Raises PlanError naming the key that is unknown or has a wrong value.
    """
    settings: dict[str, object] = {} if regions is None else {"regions": asdict(regions)}
    if path is not None:
        _merge(settings, read_toml(path))
    for override in overrides:
        _merge(settings, _parse_override(override))
    return structure_plan(settings, class_paths=True)


def structure_plan(settings: Mapping[str, object], *, class_paths: bool) -> Plan:
    """The plan from a TOML file's content. class_paths: False where the TOML comes from a lake: `Registry.resolve`.

    Raises PlanError naming the key that is unknown or has a wrong value.
    """
    try:
        return _converter(class_paths=class_paths).structure(settings, Plan)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error, path="plan", format_exception=_problem))
        raise PlanError(f"{problems}; `regionlake plan` prints every key with its default") from error


def plan_toml(plan: Plan, *, for_rows: bool = False) -> str:
    """The plan as the content of a TOML file.

    for_rows: omits settings that no row depends on: how work is distributed, what files may be at most, and
        proposers that are not used.
    """
    content = _without_none(_converter(class_paths=True).unstructure(plan))
    if for_rows:
        del content["run"], content["live"]
        read, proposals, in_use = content["read"], content["proposals"], plan.proposals.counted()
        assert isinstance(read, dict)
        assert isinstance(proposals, dict)
        del read["limits"]
        regions = content["regions"]
        assert isinstance(regions, dict)
        if not plan.regions.dimensions:  # older releases read the plans of today, and know no short vectors
            del regions["dimensions"], regions["reduction"]
        content["proposals"] = {key: value for key, value in proposals.items() if key in in_use}
    return tomli_w.dumps(content)


_TOML_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@cache
def _converter(*, class_paths: bool) -> cattrs.Converter:
    """class_paths: see `register_operators`."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    _strict(converter, bool)
    _strict(converter, int)
    _strict(converter, float, int)
    _strict(converter, str)
    register_operators(converter, class_paths=class_paths)
    return converter


def _strict(converter: cattrs.Converter, kind: type, *also: type) -> None:
    """Makes the converter accept only values of that type: bool("no") would be True, and int(3.7) 3."""

    def structure(value: object, _: type) -> object:
        if type(value) not in (kind, *also):
            raise PlanError(f"{value!r} is not {_TOML_NAMES[kind]}")
        return kind(value)

    converter.register_structure_hook(kind, structure)


def _problem(error: BaseException, kind: type | None) -> str:
    if isinstance(error, RegionLakeError):  # our own messages are better than cattrs' "invalid value"
        return str(error)
    if get_origin(kind) is Literal:
        return f"{str(error).partition(' not in ')[0]!r} is not one of {', '.join(get_args(kind))}"
    return format_exception(error, kind)


def _parse_override(override: str) -> dict[str, object]:
    key, equals, value = override.partition("=")
    if not equals:
        raise PlanError(f"an override has the form key.path=value, got {override!r}")
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        try:
            return tomllib.loads(f'{key} = "{value}"')  # a bare word is meant as a string
        except tomllib.TOMLDecodeError as error:
            raise PlanError(f"override {override!r} cannot be read: {error}") from error
    except RecursionError:
        raise PlanError(f"override {key} cannot be read: its lists or tables are nested too deep") from None


def _merge(into: dict[str, object], changes: Mapping[str, object]) -> None:
    for key, value in changes.items():
        below = into.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict):
            _merge(below, value)
        else:
            into[key] = value


def _without_none(value: object) -> dict[str, object]:
    """The tables without the keys whose value is None: TOML has no null, and a missing key is read as None."""
    assert isinstance(value, Mapping)
    return {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in value.items() if v is not None}
