"""Carrying masks on Ray: the model in an actor with its share of a GPU, asked by the committer, which has none."""

from typing import Any

import ray

from operators.tracking.config import PropagationConfig
from operators.tracking.links import Link, MaskedFrame
from pipeline.ingest.engines.remote import call
from schemas.errors import WorkerDiedError


class ActorLinker:
    """A linker (operators/tracking/links.py) in an actor of its own; it can be sent to other actors.

    Raises ModelError where the model cannot be loaded there. An actor that dies is started again, without what it
    followed: every call says how many frames came since the last cut, and what does not fit raises WorkerDiedError.
    """

    def __init__(self, config: PropagationConfig, *, cpus: float, gpus: float) -> None:
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": -1}
        self._actor: Any = ray.remote(_LinkActor).options(**options).remote(config)
        self._since_cut = 0
        call(self._actor, "ready")  # a model that cannot be loaded is told before any file is read

    def __call__(self, frame: MaskedFrame) -> list[Link]:
        try:
            links: list[Link] = call(self._actor, "link", self._since_cut, frame)
        except ray.exceptions.RayActorError as error:
            call(self._actor, "ready")  # whoever asks again is not refused because it is still being started
            raise WorkerDiedError(f"the actor that carries masks has died: {error}") from error
        self._since_cut += 1
        return links

    def cut(self) -> None:
        self._since_cut = 0  # the next frame says so

    def close(self) -> None:
        """Ends the actor; its process gives back all that it holds."""
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
        # by the first call and not by the constructor, whose errors Ray hides behind its own
        from operators.tracking.propagation import MaskPropagation  # torch: the driver imports this module, too

        self._carry = self._carry or MaskPropagation(self._config)

    def link(self, since_cut: int, frame: MaskedFrame) -> list[Link]:
        """since_cut: frames since the last cut; 0 is a cut."""
        self._load()
        if since_cut == 0:
            self._carry.cut()
        elif since_cut != self._since_cut:
            raise WorkerDiedError("the actor that carries masks was started anew, without what it followed")
        links: list[Link] = self._carry(frame)
        self._since_cut = since_cut + 1
        return links
