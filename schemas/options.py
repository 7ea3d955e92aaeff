"""Options, each declared once: fields of a dataclass that say how they are asked for outside of Python."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, get_type_hints

_KEY = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """A field, its type and default, and how it is asked for.

    help: one sentence. In it, names in backticks are those of options, which every door writes in its own way.
    name: the key in JSON and TOML; the flag is made of it. former_name: one that is still taken.
    value: what stands for the value in the help of a flag, where its type does not say it.
    least, most: the span of a number.
    standing: whether a single new frame can answer it, so that a watch may ask it.
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
    """A field of a dataclass that is an option; see Option. Any, as `dataclasses.field` is of every type."""
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
    """What the options mean, a line each, for a docstring."""
    return "\n".join(f"    {each.field}: {each.help}" for each in options_of(declaration))
