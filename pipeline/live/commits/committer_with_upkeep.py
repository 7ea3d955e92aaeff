"""The committer of a lake into which feeds are followed, with upkeep in the background."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext

from operators.runtime.glibc_malloc import share_heaps
from operators.tracking.links import Linker
from pipeline.forget.places import Place
from pipeline.forget.run import Forgotten, forget
from pipeline.ingest.run import open_committer
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import UpkeepStatus, write_upkeep_status
from pipeline.lake.writing.committer import Committer
from pipeline.live.handed.writer_server import WriterServer
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan
from pipeline.plan.stored_plan import StoredPlan

_log = logging.getLogger(__name__)


def open_committer_with_upkeep(
    lake: str, plan: Plan, config: UpkeepConfig, *, linker: Linker | None = None
) -> Committer:
    """Opens a committer with upkeep, which ends with the committer and writes its status to the state folder.

    It also does what other processes hand over: backfills, columns of other models, passes of upkeep, and forgetting.
    """
    share_heaps()
    committer = open_committer(lake, plan, linker=linker)
    folder = UpkeepFolder(StateFolder.of(lake).path)

    def upkeep(config: UpkeepConfig) -> Upkeep:
        return Upkeep(
            committer, config, folder=folder, on_status=lambda status: write_upkeep_status(folder.status, status)
        )

    def run_pass(config: UpkeepConfig) -> UpkeepStatus:
        asked = upkeep(config)
        asked.run_pass()
        return asked.status()

    def forget_places(places: Sequence[Place], *, pinned: bool) -> Forgotten:
        with own.paused():  # it writes files that no version names yet, and old rows may be in them
            opened = Lake.open(lake)
            return forget(opened, places, open_writer=lambda: nullcontext(committer), pinned=pinned, alone=False)

    def open_beside(plan: Plan, stored: StoredPlan) -> Committer:
        return open_committer(lake, plan, stored=stored, beside=committer)

    server: WriterServer | None = None
    try:
        own = upkeep(config)
        own.start()
        try:
            server = WriterServer(
                committer, folder.path, open_beside=open_beside, run_pass=run_pass, forget=forget_places
            )
        except OSError as error:  # a file system without sockets must not keep feeds from being followed
            _log.warning("other processes cannot hand work to this follower, and are refused: %s", error)
    except BaseException:
        committer.close()
        raise

    def end_both() -> None:
        try:
            if server is not None:
                server.close()
        finally:
            own.close()

    committer.before_close = end_both
    return committer
