"""Learns the 256 bits of region codes without labels; a run that was killed resumes and gives the same weights.

Source: Search Anything, section 2.2 (`tanh(W x + b)`), which does not state its loss. The losses here are common to
learnt hashes: HashNet (Cao et al., ICCV 2017) raises the slope of the tanh during training.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from operators.codes.hamming import CODE_BITS
from operators.codes.projection import Projection
from operators.runtime.atomic_write import atomic_write
from operators.runtime.torch_threads import one_torch_thread
from pipeline.lab.training.codes.itq import itq
from pipeline.lab.training.codes.random_projection import require_features
from schemas import require
from schemas.errors import ModelError
from schemas.ids import digest
from schemas.vectors import VectorArray


@dataclass(frozen=True, slots=True)
class CodeTraining:
    """Loss = neighbours + quantisation × Q + balance × B + decorrelation × D, over batches of rows, with
    h = tanh(slope · (W x + b)).

    neighbours: cross entropy between the neighbourhoods of x and of h, each a softmax over the batch of cosines divided
        by the temperature; `about_mean` is the share of it in which x is centred on its mean, in the components.
        Q: mean of (|h| − 1)². B: mean over bits of their squared mean.
    D: mean over bits of the sum of squared products with the others.
    steepest: the slope at the end; it grows from 1, so that h approaches the bits themselves.
    components: number of principal components of x that W reads. itq_rounds: rounds of ITQ for the initial rotation.

    Centred on their mean, regions are distinguished by class better than by the cosines of x (mAP .34 and .30, for
    regions of the training pictures in three folds), as what all have in common carries no information; ITQ centres
    them, too. With the cosines of x alone, learnt codes preserved more neighbours than ITQ's and distinguished classes
    no better.

    A few small steps are enough, and more are worse: for regions held out of training (5,822 in training, 2,900
    queries), the mAP of the 50 nearest was about .71 after 15 epochs at 1e-3 and .70 after 40 at 3e-3, that of classes
    .29 and .27.
    """

    epochs: int = 15
    batch: int = 512
    learning_rate: float = 1e-3
    temperature: float = 0.05
    about_mean: float = 0.5
    quantisation: float = 0.1
    balance: float = 0.1
    decorrelation: float = 0.1
    steepest: float = 6.0
    components: int = 256
    itq_rounds: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, epochs=self.epochs, components=self.components, itq_rounds=self.itq_rounds)
        require.at_least(2, batch=self.batch)
        require.above(0, learning_rate=self.learning_rate, temperature=self.temperature)
        require.at_least(1, steepest=self.steepest)
        require.within("[0, 1]", about_mean=self.about_mean)
        require.at_least(0, quantisation=self.quantisation, balance=self.balance, decorrelation=self.decorrelation)


@dataclass(frozen=True, slots=True)
class CodeEpoch:
    """Means over one epoch's batches of the loss, and of each of its parts before they are weighted."""

    loss: float
    neighbours: float
    quantisation: float
    balance: float
    decorrelation: float


@dataclass(frozen=True, slots=True, eq=False)
class LearntCodes:
    """The result of training. epochs: the learning curve, in order."""

    projection: Projection
    epochs: tuple[CodeEpoch, ...]


@one_torch_thread()
def train_codes(
    features: VectorArray,
    config: CodeTraining,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, CodeEpoch], None] = lambda _number, _epoch: None,
) -> LearntCodes:
    """Trains codes, starting from ITQ. features: float32 (N, D), x of regions, of unit length, D >= 256.

    checkpoint: a file that is written after every epoch; if it exists, training resumes from it, to the same weights,
        bit for bit, as without an interruption. Deterministic under the seed for one version of torch; on one thread.
    on_epoch: called with (number from 1, its losses) after each epoch.
    Raises ModelError if the checkpoint belongs to other features or another config.
    """
    require_features(features)
    run = _Run(features, config)
    key = _key(features, config)
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint, key)
    while len(run.epochs) < config.epochs:
        run.epoch()
        if checkpoint is not None:
            run.keep(checkpoint, key)
        on_epoch(len(run.epochs), run.epochs[-1])
    return LearntCodes(run.projection(), tuple(run.epochs))


class _Run:
    """The state of a training run between two epochs."""

    def __init__(self, features: VectorArray, config: CodeTraining) -> None:
        self._config = config
        self.epochs: list[CodeEpoch] = []
        self._x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        self._mean = self._x.double().mean(dim=0)
        centred = self._x.double() - self._mean
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        self._components = vectors[:, -max(config.components, CODE_BITS) :]  # all, if there are fewer
        projected = centred @ self._components
        start = torch.from_numpy(itq(projected.float().numpy(), seed=config.seed, rounds=config.itq_rounds).weight)
        self._z = projected.float()
        self._centred = torch.nn.functional.normalize(self._z, dim=1)
        self._weight = torch.nn.Parameter(
            start / (self._z @ start.T).std()
        )  # unit deviation: tanh at slope 1 is neither linear nor saturated
        self._bias = torch.nn.Parameter(torch.zeros(CODE_BITS))
        self._optimiser = torch.optim.Adam([self._weight, self._bias], lr=config.learning_rate)
        self._draw = torch.Generator().manual_seed(config.seed)

    def epoch(self) -> None:
        """One pass over all rows, in a new random order."""
        config, count = self._config, len(self._x)
        batches = list(torch.split(torch.randperm(count, generator=self._draw), config.batch))
        if len(batches) > 1 and len(batches[-1]) < 2:
            batches.pop()  # a single row has no neighbours
        totals = torch.zeros(5, dtype=torch.float64)
        for number, rows in enumerate(batches):
            done = (len(self.epochs) + number / len(batches)) / config.epochs
            for group in self._optimiser.param_groups:
                group["lr"] = config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
            parts = self._losses(rows, slope=config.steepest**done)
            loss = parts @ torch.tensor([1.0, config.quantisation, config.balance, config.decorrelation])
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            totals += torch.cat([loss.detach()[None], parts.detach()]).double()
        self.epochs.append(CodeEpoch(*(totals / len(batches)).tolist()))

    def projection(self) -> Projection:
        """The projection of x itself: principal components and mean are folded into weight and bias."""
        weight = self._weight.detach().double() @ self._components.T
        bias = self._bias.detach().double() - weight @ self._mean
        return Projection(weight.float().numpy(), bias.float().numpy())

    def keep(self, path: Path, key: str) -> None:
        """Saves the state atomically: a kill leaves the file of this epoch or of the previous one."""
        state = {
            "key": key,
            "weight": self._weight.detach(),
            "bias": self._bias.detach(),
            "optimiser": self._optimiser.state_dict(),
            "draw": self._draw.get_state(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }
        with atomic_write(path) as made:
            torch.save(state, made)

    def restore(self, path: Path, key: str) -> None:
        try:
            state = torch.load(path, weights_only=True)
            found = state["key"]
        except Exception as error:  # torch can raise any error of its unpickler
            why = type(error).__name__
            raise ModelError(f"{path} is not a checkpoint of codes ({why}); remove it to start over") from error
        if found != key:
            raise ModelError(f"{path} is a checkpoint of other features or settings; remove it to start over")
        with torch.no_grad():
            self._weight.copy_(state["weight"])
            self._bias.copy_(state["bias"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._draw.set_state(state["draw"])
        self.epochs = [CodeEpoch(**epoch) for epoch in state["epochs"]]

    def _losses(self, rows: torch.Tensor, *, slope: float) -> torch.Tensor:
        """float32 (4,): neighbours, quantisation, balance, decorrelation."""
        x, centred = self._x[rows], self._centred[rows]
        h = torch.tanh(slope * (self._z[rows] @ self._weight.T + self._bias))
        itself = torch.eye(len(rows), dtype=torch.bool)
        near, near_about_mean, coded = (
            (cosine / self._config.temperature).masked_fill(itself, -1e9)
            for cosine in (x @ x.T, centred @ centred.T, h @ h.T / CODE_BITS)
        )
        wanted = torch.lerp(near.softmax(dim=1), near_about_mean.softmax(dim=1), self._config.about_mean)
        neighbours = -(wanted * coded.log_softmax(dim=1)).sum(dim=1).mean()
        together = h.T @ h / len(rows)
        others = (together**2).sum() - (together.diagonal() ** 2).sum()
        return torch.stack([neighbours, ((h.abs() - 1) ** 2).mean(), (h.mean(dim=0) ** 2).mean(), others / CODE_BITS])


def _key(features: VectorArray, config: CodeTraining) -> str:
    """The key of a checkpoint: a hash of the rows, the settings and the version of torch."""
    rows = np.ascontiguousarray(features, np.float32).tobytes()
    return digest("codes", torch.__version__, repr(config), rows)
