"""`regionlake lab eval`: each command reproduces figures of pipeline/lab/README.md from local folders."""

import typer

from deploy.cli.commands.lab.evaluation.codes import codes
from deploy.cli.commands.lab.evaluation.confidence import confidence
from deploy.cli.commands.lab.evaluation.counts import counts
from deploy.cli.commands.lab.evaluation.everyday import everyday
from deploy.cli.commands.lab.evaluation.feedback import feedback
from deploy.cli.commands.lab.evaluation.identities import identities
from deploy.cli.commands.lab.evaluation.masks import masks
from deploy.cli.commands.lab.evaluation.proposals import proposals
from deploy.cli.commands.lab.evaluation.reduction import reduction
from deploy.cli.commands.lab.evaluation.representatives import representatives
from deploy.cli.commands.lab.evaluation.search import search
from deploy.cli.commands.lab.evaluation.subregion import subregion
from deploy.cli.commands.lab.evaluation.tracks import tracks
from deploy.cli.commands.lab.evaluation.words import words

app = typer.Typer(name="eval", help="Measure models, proposals and search on local folders.", no_args_is_help=True)
_OF_MODELS = (everyday, confidence, reduction, identities)
for command in (
    search,
    feedback,
    words,
    subregion,
    representatives,
    codes,
    *_OF_MODELS,
    proposals,
    tracks,
    counts,
    masks,
):
    app.command()(command)
