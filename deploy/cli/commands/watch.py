"""`regionlake watch`: standing queries, whose hits are written as JSON lines and sent to a webhook."""

import os
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deploy.cli.command_line import given_parameters
from deploy.cli.interrupt import ended_by_signal
from deploy.cli.options import LakeOption
from deploy.cli.query_options import QueryFields, takes_query
from deploy.cli.search_options import TemplateOption
from deploy.cli.watch_options import (
    BeginOption,
    CooldownOption,
    DeadLetterOption,
    GiveUpOption,
    HoursOption,
    MaxDistanceOption,
    NameOption,
    OnceOption,
    OutOption,
    PollOption,
    QueriesOption,
    StateOption,
    StayOption,
    ThresholdOption,
    WebhookOption,
    WebhookTimeoutOption,
    WebhookTokenOption,
)
from schemas.options import options_of
from schemas.query import Query

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.search.target import Target
    from pipeline.watch.watch import Watch
    from pipeline.watch.watcher import WatcherStatus
    from pipeline.watch.webhook import Webhook

# parameters of one watch; with --queries they are in the file
OF_ONE = {
    *(option.field for option in options_of(Query) if option.standing),
    "max_distance",
    "threshold",
    "cooldown",
    "stay",
    "hours",
    "name",
}


@takes_query(standing=True)
def watch(
    context: typer.Context,
    lake: LakeOption,
    query_fields: QueryFields,
    max_distance: MaxDistanceOption = None,
    threshold: ThresholdOption = None,
    cooldown: CooldownOption = 0.0,
    stay: StayOption = 0.0,
    hours: HoursOption = None,
    name: NameOption = None,
    queries: QueriesOption = None,
    template: TemplateOption = None,
    since: BeginOption = "now",
    once: OnceOption = False,
    out: OutOption = None,
    webhook: WebhookOption = None,
    webhook_token_env: WebhookTokenOption = None,
    webhook_timeout: WebhookTimeoutOption = 10.0,
    give_up: GiveUpOption = 3600.0,
    dead_letter: DeadLetterOption = None,
    state: StateOption = None,
    poll: PollOption = 1.0,
) -> None:
    """Report each new frame that matches a query, once."""
    if queries is not None:
        from pipeline.watch.watch_list import read_watches

        _refuse_with_queries(context)
        title, watches = _slug(queries.stem), read_watches(queries, on_deprecated=_warn)
    else:
        if "image" in query_fields:
            # found wherever the watch is started again
            query_fields["image"] = str(Path(query_fields["image"]).absolute())
        query = Query(**query_fields)
        title = name or _slug(query.text or Path(query_fields.get("image", "")).stem or query.frame or "box")
        limit = _largest_distance(max_distance, threshold)
        watches = [_watch(title, query, limit, cooldown_s=cooldown, stay_s=stay, hours=hours)]
    if webhook is None and (webhook_token_env or dead_letter):
        hint = "--webhook-token-env" if webhook_token_env else "--dead-letter"
        raise typer.BadParameter("needs --webhook", param_hint=hint)
    hook = None if webhook is None else _webhook(webhook, webhook_token_env, timeout_s=webhook_timeout)

    from pipeline.lake.lake import Lake
    from pipeline.live.status.state_folder import StateFolder
    from pipeline.watch.deliveries import Deliveries
    from pipeline.watch.watch_state import WatchState
    from pipeline.watch.watcher import Watcher

    opened = Lake.open(lake)
    if state is None:
        StateFolder.of(lake).make_own()
    place = state or StateFolder.of(lake).path / "watch" / f"{title}.sqlite"
    letters = dead_letter or place.with_suffix(".dead-letter.jsonl")
    with closing(WatchState(place)) as kept:
        watcher = Watcher(
            opened,
            _with_targets(watches, opened, template),
            kept,
            out=out or sys.stdout,
            deliveries=None if hook is None else Deliveries(kept, hook, dead_letter=letters, give_up_s=give_up),
            since=since,
            poll_s=poll,
        )
        names = ", ".join(watch.name for watch in watches)
        typer.echo(f"watching {opened.uri} for {names}; it continues from {place} when started again", err=True)
        with ended_by_signal("ending: hits that were not sent yet are kept for the next start") as ended:
            status = watcher.run(ended.is_set, once=once)
        typer.echo(_summary(status), err=True)


def _largest_distance(max_distance: float | None, threshold: float | None) -> float | None:
    """The value of --max-distance, or of its former name."""
    if threshold is None:
        return max_distance
    if max_distance is not None:
        raise typer.BadParameter("is the former name of --max-distance; give that alone", param_hint="--threshold")
    from pipeline.watch.watch_list import THRESHOLD_IS_DEPRECATED

    _warn(THRESHOLD_IS_DEPRECATED.format("--threshold", "--max-distance"))
    return threshold


def _warn(sentence: str) -> None:
    typer.echo(f"regionlake: {sentence}; --min-confidence cuts at a chance", err=True)


def _watch(
    name: str, query: Query, max_distance: float | None, *, cooldown_s: float, stay_s: float, hours: str | None
) -> "Watch":
    from pipeline.watch.hours import Hours
    from pipeline.watch.watch import Watch

    if max_distance is None and query.min_confidence is None:
        what = "the largest distance" if not query.by_meaning else "the least confidence"
        raise typer.BadParameter(
            f"missing: {what} of a hit; `regionlake search` with the same options prints both",
            param_hint="--min-confidence" if query.by_meaning else "--max-distance",
        )
    times = None if hours is None else Hours.parse(hours)
    return Watch(name, query, max_distance, cooldown_s, stay_s, times)


def _refuse_with_queries(context: typer.Context) -> None:
    for parameter in given_parameters(context):
        if parameter.name in OF_ONE:
            shown = "TEXT" if parameter.name == "text" else parameter.opts[0]
            raise typer.BadParameter(f"{shown} is set in the file, for each watch", param_hint="--queries")


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.lower()).strip("-")[:60] or "watch"


def _with_targets(watches: "list[Watch]", lake: "Lake", templates: list[str] | None) -> "list[tuple[Watch, Target]]":
    from pipeline.lake.lake_encoder import load_lake_encoder
    from pipeline.watch.matcher import with_targets

    if not any(watch.query.by_meaning for watch in watches):
        return with_targets(watches, lake, None)  # boxes alone need no model
    encoder = load_lake_encoder(lake, templates=templates or None)
    try:
        return with_targets(watches, lake, encoder)
    finally:
        encoder.close()


def _webhook(url: str, token_variable: str | None, *, timeout_s: float) -> "Webhook":
    from pipeline.watch.webhook import Webhook, WebhookConfig

    token = None
    if token_variable is not None:
        token = os.environ.get(token_variable, "").strip()
        if not token:
            raise typer.BadParameter(f"the environment has no {token_variable}", param_hint="--webhook-token-env")
    return Webhook(WebhookConfig(url, token, timeout_s))


def _summary(status: "WatcherStatus") -> str:
    held_back = f", {status.held_back:,} held back by cooldowns and least stays" if status.held_back else ""
    text = f"{status.hits:,} hits in {status.keyframes:,} keyframes of {status.segments:,} segments{held_back}"
    if status.delivery is not None:
        sent = status.delivery
        text += f"; webhook: {sent.delivered:,} delivered, {sent.given_up:,} given up, {sent.waiting:,} waiting"
        text += f" ({sent.error})" if sent.error else ""
    return text
