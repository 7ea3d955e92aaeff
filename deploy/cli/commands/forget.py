"""`regionlake forget`: erases a source, or a span of it, and proves it."""

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import SOURCE_OR_FEED, FromOption, JsonOption, LakeOption, ToOption
from deploy.cli.output import EXIT_FAILED, Json, console, print_json
from deploy.wording import clock_time, counted, short_size
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.forget.places import Place
    from pipeline.forget.run import Forgotten
    from pipeline.lake.lake import Lake

OUT_OF_REACH = (
    "out of reach: your own files (videos, clips, sheets, copies of hits, states of watches given with --state), "
    "pictures of watches and clips that a service keeps, its audit log, what a webhook or a search has received, "
    "backups, and older versions of objects that a bucket keeps"
)


def forget(
    lake: LakeOption,
    source: Annotated[str, SOURCE_OR_FEED],
    since: FromOption = None,
    until: ToOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Forget pinned shots too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a source or a span of it, and prove it.

    Rows, their older versions and thumbnails go, what waits for the lake or was reported by watches, and downloaded
    copies. Then the files of the lake are searched for the ids and thumbnails. A span is not read again by an ingest; a
    whole source is, as long as its file is there. While feeds are followed into the lake, the follower does it: what it
    records from then on stays.
    """
    from pipeline.lake.lake import Lake
    from pipeline.live.handed.follower_link import find_follower

    opened = Lake.open(lake)
    follower = find_follower(lake)
    places = _places(opened, source, since, until, followed=follower is not None)
    if not yes:
        for place in places:
            typer.echo(_named(place), err=True)
        typer.confirm(f"erase this from {lake} for ever?", abort=True, err=True)
    if follower is not None:
        typer.echo(f"process {follower.holder} writes the lake, and erases it there", err=True)
        with closing(follower):
            done = follower.forget(places, pinned=pinned)
    else:
        done = _erase(opened, places, pinned=pinned)
    if as_json:
        print_json(forgotten_json(places, done))
    else:
        _print(lake, places, done)
    if not done.proved:
        raise typer.Exit(EXIT_FAILED)


def _places(
    lake: "Lake", source: str, since: datetime | float | None, until: datetime | float | None, *, followed: bool
) -> "list[Place]":
    """What is named, after what an earlier call that was killed had begun to forget."""
    from pipeline.forget.places import places_to_forget
    from pipeline.forget.run import earlier_places
    from pipeline.forget.waiting_rows import waiting_sources
    from pipeline.live.status.state_folder import StateFolder
    from schemas.errors import QueryError

    earlier = earlier_places(lake)
    waiting = waiting_sources(StateFolder.of(lake.uri))
    try:
        places = places_to_forget(lake, source, waiting=waiting, since=since, until=until, followed=followed)
    except QueryError:
        if not any(source in (place.source, place.source_id) for place in earlier):
            raise
        places = []  # their rows are gone, and the rest is finished
    return [*earlier, *(place for place in places if place not in earlier)]


def _erase(lake: "Lake", places: "list[Place]", *, pinned: bool) -> "Forgotten":
    from pipeline.forget.run import forget as run
    from pipeline.lake.writing.committer import Committer
    from pipeline.lake.writing.completion import no_shots

    return run(
        lake,
        places,
        open_writer=lambda: Committer(lake, plan=None, fold_shots=no_shots),
        pinned=pinned,
        on_step=lambda step: typer.echo(step, err=True),
    )


def forgotten_json(places: "list[Place]", done: "Forgotten") -> Json:
    """The object that `regionlake forget --json` prints."""
    return {
        "places": [
            {
                "source": place.source,
                "source_id": place.source_id,
                "pts": None if place.span is None else [place.span.start, place.span.stop],
            }
            for place in places
        ],
        "rows": done.rows,
        "pins": done.pins,
        "labels": done.labels,
        "waiting_files": done.waiting,
        "hits": done.hits,
        "downloads": done.downloads,
        "video_bytes": done.video_bytes,
        "searched_for": {"ids": done.ids, "thumbnails": done.thumbnails},
        "searched": {"files": done.traces.files, "bytes": done.traces.bytes},
        "found": list(done.traces.found),
        "out_of_reach": OUT_OF_REACH,
    }


def _print(lake: str, places: "list[Place]", done: "Forgotten") -> None:
    out = console()
    for place in places:
        out.print(f"erased: {_named(place)}", soft_wrap=True)
    rows = ", ".join(f"{count:,} in {name}" for name, count in done.rows.items() if count)
    out.print(
        f"rows erased or cut: {rows or 'none'}; {counted(done.pins, 'pin')}, {counted(done.labels, 'label')}",
        soft_wrap=True,
    )
    out.print(
        f"beside the lake: {counted(done.waiting, 'file')} that waited for it, {counted(done.hits, 'hit')} of watches, "
        f"{counted(done.downloads, 'download')}, {short_size(done.video_bytes)} of video",
        soft_wrap=True,
    )
    traces = done.traces
    out.print(
        f"searched for {counted(done.ids, 'id')} and {counted(done.thumbnails, 'thumbnail')} in "
        f"{counted(traces.files, 'file')} of {lake} ({short_size(traces.bytes)}), and in every version of its tables: "
        f"{'nothing was found' if done.proved else 'found in'}",
        soft_wrap=True,
    )
    for found in traces.found:
        out.print(f"  {visible(found)}", soft_wrap=True)
    if any(place.span is None for place in places):
        out.print("an ingest reads a whole source again while its file is where it was", soft_wrap=True)
    out.print(OUT_OF_REACH, soft_wrap=True)


def _named(place: "Place") -> str:
    if place.span is None or place.clock is None:
        return visible(place.source)
    return "{} from {} to {}".format(
        visible(place.source), *(clock_time(place.clock.seconds(pts)) for pts in (place.span.start, place.span.stop))
    )
