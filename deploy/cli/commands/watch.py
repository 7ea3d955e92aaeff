"""`regionlake watch`: standing questions to the lake, answered as JSON lines and to a webhook."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.interrupt import ended_by_signal
from deploy.cli.options import LakeOption
from deploy.cli.values import parse_box
from schemas.query import Geometry, Query, Ranking

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.search.target import Target
    from pipeline.watch.deliveries import Deliveries
    from pipeline.watch.watch import Watch
    from pipeline.watch.watch_state import WatchState
    from pipeline.watch.watcher import WatcherStatus

DEFAULT = Ranking()
# what makes one watch; with --queries each stands in the file
OF_ONE = "text threshold box image roi frame not_text geometry weight source cooldown name".split()


def watch(
    context: typer.Context,
    lake: LakeOption,
    text: Annotated[str | None, typer.Argument(help="What to look out for, in words.", show_default=False)] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DISTANCE",
            help="The largest distance of a hit, as `regionlake search` prints it for the same options.",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="X0,Y0,X1,Y1", help="Where in the frame, as fractions of it; hits overlap this box."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Look out for what this picture shows, alone or beside a text.", exists=True, dir_okay=False),
    ] = None,
    roi: Annotated[str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="The part of --image that is sought.")] = None,
    frame: Annotated[
        str | None, typer.Option(metavar="ID", help="Look out for what this keyframe of the lake shows.")
    ] = None,
    not_text: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="TEXT", help="What hits should not show, in words.", show_default=False),
    ] = None,
    geometry: Annotated[Geometry, typer.Option(help="How a hit's box is compared with --box.")] = DEFAULT.geometry,
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="Share of meaning in the distance; the rest is geometry.")
    ] = DEFAULT.semantic_weight,
    source: Annotated[
        str | None, typer.Option(help="Only feeds and sources whose name holds this, or matches it as a glob.")
    ] = None,
    cooldown: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="After a hit, no other of that feed or file for so long.")
    ] = 0.0,
    name: Annotated[str | None, typer.Option(help="What hits call this watch.", show_default="made of TEXT")] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="Several watches instead: [watch.NAME] tables with these options as keys.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(metavar="TEMPLATE", help="Put words into this sentence in place of {}.", show_default=False),
    ] = None,
    since: Annotated[
        Literal["now", "start"],
        typer.Option(help="Where a new --state begins: at what comes, or with all that is in the lake."),
    ] = "now",
    once: Annotated[
        bool, typer.Option("--once", help="End when all that there is has been looked at and sent.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Append hits to this file.", show_default="standard output"),
    ] = None,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="POST each hit to this address as well.")] = None,
    webhook_token_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment's variable with the webhook's bearer token.")
    ] = None,
    webhook_timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long it may take to answer.")] = 10.0,
    give_up: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Hits this old are not tried again.")
    ] = 3600.0,
    dead_letter: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Where they go then.", show_default="beside --state"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What was seen and told, for the next start.", show_default="in the lake, by the name"
        ),
    ] = None,
    poll: Annotated[float, typer.Option(min=0.05, metavar="SECONDS", help="How often the lake is looked at.")] = 1.0,
) -> None:
    """Tell of each new frame that fits, once, as the lake gets it."""
    if queries is None:
        if threshold is None:
            raise typer.BadParameter(
                "missing: the largest distance of a hit; try `regionlake search` with the same options and see",
                param_hint="--threshold",
            )
        query = Query(
            text=text,
            image=str(image.absolute()) if image else None,
            frame=frame,
            roi=parse_box(roi, option="--roi"),
            not_text=tuple(not_text or ()),
            box=parse_box(box, option="--box"),
            source=source,
            ranking=Ranking(semantic_weight=weight, geometry=geometry),
        )
        from pipeline.watch.watch import Watch

        named = name or _slug(text or (image and image.stem) or frame or "box")
        watches = [Watch(named, query, threshold, cooldown)]
    else:
        _refuse_with_queries(context)
        from pipeline.watch.watch_list import read_watches

        named, watches = _slug(queries.stem), read_watches(queries)

    from pipeline.lake.lake import Lake
    from pipeline.live.status.state_folder import StateFolder
    from pipeline.watch.watch_state import WatchState
    from pipeline.watch.watcher import Watcher

    opened = Lake.open(lake)
    kept = WatchState(state or StateFolder.of(lake).path / "watch" / f"{named}.sqlite")
    try:
        deliveries = None
        if webhook is not None:
            token = None if webhook_token_env is None else _token(webhook_token_env)
            letters = dead_letter or kept.path.with_suffix(".dead-letter.jsonl")
            deliveries = _deliveries(kept, webhook, token, webhook_timeout, letters, give_up)
        watcher = Watcher(
            opened,
            _with_targets(watches, opened, template),
            kept,
            out=out or sys.stdout,
            deliveries=deliveries,
            since=since,
            poll_s=poll,
        )
        names = ", ".join(watch.name for watch in watches)
        typer.echo(f"watching {opened.uri} for {names}; goes on from {kept.path} when started again", err=True)
        with ended_by_signal("ending: what is found and not sent yet is kept") as ended:
            status = watcher.run(ended.is_set, once=once)
        typer.echo(_summary(status), err=True)
    finally:
        kept.close()


def _refuse_with_queries(context: typer.Context) -> None:
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name in OF_ONE and given is not None and given.name == "COMMANDLINE":
            shown = "TEXT" if parameter.name == "text" else parameter.opts[0]
            raise typer.BadParameter(f"{shown} stands in the file, for each watch", param_hint="--queries")


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.lower()).strip("-")[:60] or "watch"


def _with_targets(watches: "list[Watch]", lake: "Lake", templates: list[str] | None) -> "list[tuple[Watch, Target]]":
    from operators.encoders.catalogue import load_encoder
    from pipeline.watch.matcher import with_targets

    if not any(watch.query.by_meaning for watch in watches):
        return with_targets(watches, lake, None)  # boxes alone need no model
    encoder = load_encoder(lake.space.model, templates=templates or None)
    try:
        return with_targets(watches, lake, encoder)
    finally:
        encoder.close()


def _token(variable: str) -> str:
    token = os.environ.get(variable, "").strip()
    if not token:
        raise typer.BadParameter(f"the environment has no {variable}", param_hint="--webhook-token-env")
    return token


def _deliveries(
    state: "WatchState", url: str, token: str | None, timeout_s: float, letters: Path, give_up_s: float
) -> "Deliveries":
    from pipeline.watch.deliveries import Deliveries
    from pipeline.watch.webhook import Webhook, WebhookConfig

    webhook = Webhook(WebhookConfig(url, token, timeout_s))
    return Deliveries(state, webhook, dead_letter=letters, give_up_s=give_up_s)


def _summary(status: "WatcherStatus") -> str:
    held_back = f", {status.held_back:,} held back by a cooldown" if status.held_back else ""
    text = f"{status.hits:,} hits in {status.keyframes:,} keyframes of {status.segments:,} segments{held_back}"
    if status.delivery is not None:
        sent = status.delivery
        text += f"; webhook: {sent.delivered:,} delivered, {sent.given_up:,} given up, {sent.waiting:,} wait"
        text += f" ({sent.error})" if sent.error else ""
    return text
