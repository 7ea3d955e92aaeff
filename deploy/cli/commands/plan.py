"""`regionlake plan`: prints every setting of an ingest as TOML, which can be edited and given to --plan."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import JsonOption, ModelOption, PlanOption, ProposerOption, SetOption, chosen_plan
from deploy.cli.output import Json, print_json
from deploy.wording import counted
from schemas.visible_text import visible, visible_json

if TYPE_CHECKING:
    from pipeline.plan.lake_plan import LakePlan
    from pipeline.plan.stored_plan import StoredPlan


def plan(
    file: PlanOption = None,
    model: ModelOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    lake: Annotated[
        str | None,
        typer.Option("--lake", metavar="DIR|s3://…", help="Print the plans of this lake's sources instead."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print every setting of an ingest as TOML.

    These are the settings of `regionlake ingest` with the same options, or those of a lake. The output can be
    edited and given to --plan.
    """
    import tomllib

    from pipeline.plan.plan_file import plan_toml

    if lake is not None:
        if file or model or proposer or settings:
            raise typer.BadParameter("prints the plans of the lake: omit the other options", param_hint="--lake")
        _print_plans_of(lake, as_json=as_json)
        return
    made = chosen_plan(file, model=model, proposer=proposer, settings=settings)
    if as_json:
        print_json({"hash": made.hash, "plan": tomllib.loads(plan_toml(made))})
    else:
        typer.echo(f"# plan {made.hash}; rows of another hash are not mixed into a source\n{plan_toml(made)}", nl=False)


def _print_plans_of(uri: str, *, as_json: bool) -> None:
    """Prints the plans of a lake's sources; the plan of most sources first."""
    from pipeline.lake.lake import Lake
    from pipeline.lake.plans import stored_plans
    from pipeline.plan.lake_plan import read_lake_plan

    plans = stored_plans(Lake.open(uri))
    found = [(stored, sources, read_lake_plan(stored.toml)) for stored, sources in plans.found]
    for hash, sources in plans.missing:
        typer.echo(visible(f"the lake does not store plan {hash} of {counted(sources, 'source')}"), err=True)
    if as_json:
        print_json({"lake": uri, "plans": [_plan_json(*each) for each in found]})
        return
    if len(found) > 1:
        typer.echo(f"the lake has {len(found)} plans; a file for --plan takes one of them", err=True)
    for each in found:
        _print_plan(*each)


def _plan_json(stored: "StoredPlan", sources: int, read: "LakePlan") -> Json:
    import tomllib

    from pipeline.plan.plan_file import plan_toml

    return {
        "hash": stored.hash,
        "version": stored.version,
        "written_at": None if stored.written_at is None else stored.written_at.isoformat(),
        "sources": sources,
        "plan": tomllib.loads(plan_toml(read.plan, for_rows=True)),
        "omitted": _options(read.omitted),
    }


def _print_plan(stored: "StoredPlan", sources: int, read: "LakePlan") -> None:
    from pipeline.plan.plan_file import plan_toml

    day = "" if stored.written_at is None else f", {stored.written_at:%Y-%m-%d}"
    typer.echo("# " + visible(f"plan {stored.hash}, RegionLake {stored.version}{day}, {counted(sources, 'source')}"))
    if read.omitted:
        typer.echo(
            "# omitted, because a lake may name any class or file; if you trust them, add to `regionlake ingest`:"
        )
        typer.echo("# " + visible(shlex.join(_options(read.omitted))))
    typer.echo(plan_toml(read.plan, for_rows=True), nl=False)


def _options(omitted: Mapping[str, object]) -> list[str]:
    """The options of `regionlake ingest` that set the omitted settings."""
    options: list[str] = []
    for key, value in omitted.items():
        if key == "model":
            options += ["--model", str(value)]
        elif key == "proposals.use" and isinstance(value, list):
            options += [word for name in value for word in ("--proposer", str(name))]
        else:
            options += ["--set", f"{key}={visible_json(value, default=str)}"]
    return options
