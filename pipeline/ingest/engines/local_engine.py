"""`--engine local`: runs all stages in this process. A child process decodes ahead of the models, and the models work
ahead of the writer by one group of packets."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain, pairwise
from types import TracebackType
from typing import Self

from pipeline.ingest.engines.engine import LakeWriter
from pipeline.ingest.engines.packet_groups import grouped
from pipeline.ingest.packets import FramePacket, RowPacket, Work
from pipeline.ingest.stages import ModelStages
from pipeline.plan.plan import Plan
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Failure, Location
from schemas.errors import SourceError
from schemas.sources import Source


class LocalEngine:
    """Runs a plan in one process, for debugging, tests and few sources."""

    def __init__(self, plan: Plan, make_writer: Callable[[], LakeWriter]) -> None:
        self._models = ModelStages(plan)
        self.writer = make_writer()  # takes the lake's lock: only after all that may fail
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)
        self._groups: Generator[list[FramePacket]] | None = None
        self._ahead = ThreadPoolExecutor(1, "models")

    def probe(self, locations: Sequence[Location]) -> Iterator[tuple[Location, Source] | Failure]:
        for location in locations:
            try:
                yield location, self._reader.probe(location)
            except SourceError as error:
                yield Failure(location.uri, str(error))

    def run(self, works: Sequence[Work]) -> Iterator[RowPacket]:
        self._groups = grouped(self._read(works), stop=self._reader.stop)
        with closing(self._groups):
            yield from self._modelled(self._groups)

    def _modelled(self, groups: Iterable[list[FramePacket]]) -> Iterator[RowPacket]:
        """The rows of every group in order. While the caller commits those of one, the models work on the next."""
        end: Future[list[RowPacket]] = Future()  # follows the last group, and is never waited for
        for of_group, _ in pairwise(chain(self._started(groups), (end,))):  # the next is started, then one waits
            yield from of_group.result()

    def _started(self, groups: Iterable[list[FramePacket]]) -> Iterator["Future[list[RowPacket]]"]:
        try:
            for group in groups:
                yield self._ahead.submit(self._models, group)
        except Exception as error:  # raised in its turn: what was read before is committed
            failed: Future[list[RowPacket]] = Future()
            failed.set_exception(error)
            yield failed

    def _read(self, works: Sequence[Work]) -> Generator[FramePacket]:
        for work in works:
            yield from self._reader.read(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._groups is not None:
            self._groups.close()  # the caller may not have closed the generator, whose thread uses the reader
        self._ahead.shutdown(cancel_futures=True)
        self._reader.close()
        self._models.close()
        self.writer.close()
