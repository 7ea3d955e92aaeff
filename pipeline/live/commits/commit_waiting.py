"""Commits what waits on disk for a lake that nobody follows feeds into."""

from pipeline.ingest.completion_of import completion_of
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.completion import no_shots
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.status.follow_status import SinkStatus
from pipeline.live.status.state_folder import StateFolder


def commit_waiting(uri: str, *, wait_s: float = 10.0) -> SinkStatus:
    """Commits the batches of the spool under the writer's lease, each under the plan that made it.

    Returns what became of them: what the lake refuses is among the refused batches, and where it is out of reach, what
    is left in the spool is counted and the error named. Raises LakeError where another writer has the lake.
    """
    state = StateFolder.of(uri)
    lake = Lake.open(uri)
    with Committer(lake, plan=None, fold_shots=no_shots, completion_of=completion_of, wait_s=wait_s) as committer:
        sink = Sink(committer, Spool(state.spool, refused=state.refused))
        sink.close()
        return sink.status()
