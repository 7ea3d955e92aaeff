"""`--engine local`: every stage in this process, one after the other, beside the reader's child process."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from pipeline.engine import LakeWriter
from pipeline.packets import RowPacket, Work
from pipeline.plan import Plan
from pipeline.reader_process import ReaderProcess
from pipeline.sources import Failure, Location
from pipeline.stages import EmbedStage, ProposeStage
from schemas.errors import SourceError
from schemas.sources import Source


class LocalEngine:
    """The plan in one process, for debugging, tests and small work. The reader decodes ahead while the model works."""

    def __init__(self, plan: Plan, make_writer: Callable[[], LakeWriter]) -> None:
        self._propose = ProposeStage(plan)
        self._embed = EmbedStage(plan)
        self.writer = make_writer()  # holds the lake's lock: after all that may be refused
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)

    def probe(self, locations: Sequence[Location]) -> Iterator[tuple[Location, Source] | Failure]:
        for location in locations:
            try:
                yield location, self._reader.probe(location)
            except SourceError as error:
                yield Failure(location.uri, str(error))

    def run(self, works: Sequence[Work]) -> Iterator[RowPacket]:
        for work in works:
            for packet in self._reader.read(work):
                for proposed in self._propose(packet):
                    yield from self._embed(proposed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._reader.close()
        self._embed.close()
        self.writer.close()
