"""`regionlake plan`: every setting of an ingest as TOML, ready to be edited and given to --plan."""

import typer

from deploy.cli.options import JsonOption, ModelOption, PlanOption, ProposerOption, SetOption, chosen_plan
from deploy.cli.output import print_json


def plan(
    file: PlanOption = None,
    model: ModelOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print every setting of an ingest as TOML.

    It is what `ingest` does with the same options; edited, it can be given to --plan.
    """
    import tomllib

    from pipeline.plan.plan_file import plan_toml

    made = chosen_plan(file, model=model, proposer=proposer, settings=settings)
    if as_json:
        print_json({"hash": made.hash, "plan": tomllib.loads(plan_toml(made))})
    else:
        typer.echo(f"# plan {made.hash}; rows of another hash are not mixed into a source\n{plan_toml(made)}", nl=False)
