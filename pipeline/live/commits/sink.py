"""Commits batches one after the other, and keeps them on disk while the lake is out of reach."""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.live.account.losses import Lost
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.batch_commits import BatchCommits, LiveWriter, RefusedPart
from pipeline.live.commits.failures import is_out_of_reach
from pipeline.live.commits.spool import Spool
from pipeline.live.status.follow_status import SinkStatus
from pipeline.runtime.backoff import Backoff, BackoffConfig
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads, ThreadStatus, described
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import LakeError
from schemas.sources import Segment, feed_name

Answer = TypeVar("Answer")
_PAUSES = BackoffConfig(longest_s=10.0)
_LOOK_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Question(Generic[Answer]):
    """A call of the committer that somebody waits for. answer: has one item once it was answered."""

    put: Callable[[LiveWriter], Answer]
    answer: list[Answer] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def answered(self) -> bool:
        return bool(self.answer) or self.error is not None

    def put_to(self, writer: LiveWriter) -> None:
        try:
            self.answer.append(self.put(writer))
        except BaseException as error:  # raised where the question was asked
            self.error = error


class Sink:
    """Commits batches in their order, in a thread of its own.

    While the committer raises, batches go to the spool and are retried with growing pauses; none overtakes another.
    What the lake will never accept goes to a folder beside the spool, so that it holds nothing up (BatchCommits).
    While the spool cannot be written either, they stay in memory: from a size on (`SinkStatus.bytes`) the follower
    gives no more work to the models.
    on_commit: called with each batch that was committed, in that thread.
    If that thread dies it is started again, and the lake counts as out of reach until its next commit.
    """

    def __init__(
        self,
        writer: LiveWriter,
        spool: Spool,
        *,
        backoff: BackoffConfig | None = None,
        on_commit: Callable[[Batch], None] = lambda _: None,
        choose: Callable[[], float] = random.random,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._writer = writer
        self._batches = BatchCommits(writer)
        self._spool = spool
        self._waits = Backoff(backoff or _PAUSES, choose=choose)
        self._on_commit = on_commit
        self._time = time
        self._waiting: deque[Batch] = deque()
        self._questions: deque[_Question[Any]] = deque()
        self._news = threading.Condition()
        self._closing = self._ended = False
        self._error: str | None = None
        self._refusal: str | None = None
        self._commits = self._keyframes = 0
        self._refused = len(spool.refused)
        self._looked_s = -_LOOK_S
        self._spooled = len(spool)
        self._thread = SupervisedThread(
            "sink", self._run, pauses=backoff or _PAUSES, noted=self._died, choose=choose, time=time, threads=threads
        )

    @property
    def thread(self) -> ThreadStatus:
        return self._thread.status()

    @property
    def spooled_before(self) -> list[tuple[Segment, int]]:
        """Segments that waited on disk when the sink began, each with the number of frames that it accounts for."""
        return self._spool.segments

    def put(self, batch: Batch) -> None:
        with self._news:
            self._waiting.append(batch)
            self._news.notify_all()

    def ask(self, question: Callable[[LiveWriter], Answer]) -> Answer:
        """Calls the committer between batches, and waits for its answer. Raises what it raises."""
        asked = _Question(question)
        with self._news:
            if self._closing:
                raise LakeError("the follower is being stopped")
            self._questions.append(asked)
            self._news.notify_all()
            self._time.wait_for(self._news, lambda: asked.answered or self._ended)
        if asked.error is not None:
            raise asked.error
        if not asked.answer:
            raise LakeError("the follower is being stopped")
        return asked.answer[0]

    def status(self) -> SinkStatus:
        self._thread.status()  # starts it again where it could not do so itself
        with self._news:
            now_s = self._time.monotonic_s()
            if now_s >= self._looked_s + _LOOK_S:
                self._looked_s = now_s
                if self._spool.changed:
                    self._news.notify_all()
            waiting = sum(batch.nbytes for batch in self._waiting)
            return SinkStatus(
                batches=len(self._waiting),
                bytes=waiting,
                spooled=self._spooled,
                commits=self._commits,
                keyframes=self._keyframes,
                error=self._error,
                refused=self._refused,
                refusal=self._refusal if self._refused else None,
            )

    def close(self) -> None:
        """Commits the batches that wait, or spools them while the lake is out of reach."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.end()
        self._thread.join()
        self._thread.check()

    def _run(self) -> None:
        try:
            self._look()  # a thread before this one may have died before it had counted
            self._commit_all()
        finally:
            with self._news:
                self._ended = self._closing  # else it is started again
                self._news.notify_all()

    def _look(self) -> None:
        """Counts what waits on disk and what is refused, both of which a command may have changed."""
        self._spool.look()
        refused = len(self._spool.refused)
        with self._news:
            self._spooled, self._refused = len(self._spool), refused

    def _died(self, error: str) -> None:
        with self._news:
            self._error = f"the thread that commits died: {error}"

    def _commit_all(self) -> None:
        while self._has_work():
            self._answer_all()
            if self._spool.changed:
                self._look()
            if not self._waiting and not self._spooled:
                continue
            began_s = self._time.monotonic_s()
            try:
                if self._spooled:
                    self._spool_waiting()  # after the earlier batches: none overtakes another
                batch = self._commit_next()
            except BaseException as error:  # panics of Rust too: the batch is tried again, or refused
                self._note(error)
                self._keep()
                with self._news:
                    if self._closing:
                        if self._waiting:
                            fields = {"batches": len(self._waiting), "error": self._error}
                            _log.error("%d batches are lost: %s", len(self._waiting), self._error, extra=fields)
                        return
                    pause_s = self._waits(lasted_s=self._time.monotonic_s() - began_s)
                    self._time.wait_for(self._news, lambda: self._closing or self._spool.changed, pause_s)
            else:
                if batch:
                    self._report(batch)

    def _answer_all(self) -> None:
        while self._questions:
            question = self._questions[0]
            if not question.answered:
                question.put_to(self._writer)
            with self._news:
                self._questions.popleft()  # only now: whoever asked would wait for ever if this thread died before
                self._news.notify_all()

    def _has_work(self) -> bool:
        """Waits for a batch or a question; False when there is none and none will come."""
        with self._news:
            self._time.wait_for(self._news, lambda: self._work or self._closing)
            return self._work

    @property
    def _work(self) -> bool:
        return bool(self._waiting or self._spooled or self._questions or self._spool.changed)

    def _commit_next(self) -> Batch:
        """Commits the oldest batch, from the spool if there is one; returns what the lake took of it."""
        kept = self._spool.oldest() if self._spooled else None
        if kept is None and not self._waiting:
            self._look()  # the files of the spool could not be read, and are set aside
            return Batch()
        file, batch = kept or (None, self._waiting[0])
        following = self._spool.following() if kept else islice(self._waiting, 1, None)
        refused = self._batches.commit(batch, following=following)
        if refused:
            self._refuse(file, refused)
        if file is not None:
            self._spool.remove(file)
        parts = [each.part for each in refused]
        taken = Batch.joined([part for part in batch.parts if part not in parts]) if refused else batch
        with self._news:
            if file is None:
                self._waiting.popleft()
            self._spooled = len(self._spool)
            self._commits += bool(taken)
            self._keyframes += sum(rows.frames.num_rows for rows in taken.rows)
            before, self._error = self._error, None
        if before is not None:
            _log.warning("the lake is in reach again", extra={"spooled": self._spooled, "waiting": len(self._waiting)})
        return taken

    def _refuse(self, file: Path | None, refused: Sequence[RefusedPart]) -> None:
        """Keeps what the lake refuses where it holds nothing up. Raises OSError where it cannot be written."""
        reason = "; ".join(dict.fromkeys(each.reason for each in refused))
        batch = Batch.joined([each.part for each in refused])
        kept = self._spool.refuse(file, batch, reason=reason, at=self._time.utc())
        self._look()
        with self._news:
            self._refusal = reason
        text = "the lake refuses a batch, which is kept as %s (regionlake spool): %s"
        _log.error(text, kept, reason, extra={"segments": len(batch.segments), "error": reason})

    def _report(self, batch: Batch) -> None:
        _log_ended(batch)
        try:
            self._on_commit(batch)
        except BaseException:  # the batch is in the lake: commits continue
            _log.exception("the callback after a commit failed")

    def _keep(self) -> None:
        """Spools the batches that wait; where that fails, they stay in memory."""
        try:
            self._spool_waiting()
        except OSError as error:
            with self._news:
                self._error = f"{self._error}; and the spool {self._spool.folder} cannot be written: {error}"

    def _spool_waiting(self) -> None:
        while self._waiting:
            try:
                self._spool.append(self._waiting[0])
            except OSError:
                raise
            except Exception as error:  # neither Arrow nor JSON takes it
                self._lose_rows(described(error))
                continue
            with self._news:
                self._waiting.popleft()
                self._spooled = len(self._spool)

    def _lose_rows(self, reason: str) -> None:
        """Puts losses in the place of the rows of a batch that cannot be stored: it must not hold up the others."""
        batch = self._waiting[0]
        segments = [each.segment.id for each in batch.rows]
        _log.error("rows of %d segments cannot be stored and are lost: %s", len(segments), reason)
        lost = [Lost(segment, frames, f"its rows cannot be stored: {reason}") for segment, frames in batch.segments]
        with self._news:
            if batch.rows:
                self._waiting[0] = replace(batch, rows=(), lost=tuple(lost))
            else:
                self._waiting.popleft()

    def _note(self, error: BaseException) -> None:
        known = isinstance(error, LakeError | OSError)
        reason = str(error) if known else described(error)
        if self._error is None:
            text = "the lake is out of reach" if is_out_of_reach(error) else "a commit failed and is tried again"
            _log.warning("%s, rows wait: %s", text, reason, extra={"error": reason}, exc_info=None if known else error)
        with self._news:
            self._error = reason


def _log_ended(batch: Batch) -> None:
    """Logs the losses and ends of a batch that was committed."""
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
