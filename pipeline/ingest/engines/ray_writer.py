"""The committer in an actor of Ray, which is restarted when it dies; repeated calls commit only once."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.engines.engine import LakeWriter
from pipeline.ingest.engines.remote import call
from pipeline.lake.ledger import SourceEntry
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.threads import described
from schemas.clock import Span
from schemas.sources import Segment, Source


class ActorWriter:
    """The driver's handle of the committer."""

    def __init__(self, make_writer: Callable[[], LakeWriter], *, on_this_node: bool) -> None:
        """Starts the actor. on_this_node: the lake is a folder of this machine."""
        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        if on_this_node:
            here = ray.get_runtime_context().get_node_id()
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
        self._actor = ray.remote(_WriterActor).options(**options).remote(make_writer)
        call(self._actor, "ready")  # raises before any file is read if the lake cannot be opened

    def register(self, source: Source, *, replace: bool) -> list[Span]:
        spans: list[Span] = self._ask("register", source, replace=replace)
        return spans

    def commit(self, rows: Sequence[SegmentRows], *, plan: StoredPlan | None = None) -> int:
        new: int = self._ask("commit", rows, plan=plan)
        return new

    def fail(
        self,
        segment: Segment,
        *,
        state: Literal["failed", "quarantined"],
        error: str,
        lost: int = 0,
        plan: StoredPlan | None = None,
    ) -> None:
        self._ask("fail", segment, state=state, error=error, lost=lost, plan=plan)

    def quarantine(self, uri: str, *, error: str) -> None:
        self._ask("quarantine", uri, error=error)

    def end(self, source: Source) -> None:
        self._ask("end", source)

    def open_recordings(self, besides: Sequence[Source] = ()) -> list[SourceEntry]:
        found: list[SourceEntry] = self._ask("open_recordings", besides)
        return found

    def recordings(self, feed: str) -> list[Source]:
        found: list[Source] = self._ask("recordings", feed)
        return found

    def close(self) -> None:
        self._ask("close")

    def _ask(self, method: str, *args: object, **options: object) -> Any:
        return call(self._actor, "ask", method, *args, **options)


class _WriterActor:
    def __init__(self, make_writer: Callable[[], LakeWriter]) -> None:
        self._make_writer = make_writer
        self._writer: LakeWriter | None = None

    def ready(self) -> None:
        # opened by the first call instead of the constructor, whose errors Ray wraps in its own
        self._writer = self._writer or self._make_writer()

    def ask(self, method: str, *args: object, **options: object) -> Any:
        self.ready()
        try:
            return getattr(self._writer, method)(*args, **options)
        except Exception:
            raise
        except BaseException as error:  # a panic of Rust would end the actor, and Ray would call it again for ever
            raise RuntimeError(f"the committer failed: {described(error)}") from None
