"""`regionlake lab eval proposals`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from deploy.cli.commands.lab.evaluation.table import figures, share
from deploy.cli.commands.lab.options import DataArgument
from deploy.cli.options import JsonOption, PlanOption, ProposerOption, SetOption, chosen_plan
from deploy.cli.output import console, print_json
from deploy.cli.progress import shown_steps

if TYPE_CHECKING:
    from pipeline.lab.evaluation.proposals import ProposalRecall


def proposals(
    data: DataArgument,
    plan: PlanOption = None,
    proposer: ProposerOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many true boxes proposals find."""
    made = chosen_plan(plan, model=None, proposer=proposer, settings=settings)
    from pipeline.lab.evaluation.proposals import proposal_recall

    recalls = []
    with shown_steps() as on_progress:
        for folder in data:
            on_progress(f"proposals of {folder.name}")
            recalls.append(proposal_recall(folder, made))
    if as_json:
        print_json({"datasets": [asdict(recall) for recall in recalls]})
        return
    for recall in recalls:
        show(recall)


def show(found: "ProposalRecall") -> None:
    from pipeline.lab.evaluation.proposals import LEAST_IOU

    printed = figures("true boxes", "n", f"recall at {LEAST_IOU}")
    printed.add_row("all", f"{found.true_boxes:,}", share(found.recall))
    for size, (recall, count) in found.by_size.items():
        printed.add_row(size, f"{count:,}", share(recall))
    for proposer, recall in found.by_proposer.items():
        printed.add_row(f"all, by {proposer} alone", f"{found.true_boxes:,}", share(recall))
    out = console()
    out.print(
        f"{found.clip}: {found.frames} keyframes with {found.mean_boxes:.1f} proposals each, at most "
        f"{found.most_boxes}; mean best IoU {found.mean_iou:.3f}; precision {found.precision:.3f}, "
        f"{found.per_box:.1f} for each box found",
        soft_wrap=True,
    )
    out.print(printed)
