"""Options that several subcommands share, so that they read and work the same everywhere."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.values import parse_bytes, parse_duration, parse_moment

if TYPE_CHECKING:
    from operators.encoders.region_vectors import RegionVectorsConfig
    from pipeline.lake.upkeep.config import UpkeepConfig
    from pipeline.plan.plan import Plan

LakeOption = Annotated[
    str, typer.Option("--lake", metavar="DIR|s3://…", help="The folder or bucket of the lake.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]
SOURCE_OR_FEED = typer.Argument(
    help="A source as `regionlake search` shows it, or the name of a feed.", show_default=False
)
FromOption = Annotated[
    Any,  # datetime | float | None: Typer takes no unions
    typer.Option(
        "--from",
        parser=parse_moment,
        metavar="TIME",
        help="Where the span begins: a time in UTC, or 1:30 within the source.",
    ),
]
ToOption = Annotated[Any, typer.Option("--to", parser=parse_moment, metavar="TIME", help="Where it ends.")]
SinceOption = Annotated[
    Any,
    typer.Option(
        parser=parse_moment,
        metavar="TIME",
        help="Only frames and regions from this moment on: in UTC, or 1:30 within the source.",
    ),
]
UntilOption = Annotated[
    Any, typer.Option(parser=parse_moment, metavar="TIME", help="Only frames and regions before this moment.")
]
PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE.toml", help="Settings that differ from `regionlake plan`.", exists=True, dir_okay=False
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="The model: a name from `regionlake models`, a checkpoint, or package.module:Class."),
]
ProposerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--proposer",
        help="Where regions come from: a name or package.module:Class. Repeatable; earlier ones have priority.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one setting of the plan; repeatable."),
]
MaxAgeOption = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        metavar="30d|12h",
        help="Remove recordings that ended, and files that were ingested, longer ago than this; the newest stays.",
        show_default=False,
    ),
]
MaxBytesOption = Annotated[
    str | None,
    typer.Option(
        "--max-bytes-per-feed",
        metavar="50GB",
        help="Remove the oldest recordings of a feed that has more than this; its newest one stays.",
        show_default=False,
    ),
]
VideoMaxAgeOption = Annotated[
    str | None,
    typer.Option(
        "--video-max-age",
        metavar="7d|12h",
        help="Keep the video of followed streams for so long; pinned spans stay.",
        show_default=False,
    ),
]
VideoMovingMaxAgeOption = Annotated[
    str | None,
    typer.Option(
        "--video-moving-max-age",
        metavar="30d",
        help="Keep what lies around moving regions for so long, beyond --video-max-age.",
        show_default=False,
    ),
]
VideoMaxBytesOption = Annotated[
    str | None,
    typer.Option(
        "--video-max-bytes",
        metavar="50GB",
        help="Keep at most so much video of each followed stream; pinned spans stay.",
        show_default=False,
    ),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="Time zone of the times in names of files, such as Europe/Berlin, unless the name says it.",
        show_default="UTC",
    ),
]
NameTimeOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help='Where names of files have their time, such as "%d-%m-%Y/%Hh%M"; common forms are known without it.',
    ),
]
VideoSoundOption = Annotated[
    bool, typer.Option("--video-sound", help="Keep the sound of followed streams with their video.")
]
RemoveShareOption = Annotated[
    float | None,
    typer.Option(
        "--remove-share",
        metavar="0.5",
        help="Hold back what a pass would remove of a feed if it is more than this share of it; 1: nothing.",
        show_default="0.5",
    ),
]
KeepVersionsOption = Annotated[
    str | None,
    typer.Option(
        "--keep-versions",
        metavar="90s|15m",
        help="How long a reader may continue to use the versions that it opened.",
        show_default="5m",
    ),
]

FetchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fetch",
        metavar="HOST|s3://BUCKET",
        help="Also fetch sources that the lake names from there; by default only files are opened. Repeatable.",
    ),
]


def chosen_upkeep(
    *,
    max_age: str | None,
    max_bytes_per_feed: str | None,
    video_max_age: str | None = None,
    video_max_bytes: str | None = None,
    video_moving_max_age: str | None = None,
    remove_share: float | None = None,
    keep_versions: str | None = None,
) -> "UpkeepConfig":
    """The settings of upkeep that these options give."""
    from pipeline.lake.upkeep.compaction import KEEP_VERSIONS
    from pipeline.lake.upkeep.config import UpkeepConfig

    config = UpkeepConfig(
        max_age=None if max_age is None else parse_duration(max_age, option="--max-age"),
        max_bytes_per_feed=(
            None if max_bytes_per_feed is None else parse_bytes(max_bytes_per_feed, option="--max-bytes-per-feed")
        ),
        video_max_age=None if video_max_age is None else parse_duration(video_max_age, option="--video-max-age"),
        video_moving_max_age=(
            None
            if video_moving_max_age is None
            else parse_duration(video_moving_max_age, option="--video-moving-max-age")
        ),
        video_max_bytes=None if video_max_bytes is None else parse_bytes(video_max_bytes, option="--video-max-bytes"),
        keep_versions=(
            KEEP_VERSIONS if keep_versions is None else parse_duration(keep_versions, option="--keep-versions")
        ),
    )
    return config if remove_share is None else replace(config, remove_share=remove_share)


def chosen_plan(
    file: Path | None,
    *,
    model: str | None,
    proposer: list[str] | None,
    settings: list[str] | None,
    regions: "RegionVectorsConfig | None" = None,
) -> "Plan":
    """The default plan, changed by the file, then by --set, then by the flags that have a name of their own.

    regions: replaces the default of the settings of region vectors.
    """
    from pipeline.plan.plan_file import load_plan

    overrides = list(settings or [])
    if model:
        overrides.append(f"model={json.dumps(model)}")
    if proposer:
        overrides.append(f"proposals.use={json.dumps(proposer)}")
    return load_plan(file, overrides=overrides, regions=regions)
