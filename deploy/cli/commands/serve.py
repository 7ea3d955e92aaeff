"""`regionlake serve`: one lake over HTTP, for the page, the client and other programs."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deploy.cli.options import (
    FetchOption,
    LakeOption,
    MaxAgeOption,
    MaxBytesOption,
    NameTimeOption,
    PlanOption,
    SetOption,
    TimezoneOption,
    VideoMaxAgeOption,
    VideoMaxBytesOption,
    VideoMovingMaxAgeOption,
    VideoSoundOption,
    chosen_plan,
)
from deploy.cli.search_options import (
    DimensionsOption,
    EngineOption,
    ModelOption,
    ResidentOption,
    ShardsOption,
    shards_of,
)
from deploy.cli.serve_options import (
    AllowHostOption,
    BehindProxyOption,
    FeedHostOption,
    FeedsOption,
    FollowOption,
    HostOption,
    IngestFromOption,
    PlainHttpOption,
    PortOption,
    TlsCertOption,
    TlsKeyOption,
    TokenFileOption,
    UsersOption,
)
from deploy.cli.without_pandas import import_arrow_without_pandas
from schemas.recorder_names import NameRule

if TYPE_CHECKING:
    from deploy.monitoring.service_manager import ServiceManager
    from deploy.server.feeding.follower_process import FollowerProcess
    from deploy.server.guard import Access
    from deploy.server.service import Service
    from pipeline.lake.lake import Lake

PORT = 8420
_LAKE_S = 120.0  # a follower makes the lake once its model is loaded
_LOOK_S = 0.1


def serve(
    lake: LakeOption,
    port: PortOption = PORT,
    host: HostOption = "127.0.0.1",
    users: UsersOption = None,
    token_file: TokenFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    behind_proxy: BehindProxyOption = None,
    plain_http: PlainHttpOption = False,
    allow_host: AllowHostOption = None,
    model: ModelOption = None,
    dimensions: DimensionsOption = None,
    resident: ResidentOption = None,
    engine: EngineOption = "local",
    shards: ShardsOption = None,
    fetch: FetchOption = None,
    follow: FollowOption = None,
    feeds: FeedsOption = None,
    feed_host: FeedHostOption = None,
    ingest_from: IngestFromOption = None,
    timezone: TimezoneOption = None,
    name_time: NameTimeOption = None,
    plan: PlanOption = None,
    settings: SetOption = None,
    max_age: MaxAgeOption = None,
    max_bytes_per_feed: MaxBytesOption = None,
    video_max_age: VideoMaxAgeOption = None,
    video_max_bytes: VideoMaxBytesOption = None,
    video_moving_max_age: VideoMovingMaxAgeOption = None,
    video_sound: VideoSoundOption = False,
) -> None:
    """Serve a lake over HTTP: the page, and the API that it uses.

    With --feeds or --follow, a follower runs beside it, and makes the lake if there is none.
    """
    from deploy.cli.serve_access import certificate_of, chosen_access

    certificate = certificate_of(tls_cert, tls_key)
    access = chosen_access(
        host,
        allow_host or [],
        users=users,
        token_file=token_file,
        tls=certificate is not None,
        proxies=behind_proxy or [],
        plain_http=plain_http,
    )
    parts = shards_of(engine, shards)
    folders = _folders(ingest_from or [])
    kept = {
        "--max-age": max_age,
        "--max-bytes-per-feed": max_bytes_per_feed,
        "--video-max-age": video_max_age,
        "--video-max-bytes": video_max_bytes,
        "--video-moving-max-age": video_moving_max_age,
    }
    naming = {"--timezone": timezone, "--name-time": name_time}
    if (timezone or name_time) and not folders and not any(Path(name).is_dir() for name in follow or []):
        text = "needs --ingest-from, or a folder that --follow names"
        raise typer.BadParameter(text, param_hint="--timezone" if timezone else "--name-time")
    rule = NameRule(timezone or "UTC", name_time, given=bool(timezone or name_time))
    follower = _follower_arguments(
        follow or [], feeds, plan=plan, settings=settings or [], kept=kept, naming=naming, sound=video_sound
    )
    if not follower and not folders and (plan is not None or settings):
        raise typer.BadParameter("needs --feeds, --follow or --ingest-from", param_hint="--plan" if plan else "--set")
    import_arrow_without_pandas()
    from deploy.monitoring.service_manager import ServiceManager
    from deploy.server.feeding.feed_access import FeedAccess
    from deploy.server.feeding.follower_process import FollowerProcess
    from deploy.server.ingesting.ingest_runs import IngestRuns
    from deploy.server.run import listening
    from deploy.server.service import Service

    manager = ServiceManager.of(os.environ)  # before the follower, which is not the one that reports
    ingest_plan = chosen_plan(plan, model=None, proposer=None, settings=settings)
    listener = listening(host, port)
    hosts = feed_host or ([] if access.has_login else ["*"])
    access_to_feeds = FeedAccess(feeds, hosts, FollowerProcess(lake, follower) if follower else None)
    try:
        opened = _opened(lake, access_to_feeds.follower)
    except BaseException:
        access_to_feeds.close()
        raise
    with _connected(parts):
        service = Service.of(
            opened,
            model=model,
            dimensions=dimensions,
            resident=resident,
            shards=parts,
            fetch=fetch or (),
            feeds=access_to_feeds,
            ingests=IngestRuns(opened.uri, ingest_plan, folders, naming=rule),
        )
        _run(service, listener, access=access, certificate=certificate, manager=manager)


def _connected(shards: int | None) -> AbstractContextManager[None]:
    """Connects to Ray where the lake is shared out, before anything is served: ClusterError ends the command."""
    if shards is None:
        return nullcontext()
    from pipeline.runtime.ray_session import ray_session

    return ray_session()


def _run(
    service: "Service",
    listener: socket.socket,
    *,
    access: "Access",
    certificate: tuple[Path, Path] | None,
    manager: "ServiceManager",
) -> None:
    """Answers requests until Ctrl-C or a signal ends it."""
    from deploy.server.auditing.audit_log import AuditLog
    from deploy.server.run import Server, address_of
    from pipeline.live.status.state_folder import StateFolder

    lake = service.lake

    def ready() -> None:
        at = address_of(listener, tls=certificate is not None)
        typer.echo(f"serving {lake.uri} at {at}; Ctrl-C ends it", err=True)

    audit = AuditLog.of(lake.uri) if access.has_login else None
    access = replace(access, sessions=StateFolder.of(lake.uri).path / "sessions.json")
    server = Server(service, access=access, ready=ready, audit=audit, certificate=certificate, manager=manager)
    server.run(sockets=[listener])


def _follower_arguments(
    names: list[str],
    feeds: Path | None,
    *,
    plan: Path | None,
    settings: list[str],
    kept: Mapping[str, str | None],
    naming: Mapping[str, str | None],
    sound: bool,
) -> list[str]:
    """The arguments of `regionlake ingest --follow` with these options; none where nothing is to be followed.

    kept: values of the options that say what is kept for how long. naming: of those that say how the times in names of
    files are read, which folders alone have. sound: whether video is kept with its sound.
    """
    is_followed = bool(names) or feeds is not None
    for name, value in kept.items():
        if value is not None and not is_followed:
            raise typer.BadParameter("needs --feeds or --follow", param_hint=name)
    if sound and kept["--video-max-age"] is None and kept["--video-max-bytes"] is None:
        raise typer.BadParameter("needs --video-max-age or --video-max-bytes", param_hint="--video-sound")
    if not is_followed:
        return []
    given = {**kept, "--feeds": feeds, "--plan": plan}
    if any(Path(name).is_dir() for name in names):
        given |= naming
    options = ["--video-sound"] if sound else []
    options += [part for name, value in given.items() if value is not None for part in (name, str(value))]
    options += [part for setting in settings for part in ("--set", setting)]
    if feeds is not None and not feeds.exists():
        from pipeline.live.feeds.feed_list import FeedList

        FeedList(feeds).create()
    return [*options, "--", *names] if names else options


def _folders(given: list[Path]) -> dict[str, Path]:
    """The folders by their names, which alone are on the wire."""
    folders = {path.resolve().name: path for path in given}
    if len(folders) < len(given):
        raise typer.BadParameter("two of the folders have the same name", param_hint="--ingest-from")
    return folders


def _opened(lake: str, follower: "FollowerProcess | None") -> "Lake":
    """Opens the lake; waits for it where a follower makes it. Raises LakeError as `Lake.open` does."""
    from pipeline.lake.lake import Lake
    from schemas.errors import LakeError

    until = time.monotonic() + _LAKE_S
    while True:
        try:
            return Lake.open(lake)
        except LakeError:
            if follower is None or follower.status().error is not None or time.monotonic() > until:
                raise
        time.sleep(_LOOK_S)
