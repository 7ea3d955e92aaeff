"""A writer of a lake that hands its work to the follower which holds the lease, or holds the lease itself."""

from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

import pyarrow as pa

from operators.tracking.links import Linker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.engines.engine import LakeWriter
from pipeline.lake.lake import Lake
from pipeline.lake.writing.extra_vector_column import ColumnWriter, OwnColumnWriter
from pipeline.live.commits.stored_json import segment_to_json, source_to_json, span_from_json
from pipeline.live.handed.follower_link import FollowerEndedError, FollowerLink, find_follower
from pipeline.live.handed.handed_json import handed_plan_to_json, rows_to_json
from pipeline.plan.plan import Plan
from schemas.clock import Span
from schemas.sources import Segment, Source
from schemas.tables import TableName
from schemas.vectors import VectorSpace

Writer = TypeVar("Writer")
Answer = TypeVar("Answer")


def open_writer(
    lake: str, plan: Plan, open_committer: Callable[..., LakeWriter], *, linker: Linker | None = None
) -> LakeWriter:
    """The committer of a lake, or one that hands its rows to the follower that holds the lease.

    open_committer: called, with `linker` if there is one, where there is no follower.
    linker: closed with the writer, and where none can be opened.
    Raises what `open_committer` raises, and ModelError where the lake's vectors are of another space.
    """
    try:
        if follower := find_follower(lake):
            follower.close()
            Lake.open(lake).space.require_same(plan.space, lake=lake)
            return _HandedWriter(lake, plan, open_committer, linker)
        return _opened(open_committer, linker)
    except BaseException:
        if linker is not None:
            linker.close()
        raise


def open_column_writer(lake: Lake) -> ColumnWriter:
    """A writer of a column, in this process or in that of the follower that holds the lease."""
    follower = find_follower(lake.uri)
    if follower is None:
        return OwnColumnWriter(lake)
    follower.close()
    return _HandedColumnWriter(lake)


class _Handing(Generic[Writer]):
    """Repeats a call with the next writer of the lake where the follower ends: every call may be repeated."""

    def __init__(
        self,
        lake: str,
        *,
        remote: Callable[[FollowerLink], Writer],
        own: Callable[[], Writer],
        close: Callable[[Writer], object],
    ) -> None:
        self._lake = lake
        self._remote = remote
        self._own = own
        self._close = close
        self._writer: Writer | None = None
        self._link: FollowerLink | None = None
        self.call(lambda _: None)

    def call(self, do: Callable[[Writer], Answer]) -> Answer:
        while True:
            try:
                return do(self._opened())
            except FollowerEndedError:
                self._forget()

    def close(self) -> None:
        try:
            if self._writer is not None:
                self._close(self._writer)
        except FollowerEndedError:
            pass  # what it was handed is in the lake, or it would not have answered
        finally:
            self._forget()

    def _opened(self) -> Writer:
        if self._writer is None:
            self._link = find_follower(self._lake)
            self._writer = self._own() if self._link is None else self._remote(self._link)
        return self._writer

    def _forget(self) -> None:
        self._writer = None
        if self._link is not None:
            self._link.close()
            self._link = None


class _HandedWriter:
    """Hands rows over. If the follower ends, this process takes the lease, as if it had never run."""

    def __init__(self, lake: str, plan: Plan, open_committer: Callable[..., LakeWriter], linker: Linker | None) -> None:
        self._linker: Linker | None = linker
        self._plan = handed_plan_to_json(plan)

        def own() -> LakeWriter:
            writer = _opened(open_committer, self._linker)
            self._linker = None  # closed with the committer
            return writer

        self._handing: _Handing[LakeWriter] = _Handing(
            lake, remote=lambda link: _Remote(link, self._plan), own=own, close=lambda writer: writer.close()
        )

    def register(self, source: Source, *, replace: bool) -> list[Span]:
        return self._handing.call(lambda writer: writer.register(source, replace=replace))

    def commit(self, rows: Sequence[SegmentRows]) -> int:
        return self._handing.call(lambda writer: writer.commit(rows))

    def fail(self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0) -> None:
        self._handing.call(lambda writer: writer.fail(segment, state=state, error=error, lost=lost))

    def quarantine(self, uri: str, *, error: str) -> None:
        self._handing.call(lambda writer: writer.quarantine(uri, error=error))

    def close(self) -> None:
        try:
            self._handing.close()
        finally:
            if self._linker is not None:
                self._linker.close()


def _opened(open_committer: Callable[..., LakeWriter], linker: Linker | None) -> LakeWriter:
    return open_committer() if linker is None else open_committer(linker=linker)


class _Remote:
    """The committer in the follower's process."""

    def __init__(self, link: FollowerLink, plan: dict[str, object]) -> None:
        self._link = link
        link.call("open", plan=plan)

    def register(self, source: Source, *, replace: bool) -> list[Span]:
        return [
            span_from_json(each) for each in self._link.call("register", source=source_to_json(source), replace=replace)
        ]

    def commit(self, rows: Sequence[SegmentRows]) -> int:
        described, tables = rows_to_json(rows)
        return int(self._link.call("commit", tables, rows=described))

    def fail(self, segment: Segment, *, state: Literal["failed", "quarantined"], error: str, lost: int = 0) -> None:
        self._link.call("fail", segment=segment_to_json(segment), state=state, error=error, lost=lost)

    def quarantine(self, uri: str, *, error: str) -> None:
        self._link.call("quarantine", uri=uri, error=error)

    def close(self) -> None:
        self._link.call("close")


class _HandedColumnWriter:
    """Hands the vectors of a column over. If the follower ends, this process takes the lease."""

    def __init__(self, lake: Lake) -> None:
        self._space: VectorSpace | None = None

        def remote(link: FollowerLink) -> ColumnWriter:
            return self._ready(_RemoteColumn(link))

        self._handing: _Handing[ColumnWriter] = _Handing(
            lake.uri,
            remote=remote,
            own=lambda: self._ready(OwnColumnWriter(lake)),
            close=lambda writer: writer.close(),
        )

    def add(self, space: VectorSpace) -> None:
        self._space = space
        self._handing.call(lambda writer: writer.add(space))

    def fill(self, name: TableName, rows: pa.Table) -> None:
        self._handing.call(lambda writer: writer.fill(name, rows))

    def close(self) -> None:
        self._handing.close()

    def _ready(self, writer: ColumnWriter) -> ColumnWriter:
        """The next writer, which has not added the column yet."""
        if self._space is not None:
            writer.add(self._space)
        return writer


class _RemoteColumn:
    def __init__(self, link: FollowerLink) -> None:
        self._link = link

    def add(self, space: VectorSpace) -> None:
        self._link.call("add column", space=space.to_json())

    def fill(self, name: TableName, rows: pa.Table) -> None:
        self._link.call("fill column", [rows], table=name)

    def close(self) -> None:
        """Nothing is held for it: the follower's upkeep joins the fragments."""
