"""A writer for tests to kill: in a module of its own, so that a process that has imported it can be forked."""

from datetime import timedelta
from multiprocessing.connection import Connection

from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.writing.committer import Committer
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WORLDS = [World(n, length=60, step=10, regions=2) for n in range(16)]
PIECES = 4


def write(folder: str, opened: Connection | None = None) -> None:
    """Commits the remaining segments, while fragments are often joined, by the writer and in a thread.

    opened: a message is sent to it when the commits begin.
    """
    lake = Lake.create_or_open(folder, SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        if opened is not None:
            opened.send(True)
        upkeep = Upkeep(writer, UpkeepConfig(every_s=0.02, many_fragments=4, keep_versions=timedelta(seconds=1)))
        upkeep.start()
        for world in WORLDS:
            for span in writer.register(world.source):
                for segment in world.segments(PIECES):
                    if segment.span.intersection(span):
                        writer.commit([world.rows(segment, patches=True)])
                        writer.upkeep.compact(many=8)
        upkeep.close()
