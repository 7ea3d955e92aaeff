"""`regionlake pin` and `regionlake unpin`: choose the shots that retention must keep."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.options import SOURCE_OR_FEED, FromOption, JsonOption, LakeOption, ToOption
from deploy.cli.output import EXIT_FAILED, Json, console, print_json
from deploy.wording import clock_time
from schemas.sources import feed_name
from schemas.visible_text import visible

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.lake.upkeep.pinned_places import Place
    from pipeline.lake.upkeep.pins import Pin


def pin(
    lake: LakeOption,
    source: Annotated[str | None, SOURCE_OR_FEED] = None,
    since: FromOption = None,
    until: ToOption = None,
    shot: Annotated[str | None, typer.Option(metavar="ID", help="Pin this shot.")] = None,
    hit: Annotated[str | None, typer.Option(metavar="FRAME_ID", help="Pin the shot of this hit of a search.")] = None,
    shown: Annotated[bool, typer.Option("--list", help="Show what is pinned.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Protect shots from retention.

    Every shot that overlaps the pinned span is kept whole, with its keyframes, regions and thumbnails. Pins may
    be set while the lake is being written.
    """
    from pipeline.lake.lake import Lake
    from pipeline.lake.upkeep.pins import Pins

    selections = [source is not None, shot is not None, hit is not None, shown]
    if sum(selections) != 1:
        raise typer.BadParameter("give exactly one of: a source, --shot, --hit, --list", param_hint="SOURCE")
    if (since is not None or until is not None) and source is None:
        raise typer.BadParameter("--from and --to need a source", param_hint="--from")
    if type(since) is type(until) and since is not None and since >= until:
        raise typer.BadParameter("the pinned span ends before it begins", param_hint="--to")
    opened = Lake.open(lake)
    pins = Pins(opened)
    found = pins.read() if shown else pins.add(_places(opened, source, since, until, shot=shot, hit=hit))
    if not shown and (cut := pins.fates(found).cut):
        names = ", ".join(sorted({each.source for each in cut}))
        typer.echo(visible(f"parts of {names} were removed earlier; what is left is pinned"), err=True)
    if as_json:
        print_json([_pin_json(each) for each in found])
    else:
        _print(opened, found)


def unpin(
    lake: LakeOption,
    names: Annotated[list[str], typer.Argument(help="Ids of pins, sources, or names of feeds.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Let retention remove pinned shots again. Exit code 1 if a name has no pin."""
    from pipeline.lake.lake import Lake
    from pipeline.lake.upkeep.pins import Pins

    pins = Pins(Lake.open(lake))
    held = pins.read()
    of_name = {
        name: [p.id for p in held if name in (p.id, p.source_id, p.source, feed_name(p.source))] for name in names
    }
    removed = pins.remove(sorted({pin_id for found in of_name.values() for pin_id in found}))
    unknown = [name for name, found in of_name.items() if not found]
    if as_json:
        print_json({"unpinned": removed, "unknown": unknown})
    else:
        console().print(f"{removed} unpinned")
        for name in unknown:
            console().print(visible(f"no pin: {name}"), soft_wrap=True)
    if unknown:
        raise typer.Exit(EXIT_FAILED)


def _places(
    lake: "Lake",
    source: str | None,
    since: datetime | float | None,
    until: datetime | float | None,
    *,
    shot: str | None,
    hit: str | None,
) -> "list[Place]":
    from pipeline.lake.upkeep.pinned_places import place_of_hit, place_of_shot, places_of_source

    if shot is not None:
        return [place_of_shot(lake, shot)]
    if hit is not None:
        return [place_of_hit(lake, hit)]
    assert source is not None
    return places_of_source(lake, source, since=since, until=until)


def _pin_json(pin: "Pin") -> Json:
    return {
        "id": pin.id,
        "source": pin.source,
        "source_id": pin.source_id,
        "pts": None if pin.span is None else [pin.span.start, pin.span.stop],
        "pinned_at": pin.pinned_at.isoformat(),
    }


def _print(lake: "Lake", pins: "tuple[Pin, ...]") -> None:
    from rich.table import Table

    from pipeline.lake.upkeep.pinned_places import clocks_of

    if not pins:
        console().print("nothing is pinned")
        return
    clocks = clocks_of(lake, (each.source_id for each in pins))
    table = Table("pin", "source", "from", "to", "pinned at", box=None, pad_edge=False)
    for each in pins:
        clock = clocks.get(each.source_id)
        if clock is None:
            ends = ["it is not in the lake", ""]
        elif each.span is None:
            ends = ["all of it", ""]
        else:
            ends = [clock_time(clock.seconds(pts)) for pts in (each.span.start, each.span.stop)]
        table.add_row(each.id, visible(each.source), *ends, f"{each.pinned_at:%Y-%m-%d %H:%M:%S}Z")
    console().print(table)
