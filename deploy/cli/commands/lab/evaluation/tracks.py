"""`regionlake lab eval tracks`."""

from dataclasses import asdict

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.commands.lab.options import KeptLakeOption, VideosArgument, lake_folder
from deploy.cli.options import JsonOption, PlanOption, ProposerOption, SetOption, chosen_plan
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_progress


def tracks(
    videos: VideosArgument,
    plan: PlanOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    lake: KeptLakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how long a person stays on one track."""
    made = chosen_plan(plan, model=None, proposer=proposer, settings=settings)
    from pipeline.lab.evaluation.tracks import evaluate_tracks

    with lake_folder(lake) as folder, shown_progress() as on_progress:
        scores = [evaluate_tracks(video, made, lake=folder, on_progress=on_progress) for video in videos]
    if as_json:
        print_json({"videos": [{by: asdict(score) for by, score in found.items()} for found in scores]})
        return
    out = console()
    for found in scores:
        first = next(iter(found.values()))
        out.print(f"{first.video}: {first.keyframes} keyframes, {first.true_boxes} true boxes of {first.people} people")
        printed = figures("tracked by", "recall", "identity recall", "switches", "fragments", "tracks")
        for by, score in found.items():
            counts = map(str, (score.switches, score.fragments, score.tracks))
            printed.add_row(by, share(score.recall), share(score.identity_recall), *counts)
        out.print(printed)
