"""Carries masks on Ray: the model runs in an actor with a share of a GPU; the committer, which has none, calls it."""

from typing import Any

import ray

from operators.tracking.config import PropagationConfig
from operators.tracking.links import Link, MaskedFrame
from pipeline.ingest.engines.remote import call
from schemas.errors import WorkerDiedError


class ActorLinker:
    """A linker (operators/tracking/links.py) in an actor of its own; it can be sent to other actors.

    Raises ModelError where the model cannot be loaded there. An actor that dies is restarted without its state: every
    call passes the number of frames since the last cut, and a number that does not match raises WorkerDiedError.
    """

    def __init__(self, config: PropagationConfig, *, cpus: float, gpus: float) -> None:
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": -1}
        self._actor: Any = ray.remote(_LinkActor).options(**options).remote(config)
        self._since_cut = 0
        call(self._actor, "ready")  # raises before any file is read if the model cannot be loaded

    def __call__(self, frame: MaskedFrame) -> list[Link]:
        try:
            links: list[Link] = call(self._actor, "link", self._since_cut, frame)
        except ray.exceptions.RayActorError as error:
            call(self._actor, "ready")  # wait until it has restarted, so that the next call succeeds
            raise WorkerDiedError(f"the actor that carries masks has died: {error}") from error
        self._since_cut += 1
        return links

    def cut(self) -> None:
        self._since_cut = 0  # sent with the next frame

    def close(self) -> None:
        """Ends the actor and its process."""
        ray.kill(self._actor)


class _LinkActor:
    def __init__(self, config: PropagationConfig) -> None:
        self._config = config
        self._carry: Any = None
        self._since_cut = 0

    @ray.method(max_task_retries=-1)
    def ready(self) -> None:
        self._load()

    def _load(self) -> None:
        # by the first call instead of the constructor, whose errors Ray wraps in its own
        from operators.tracking.propagation import MaskPropagation  # torch: the driver imports this module, too

        self._carry = self._carry or MaskPropagation(self._config)

    def link(self, since_cut: int, frame: MaskedFrame) -> list[Link]:
        """Links of a frame's masks to earlier ones. since_cut: frames since the last cut; 0 is a cut."""
        self._load()
        if since_cut == 0:
            self._carry.cut()
        elif since_cut != self._since_cut:
            raise WorkerDiedError("the actor that carries masks was restarted and has lost its state")
        links: list[Link] = self._carry(frame)
        self._since_cut = since_cut + 1
        return links
