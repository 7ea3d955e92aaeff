"""Options, each declared once: fields of a dataclass that describe their flags, JSON keys and TOML keys."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, get_type_hints

_KEY = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """A field with its type and default, and how users give it outside of Python.

    help: one sentence. Names in backticks are those of options; each interface writes them in its own form (`--box`).
    name: the key in JSON and TOML, from which the flag is derived. former_name: an older name that is still accepted.
    value: placeholder for the value in the help of a flag, where its type does not give one.
    least, most: the smallest and the largest number allowed.
    standing: whether a single new frame can answer it, so that a watch may use it.
    """

    field: str
    type: object
    default: object
    help: str
    name: str
    former_name: str | None
    value: str | None
    least: float | None
    most: float | None
    standing: bool


def option(
    default: object,
    help: str,
    *,
    name: str | None = None,
    former_name: str | None = None,
    value: str | None = None,
    least: float | None = None,
    most: float | None = None,
    standing: bool = False,
) -> Any:
    """Declares a field of a dataclass as an option; see Option. Returns Any, as `dataclasses.field` fits every type."""
    declared = {
        "help": help,
        "name": name,
        "former_name": former_name,
        "value": value,
        "least": least,
        "most": most,
        "standing": standing,
    }
    return field(default=default, metadata={_KEY: declared})


@cache
def options_of(declaration: type) -> tuple[Option, ...]:
    """The options that a dataclass declares, in their order."""
    types = get_type_hints(declaration)

    def found() -> Iterator[Option]:
        for each in fields(declaration):
            if _KEY in each.metadata:
                declared = dict(each.metadata[_KEY])
                name = declared.pop("name") or each.name
                yield Option(field=each.name, type=types[each.name], default=each.default, name=name, **declared)

    return tuple(found())


def described(declaration: type) -> str:
    """The meaning of each option, one per line, for a docstring."""
    return "\n".join(f"    {each.field}: {each.help}" for each in options_of(declaration))
