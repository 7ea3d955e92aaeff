"""Fits the head of objects to passes, by gradient descent."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from operators.proposals.objects.head import cell_centres
from operators.runtime.atomic_write import atomic_write
from operators.runtime.torch_threads import one_torch_thread
from pipeline.lab.training.objects.network import ObjectNetwork
from pipeline.lab.training.objects.passes import View
from pipeline.lab.training.objects.targets import targets
from schemas import require
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

_STATISTICS_VIEWS = 200
_KEPT_EVERY = 200  # steps
_GROUP = 4  # views whose gradient one thread computes at a time


@dataclass(frozen=True, slots=True)
class ObjectFitConfig:
    """The loss of a step is the sum over cells of the quality focal loss (Li et al., "Generalized Focal Loss", 2020) of
    the score towards the IoU reached, plus `box_weight` × (1 − GIoU) over the cells that shall find a box, both divided
    by the number of these.

    epochs: in each, every picture is seen once, in one of its views at random; those with more than two views, which
        are the full-size ones, `full_repeats` times. batch: views in a step.
    focus: exponent of the focal loss.
    """

    epochs: int = 5
    batch: int = 16
    full_repeats: int = 3
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    box_weight: float = 2.0
    focus: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, epochs=self.epochs, batch=self.batch, full_repeats=self.full_repeats)
        require.above(0, learning_rate=self.learning_rate)


@one_torch_thread()
def fit_objects(
    views: Sequence[View],
    *,
    config: ObjectFitConfig,
    threads: int = 1,
    state: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, VectorArray]:
    """The weights of the head, as `draw_objects` takes them.

    state: a file in which the state is kept every few minutes, from which an interrupted fit of the same views and
        config continues; it is removed at the end.
    threads: number of threads; weights do not depend on it, as some views of one size have their gradient computed by
    one thread, and gradients are added in a fixed order.
    on_progress: called with (steps done, total number of steps).
    """
    if not any(len(view.boxes) for view in views):
        raise InvalidValueError("no picture shows an object: the head needs labelled boxes")
    torch.manual_seed(config.seed)
    draw = np.random.default_rng(config.seed)
    of_picture: dict[int, list[int]] = {}
    for place, view in enumerate(views):
        of_picture.setdefault(view.picture, []).append(place)
    network = ObjectNetwork(_statistics(views, draw))
    parameters = list(network.parameters())
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )
    repeats = {p: config.full_repeats if len(places) > 2 else 1 for p, places in of_picture.items()}
    steps = config.epochs * max(1, sum(repeats.values()) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=config.learning_rate, total_steps=steps)

    def gradient(group: Sequence[View]) -> tuple[int, tuple[torch.Tensor, ...]]:
        loss, positives = _loss(network, group, config=config)
        # the part for boxes has no gradient where no view of the group shows an object
        found = torch.autograd.grad(loss, parameters, materialize_grads=True)
        return positives, found

    queue: list[int] = []
    first = 0
    if state is not None and state.exists():
        held = torch.load(state, weights_only=True)
        network.load_state_dict(held["network"])
        optimiser.load_state_dict(held["optimiser"])
        schedule.load_state_dict(held["schedule"])
        draw.bit_generator.state = json.loads(held["draw"])
        queue, first = held["queue"], held["step"]
    with ThreadPoolExecutor(threads, "objects") as workers:
        for step in range(first, steps):
            while len(queue) < config.batch:
                seen = [draw.choice(of_picture[p]) for p, count in repeats.items() for _ in range(count)]
                queue += [int(place) for place in draw.permutation(seen)]
            drawn, queue = [views[place] for place in queue[: config.batch]], queue[config.batch :]
            optimiser.zero_grad()
            positives = 0
            for count, found in workers.map(gradient, _alike(drawn)):
                positives += count
                for parameter, part in zip(parameters, found, strict=True):
                    parameter.grad = part if parameter.grad is None else parameter.grad + part
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad /= max(1, positives)
            torch.nn.utils.clip_grad_norm_(parameters, 10.0)
            optimiser.step()
            schedule.step()
            if state is not None and (step + 1) % _KEPT_EVERY == 0:
                held = {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "draw": json.dumps(draw.bit_generator.state),
                    "queue": queue,
                    "step": step + 1,
                }
                with atomic_write(state) as file:
                    torch.save(held, file)
            if on_progress is not None:
                on_progress(step + 1, steps)
    if state is not None:
        state.unlink(missing_ok=True)
    return network.arrays()


def _statistics(views: Sequence[View], draw: np.random.Generator) -> list[tuple[VectorArray, VectorArray]]:
    """Mean and deviation of every channel of each level over some views."""
    some = draw.permutation(len(views))[:_STATISTICS_VIEWS]
    levels = zip(*(views[i].levels() for i in sorted(some)), strict=True)
    found = []
    for level in levels:
        cells = np.concatenate([each.reshape(-1, each.shape[2])[::4] for each in level]).astype(np.float64)
        found.append((cells.mean(axis=0).astype(np.float32), (cells.std(axis=0) + 1e-3).astype(np.float32)))
    return found


def _alike(views: Sequence[View]) -> list[list[View]]:
    """Groups of at most `_GROUP` views of one size."""
    by_size: dict[tuple[int, int], list[View]] = {}
    for view in views:
        by_size.setdefault((view.height_px, view.width_px), []).append(view)
    return [same[i : i + _GROUP] for same in by_size.values() for i in range(0, len(same), _GROUP)]


def _loss(network: ObjectNetwork, views: Sequence[View], *, config: ObjectFitConfig) -> tuple[torch.Tensor, int]:
    """The sum over the cells of views of one size, and how many of them shall find a box."""
    levels = zip(*(view.levels() for view in views), strict=True)
    logits, sides = network([torch.from_numpy(np.stack(level).astype(np.float32)) for level in levels])
    of_cells = np.stack([targets(view) for view in views])
    quality = torch.zeros_like(logits)
    boxes = torch.zeros(())
    place, cell = np.nonzero(of_cells >= 0)
    if len(place):
        wanted = np.stack([views[p].boxes[of_cells[p, c]] for p, c in zip(place.tolist(), cell.tolist(), strict=True)])
        centres = torch.from_numpy(cell_centres(views[0].height_px, views[0].width_px)[cell])
        positive = torch.from_numpy(place), torch.from_numpy(cell)
        iou, giou = _overlap(boxes_at(centres, sides[positive]), torch.from_numpy(wanted))
        quality[positive] = iou.detach().clamp(min=0)
        boxes = (1 - giou).sum()
    cross = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    scores = cross * (quality - logits.sigmoid()).abs() ** config.focus
    return scores.sum() + config.box_weight * boxes, len(place)


def boxes_at(centres: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """centres: (N, 2). sides: (N, 4), distances to the left, top, right and bottom. Returns x0, y0, x1, y1, (N, 4)."""
    return torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], dim=1)


def _overlap(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., 2019) of pairs of boxes, (N, 4) each. Returns two (N,)."""
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - inner
    iou = inner / union.clamp(min=1e-6)
    return iou, iou - (outer - union) / outer.clamp(min=1e-6)
