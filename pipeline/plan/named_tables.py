"""A TOML file of named tables, `[KIND.NAME]`, as typed entries."""

from pathlib import Path
from typing import TypeVar

import cattrs

from pipeline.plan.toml_file import read_toml
from schemas.errors import PlanError

_Entry = TypeVar("_Entry")


def read_named_tables(
    path: Path, kind: str, entry: type[_Entry], *, converter: cattrs.Converter, pipes: bool = True
) -> dict[str, _Entry]:
    """Entries by name, in the order of the file; empty where the file has no such table. pipes: see `read_toml`.

    Raises PlanError where the file cannot be read, contains anything else, or an entry does not fit its type.
    """
    content = read_toml(path, pipes=pipes)
    tables = content.get(kind, {})
    others = sorted(set(content) - {kind}) if isinstance(tables, dict) else [f"{kind} = {str(tables)[:80]}"]
    if others:
        raise PlanError(f"{path} has {', '.join(others)}; it should contain [{kind}.NAME] tables only")
    try:
        return converter.structure(tables, dict[str, entry])  # type: ignore[valid-type]
    except cattrs.BaseValidationError as error:
        raise PlanError(f"{path}: {'; '.join(cattrs.transform_error(error, path=kind))}") from None
