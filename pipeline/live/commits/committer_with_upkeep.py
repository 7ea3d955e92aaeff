"""The committer of a lake into which feeds are followed, with upkeep in the background."""

from operators.runtime.glibc_malloc import share_heaps
from operators.tracking.links import Linker
from pipeline.ingest.run import open_committer
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import write_upkeep_status
from pipeline.lake.writing.committer import Committer
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan


def open_committer_with_upkeep(
    lake: str, plan: Plan, config: UpkeepConfig, *, linker: Linker | None = None
) -> Committer:
    """Opens a committer with upkeep, which ends with the committer and writes its status to the state folder."""
    share_heaps()
    committer = open_committer(lake, plan, linker=linker)
    folder = UpkeepFolder(StateFolder.of(lake).path)
    try:
        Upkeep(
            committer, config, folder=folder, on_status=lambda status: write_upkeep_status(folder.status, status)
        ).start()
    except BaseException:
        committer.close()
        raise
    return committer
