"""The command line of a command, which is printed above its figures."""

import shlex

import typer


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
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name in without:
            continue
        values = list(value) if isinstance(value, list | tuple) else [value]
        for each in values:
            if parameter.param_type_name == "argument":
                words.append(str(each))
            elif each is True:
                words.append(parameter.opts[0])
            else:
                words += [parameter.opts[0], str(each)]
    return shlex.join(words)
