"""`regionlake plan`: prints every setting of an ingest as TOML, which can be edited and given to --plan."""

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

    These are the settings of `regionlake ingest` with the same options. The output can be edited and given
    to --plan.
    """
    import tomllib

    from pipeline.plan.plan_file import plan_toml

    made = chosen_plan(file, model=model, proposer=proposer, settings=settings)
    if as_json:
        print_json({"hash": made.hash, "plan": tomllib.loads(plan_toml(made))})
    else:
        typer.echo(f"# plan {made.hash}; rows of another hash are not mixed into a source\n{plan_toml(made)}", nl=False)
