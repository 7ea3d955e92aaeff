"""Hands batches to the committer, one after the other, and keeps them on disk while the lake is out of reach."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from pipeline.ingest.engines.engine import LakeWriter
from pipeline.lake.ledger import SourceEntry
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.spool import Spool
from pipeline.live.status.follow_status import SinkStatus
from pipeline.runtime.backoff import Backoff, BackoffConfig
from schemas.errors import LakeError
from schemas.sources import Source, feed_name

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class LiveWriter(LakeWriter, Protocol):
    """The committer as a follower sees it, in this process or in an actor."""

    def end(self, source: Source) -> None: ...

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]: ...

    def recordings(self, feed: str) -> list[Source]: ...


class Sink:
    """Commits batches in their order, in a thread of its own.

    Where the committer raises, batches go to the spool, and are tried again with growing pauses; none overtakes
    another. Where the spool's disk refuses too, they stay in memory: see `SinkStatus.bytes`, by which the follower
    stops handing out work.
    on_commit: told each batch that is in the lake, from that thread.
    """

    def __init__(
        self,
        writer: LiveWriter,
        spool: Spool,
        *,
        backoff: BackoffConfig | None = None,
        on_commit: Callable[[Batch], None] = lambda _: None,
    ) -> None:
        self._writer = writer
        self._spool = spool
        self._waits = Backoff(backoff or BackoffConfig(longest_s=10.0))
        self._on_commit = on_commit
        self._waiting: deque[Batch] = deque()
        self._asked: deque[Callable[[], None]] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._error: str | None = None
        self._commits = self._keyframes = 0
        self._spooled = len(spool)
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        with self._news:
            self._waiting.append(batch)
            self._news.notify_all()

    def ask(self, question: Callable[[LiveWriter], Answer]) -> Answer:
        """What the committer answers, in turn with the batches; waits for it. Raises what it raises."""
        answer: Future[Answer] = Future()

        def put_question() -> None:
            try:
                answer.set_result(question(self._writer))
            except BaseException as error:  # it is the asker's
                answer.set_exception(error)

        with self._news:
            if self._closing:
                raise LakeError("the follower is being stopped")
            self._asked.append(put_question)
            self._news.notify_all()
        return answer.result()

    def status(self) -> SinkStatus:
        with self._news:
            waiting = sum(batch.nbytes for batch in self._waiting)
            return SinkStatus(len(self._waiting), waiting, self._spooled, self._commits, self._keyframes, self._error)

    def close(self) -> None:
        """Commits what waits, or where the lake is out of reach, spools it."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._has_work():
            while self._asked:
                self._asked.popleft()()
            if not self._waiting and not self._spooled:
                continue
            began = time.monotonic()
            try:
                if self._spooled:
                    self._spool_waiting()  # behind what is there: nothing overtakes
                batch = self._commit_next()
            except Exception as error:  # a thread that ends would never commit again
                self._note(error)
                self._keep()
                with self._news:
                    if self._closing:
                        if self._waiting:
                            fields = {"batches": len(self._waiting), "error": self._error}
                            _log.error("%d batches are lost: %s", len(self._waiting), self._error, extra=fields)
                        return
                    self._news.wait_for(lambda: self._closing, self._waits(lasted_s=time.monotonic() - began))
            else:
                self._tell(batch)

    def _has_work(self) -> bool:
        """Waits for a batch; False when there is none left and none will come."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._spooled or self._asked or self._closing)
            return bool(self._waiting or self._spooled or self._asked)

    def _commit_next(self) -> Batch:
        """The oldest batch, from the disk if any is there."""
        kept = self._spool.oldest() if self._spooled else None
        batch = kept[1] if kept else self._waiting[0]
        if batch.rows:
            self._writer.commit(list(batch.rows))
        for lost in batch.lost:
            self._writer.fail(lost.segment, state=lost.state, error=lost.reason, lost=lost.frames)
        for ended in batch.ended:
            self._writer.end(ended.source)
        if kept:
            kept[0].unlink()
        with self._news:
            if kept:
                self._spooled -= 1
            else:
                self._waiting.popleft()
            self._commits += 1
            self._keyframes += sum(rows.frames.num_rows for rows in batch.rows)
            refused, self._error = self._error, None
        if refused is not None:
            _log.warning("the lake is in reach again", extra={"spooled": self._spooled, "waiting": len(self._waiting)})
        return batch

    def _tell(self, batch: Batch) -> None:
        _log_ended(batch)
        try:
            self._on_commit(batch)
        except Exception:  # it is in the lake: to commit goes on
            _log.exception("what is told of commits failed")

    def _keep(self) -> None:
        """Puts what waits on the disk, if that takes it."""
        try:
            self._spool_waiting()
        except OSError as error:
            with self._news:
                self._error = f"{self._error}; and the spool {self._spool.folder} cannot be written: {error}"

    def _spool_waiting(self) -> None:
        while self._waiting:
            self._spool.append(self._waiting[0])
            with self._news:
                self._waiting.popleft()
                self._spooled += 1

    def _note(self, error: Exception) -> None:
        known = isinstance(error, LakeError | OSError)
        told = str(error) if known else f"{type(error).__name__}: {error}"
        if self._error is None:
            _log.warning(
                "the lake is out of reach, rows wait: %s",
                told,
                extra={"error": told},
                exc_info=None if known else error,
            )
        with self._news:
            self._error = told


def _log_ended(batch: Batch) -> None:
    """What of a batch, once it is in the lake, is worth a line: not its rows."""
    for lost in batch.lost:
        source, why = lost.segment.source, {"frames": lost.frames, "reason": lost.reason}
        if source.kind == "feed":
            extra = {"feed": feed_name(source.uri), **why}
            _log.warning("%d frames of feed %s are lost: %s", lost.frames, extra["feed"], lost.reason, extra=extra)
        else:
            _log.warning("a segment of %s is %s: %s", source.uri, lost.state, lost.reason, extra=why)
    for ended in batch.ended:
        uri = ended.source.uri
        fields = {"feed": feed_name(uri), "recording": uri, "reason": ended.reason}
        _log.info("recording %s is complete: %s", uri, ended.reason, extra=fields)
