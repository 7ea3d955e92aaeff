"""The command line of a command: which parameters it was given, and how the call is repeated."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from typer._click.core import Parameter  # Typer's own copy of Click


def given_parameters(context: typer.Context) -> "Iterator[Parameter]":
    """The arguments and options that were given on the command line, in the order of their declaration."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            yield parameter


def command_line(context: typer.Context, *, without: tuple[str, ...] = ()) -> str:
    """Returns the command that repeats this call, with every argument and the options that were given.

    without: names of parameters that change no figure, which are omitted.
    """
    words: list[str] = []
    above: typer.Context | None = context
    while above is not None and above.parent is not None:
        words.insert(0, above.info_name or "")
        above = above.parent  # type: ignore[assignment]
    words.insert(0, "regionlake")  # also where it was started as `python -m`
    for parameter in given_parameters(context):
        if parameter.name in without:
            continue
        value = context.params.get(parameter.name or "")
        values = list(value) if isinstance(value, list | tuple) else [value]
        for each in values:
            if parameter.param_type_name == "argument":
                words.append(str(each))
            elif each is True:
                words.append(parameter.opts[0])
            else:
                words += [parameter.opts[0], str(each)]
    return shlex.join(words)
