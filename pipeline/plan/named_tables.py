"""A TOML file of named tables, `[KIND.NAME]`, as typed entries."""

import tomllib
from pathlib import Path
from typing import TypeVar

import cattrs

from schemas.errors import PlanError

_Entry = TypeVar("_Entry")


def read_named_tables(path: Path, kind: str, entry: type[_Entry], *, converter: cattrs.Converter) -> dict[str, _Entry]:
    """Entries by name, in the order of the file; empty where the file has no such table.

    Raises PlanError where the file cannot be read, contains anything else, or an entry does not fit its type.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error}") from None
    tables = content.get(kind, {})
    others = sorted(set(content) - {kind}) if isinstance(tables, dict) else [f"{kind} = {tables!r}"]
    if others:
        raise PlanError(f"{path} has {', '.join(others)}; it should contain [{kind}.NAME] tables only")
    try:
        return converter.structure(tables, dict[str, entry])  # type: ignore[valid-type]
    except cattrs.BaseValidationError as error:
        raise PlanError(f"{path}: {'; '.join(cattrs.transform_error(error, path=kind))}") from None
