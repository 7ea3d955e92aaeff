"""Feeds as actors of Ray, which share a pool of actors with models."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.ingest.engines.pool_sizes import EMBEDDER_CPUS, PROPOSER_CPUS
from pipeline.ingest.engines.ray_cluster import RayCluster
from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.ingest.stages import ModelStages
from pipeline.live.account.losses import Lost, Received, RecordingEnded, close_recording
from pipeline.live.commits.batch_commits import LiveWriter
from pipeline.live.engines.live_engine import Worked
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.plan.plan import Plan
from pipeline.runtime.supervised_actor import SupervisedActor
from pipeline.runtime.threads import ThreadStatus
from pipeline.runtime.time_source import REAL_TIME
from schemas.clock import Span
from schemas.sources import Segment

_WAIT_S = 2.0  # the longest time that a call of a feed's actor takes to return at least its status
FEED_DIED = "the feed's actor died"
_State = tuple[bool, FeedStatus, tuple[Received, ...], bool]  # the state of a feed, in the order of RemoteFeed._note


class RayLiveEngine:
    """An engine on the running cluster, or on one started here. Every actor that dies is started again: models by Ray,
    and by this engine where Ray gives up; feeds by RemoteFeed."""

    def __init__(self, plan: Plan, make_writer: Callable[..., LiveWriter], *, on_this_node: bool) -> None:
        """make_writer, on_this_node: see RayCluster."""
        self._cluster = RayCluster(plan, make_writer, on_this_node=on_this_node)
        self.writer: LiveWriter = self._cluster.writer
        sizes = self._cluster.pool_sizes(works=1)
        options = {
            "num_cpus": EMBEDDER_CPUS + PROPOSER_CPUS,
            "num_gpus": min(1.0, sizes.embedder_gpus + sizes.proposer_gpus),
            "max_restarts": -1,
            "max_task_retries": -1,  # rows of the same frames are the same
        }
        actor = ray.remote(_ModelActor).options(**options)
        self._idle = [SupervisedActor(f"model {n + 1}", lambda: actor.remote(plan)) for n in range(sizes.embedders)]
        self._models = tuple(self._idle)
        self._running: dict[Any, tuple[SupervisedActor, tuple[FramePacket, ...], float]] = {}  # by reference

    def feed(self, name: str, request: FollowRequest) -> "RemoteFeed":
        return RemoteFeed(name, request)

    @property
    def idle_models(self) -> int:
        return sum(model.actor() is not None for model in self._idle)

    def work(self, packets: Sequence[FramePacket]) -> None:
        model = next(model for model in self._idle if model.actor() is not None)
        answer = model.actor().work.remote(tuple(packets))
        self._running[answer] = model, tuple(packets), REAL_TIME.monotonic_s()
        self._idle.remove(model)

    def worked(self) -> list[Worked]:
        if not self._running:
            return []
        ready, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [self._finish(answer) for answer in ready]

    def _finish(self, answer: Any) -> Worked:
        model, packets, began_s = self._running[answer]
        rows, error = None, ""
        try:
            rows = tuple(ray.get(answer))
        except ray.exceptions.RayActorError as died:  # for good: Ray starts others again by itself
            model.died(died)
            error = str(died).strip().splitlines()[-1]
        except Exception as failed:
            error = str(failed).strip().splitlines()[-1] if str(failed).strip() else type(failed).__name__
        del self._running[answer]
        self._idle.append(model)
        seconds = REAL_TIME.monotonic_s() - began_s
        return Worked(packets, seconds, rows, f"the model failed: {error}" if error else "")

    @property
    def threads(self) -> tuple[ThreadStatus, ...]:
        return tuple(model.status for model in self._models)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._cluster.close()


class RemoteFeed:
    """A Feed in an actor, of which one call at a time asks whether an item waits there.

    An actor that dies, or of which a call fails, is ended, and another is made after a pause. Frames that it had
    received and that were not polled are counted as lost, and its recording is ended; the counts of the next actor,
    which begin at 0, are added.
    """

    def __init__(self, name: str, request: FollowRequest) -> None:
        self.name = name
        self._request = request
        self._wait_call: Any = None
        self._status = FeedStatus(name, request.uri, "connecting", REAL_TIME.utc(), unverified=request.unverified)
        self._before = self._status  # counts of the actors before this one
        self._received: tuple[Received, ...] = ()
        # of each current recording, by id: frames polled, and up to which PTS
        self._polled: dict[str, tuple[int, int]] = {}
        self._left: list[FeedItem] = []
        self._paused = self._stopping = self._ended = False
        self._waits = False  # whether an item waits in the actor
        self._actor = SupervisedActor(f"feed {name}", self._make, pauses=request.live.backoff)

    def _make(self) -> Any:
        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_concurrency": 3}
        if self._request.keeps_video:  # a ring is a folder of this machine
            here = ray.get_runtime_context().get_node_id()
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
        actor: Any = ray.remote(_FeedActor).options(**options).remote(self.name, self._request)
        if self._paused:
            actor.pause.remote()
        return actor

    @property
    def ended(self) -> bool:
        return self._ended and not self._left

    @property
    def ready(self) -> bool:
        if self._left:
            return True
        if self._ended or self._waits:
            return self._waits
        if self._wait_call is None:
            actor = self._actor.actor()
            if actor is None:
                return False
            self._wait_call = actor.wait.remote(_WAIT_S)
        answered, _ = ray.wait([self._wait_call], timeout=0)
        if answered:
            self._wait_call = None
            try:
                state = ray.get(answered[0])
            except Exception as error:
                self._died(error)
            else:
                self._note(*state)
        return self._waits or bool(self._left)

    def poll(self) -> FeedItem | None:
        if self._left:
            return self._left.pop(0)
        if self._actor.current is None:
            return None
        item: FeedItem | None
        try:
            item, *state = ray.get(self._actor.current.poll.remote())
        except Exception as error:
            self._died(error)
            return None
        self._note(*state)
        if isinstance(item, RecordingEnded):
            self._polled.pop(item.source.id, None)
        elif isinstance(item, Lost):
            self._count(item.segment, item.frames)
        elif item is not None:
            self._count(item.head.segment, item.head.frames_decoded)
        return item

    def _count(self, segment: Segment, frames: int) -> None:
        before, _ = self._polled.get(segment.source.id, (0, 0))
        self._polled[segment.source.id] = before + frames, segment.span.stop

    def _note(self, waits: bool, status: FeedStatus, received: tuple[Received, ...], ended: bool) -> None:
        self._waits, self._status, self._received, self._ended = waits, status.after(self._before), received, ended
        if ended:
            self._actor.end()

    def status(self) -> FeedStatus:
        return self._status.of_thread(self._actor.status, what=FEED_DIED)

    def received(self) -> tuple[Received, ...]:
        return self._received

    def pause(self) -> None:
        self._paused = True
        if self._actor.current is not None:
            self._actor.current.pause.remote()

    def resume(self) -> None:
        self._paused = False
        if self._actor.current is not None:
            self._actor.current.resume.remote()

    def stop(self) -> None:
        self._stopping = True
        if self._actor.current is None:
            self._ended = True
            self._actor.end()
        else:
            self._actor.current.stop.remote()

    def _died(self, error: BaseException) -> None:
        self._waits, self._wait_call = False, None
        self._actor.died(error)
        self._before = self._status = self._status.broken_off(FEED_DIED)
        for each in self._received:
            start = each.source.span.start
            frames, until = self._polled.get(each.source.id, (0, start))
            settled = [(Span(start, until), frames)] if until > start else []
            self._left += close_recording(
                each.source, each, settled, plan_hash=self._request.plan_hash, reason=FEED_DIED
            )
        self._received = ()
        self._polled.clear()
        if self._stopping:
            self._ended = True
            self._actor.end()


class _FeedActor:
    def __init__(self, name: str, request: FollowRequest) -> None:
        self._feed = Feed(name, request)
        self._feed.start()

    def wait(self, wait_s: float) -> _State:
        """Whether an item waits, or comes within `wait_s`; its status; what it received; whether it has ended."""
        waits = self._feed.wait(0.0 if self._feed.ended else wait_s)
        return waits, self._feed.status(), self._feed.received(), self._feed.ended

    def poll(self) -> tuple[FeedItem | None, *_State]:
        """The oldest item, and the state after it was polled."""
        return self._feed.poll(), *self.wait(0.0)

    def pause(self) -> None:
        self._feed.pause()

    def resume(self) -> None:
        self._feed.resume()

    def stop(self) -> None:
        self._feed.stop()


class _ModelActor:
    def __init__(self, plan: Plan) -> None:
        self._models = ModelStages(plan)

    def work(self, packets: tuple[FramePacket, ...]) -> list[RowPacket]:
        return self._models(packets)
