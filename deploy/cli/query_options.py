"""The flags of `regionlake search` and `regionlake watch` that make a query, as `schemas.query.Query` declares them."""

import inspect
import re
from collections.abc import Callable
from functools import reduce, wraps
from operator import or_
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args

import typer

from deploy.cli.values import parse_box, parse_method, parse_moment, parse_picture, parse_point, parse_zone
from schemas.options import Option, options_of
from schemas.prompts import PointTuple
from schemas.query import BoxTuple, MethodName, Moment, PictureSource, Query, WeightedMethod, ZoneShape

QueryFields = dict[str, Any]  # field of Query → value, for the options that were given


class _Written(NamedTuple):
    """How values of a type that Typer does not know are written on the command line."""

    parse: Callable[[str], object]
    metavar: str


_WRITTEN: dict[object, _Written] = {
    BoxTuple: _Written(parse_box, "X0,Y0,X1,Y1"),
    PointTuple: _Written(parse_point, "X,Y"),
    Moment: _Written(parse_moment, "TIME"),
    PictureSource: _Written(parse_picture, "FILE"),
    ZoneShape: _Written(parse_zone, "[SOURCE=]ZONE"),
    WeightedMethod | MethodName: _Written(parse_method, "NAME[:WEIGHT]"),
}


def takes_query(*, standing: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorates a command with the flags of a query; its parameter `query_fields` receives those that were given.

    standing: only the flags that a watch has.
    """
    offered = [each for each in options_of(Query) if each.standing or not standing]

    def give(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**values: Any) -> None:
            query_fields: QueryFields = {}
            for each in offered:
                given = values.pop(each.field)
                if each.former_name:
                    given = [*(given or ()), *(values.pop(each.former_name) or ())]
                if _is_repeated(each):
                    given = tuple(given) if given else None
                if given is not None:
                    query_fields[each.field] = given
            command(query_fields=query_fields, **values)

        own = [each.replace(kind=each.KEYWORD_ONLY) for each in inspect.signature(command).parameters.values()]
        at = next(i for i, parameter in enumerate(own) if parameter.name == "query_fields")
        flags = [parameter for each in offered for parameter in _parameters(each)]
        run.__signature__ = inspect.Signature([*own[:at], *flags, *own[at + 1 :]])  # type: ignore[attr-defined]
        run.__annotations__ = {}  # Typer would look for `query_fields` there
        return run

    return give


def flag_of(each: Option) -> str:
    """`--not-roi` for the field `not_rois`: a repeatable flag is in the singular. TEXT has no flag."""
    if each.field == "text":
        return "TEXT"
    name = each.name.removesuffix("s") if _is_repeated(each) else each.name
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


def with_flags(text: str) -> str:
    """The text with names of fields of Query, written in backticks, replaced by their flags."""
    flags = {each.field: flag_of(each) for each in options_of(Query)}
    return re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[0]), text)


def _parameters(each: Option) -> list[inspect.Parameter]:
    """The parameter of the option, and a hidden one for its former name."""
    kind = _kind(each)
    details: dict[str, Any] = {"help": with_flags(each.help), "show_default": _shown_default(each)}
    if kind in _WRITTEN:
        details |= {"parser": _WRITTEN[kind].parse, "metavar": _WRITTEN[kind].metavar}
        kind = str
    else:
        details |= {"metavar": each.value}
    default = None if _is_repeated(each) else each.default
    if _is_repeated(each):
        kind = list.__class_getitem__(kind)
    if default is None:
        kind |= None
    if each.field == "text":
        return [_keyword(each.field, Annotated[kind, typer.Argument(**details)], default)]
    details |= {"min": each.least, "max": each.most}
    made = [_keyword(each.field, Annotated[kind, typer.Option(flag_of(each), **details)], default)]
    if each.former_name:
        former = typer.Option(f"--{each.former_name}", **details, hidden=True)
        made.append(_keyword(each.former_name, Annotated[kind, former], default))
    return made


def _keyword(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _shown_default(each: Option) -> bool | str:
    if isinstance(each.default, tuple):
        return ", ".join(each.default) or False
    return each.default is not None


def _is_repeated(each: Option) -> bool:
    return get_args(each.type)[-1:] == (Ellipsis,)


def _kind(each: Option) -> Any:
    """The type of one value."""
    if _is_repeated(each):
        return get_args(each.type)[0]
    if NoneType not in get_args(each.type):
        return each.type
    return reduce(or_, (part for part in get_args(each.type) if part is not NoneType))
