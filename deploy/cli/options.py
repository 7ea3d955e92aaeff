"""Options that several subcommands share, so that they read and work the same everywhere."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.plan import Plan

LakeOption = Annotated[str, typer.Option("--lake", metavar="DIR|s3://…", help="The lake.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]
PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE.toml", help="Settings that differ from `regionlake plan`.", exists=True, dir_okay=False
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="A name from `regionlake models`.")]
ProposerOption = Annotated[
    list[str] | None, typer.Option("--proposer", help="Where regions come from; again for more, the first goes first.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one setting of the plan; repeatable."),
]


def chosen_plan(
    file: Path | None, *, model: str | None, proposer: list[str] | None, settings: list[str] | None
) -> "Plan":
    """The default plan, changed by the file, then by --set, then by the flags that have a name of their own."""
    from pipeline.plan import load_plan

    overrides = list(settings or [])
    if model:
        overrides.append(f"model={json.dumps(model)}")
    if proposer:
        overrides.append(f"proposals.use={json.dumps(proposer)}")
    return load_plan(file, overrides=overrides)
