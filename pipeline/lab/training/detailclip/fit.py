"""Trains a fusion on vectors of pictures and class names, without labels; a killed run resumes, bit for bit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from operators.detailclip.cover import Covered
from operators.detailclip.fusion import Fusion, FusionShape
from operators.detailclip.proxies import proxy_similarities
from operators.runtime.torch_threads import one_torch_thread
from pipeline.lab.training.detailclip.checkpoint import Epoch, load_checkpoint, save_checkpoint
from pipeline.lab.training.detailclip.loss import query_proxy_loss
from schemas import require
from schemas.errors import InvalidValueError
from schemas.ids import digest
from schemas.vectors import VectorArray

_MIXED_FROM = 5  # maximum number of pictures from which a mixed picture is made
_LAST_RATE = 0.02  # final learning rate, as a share of the highest


@dataclass(frozen=True, slots=True)
class DetailFitConfig:
    """AdamW with a linear warm-up, batches of 30 and clipped gradients, as in the paper; then the rate falls linearly.

    mixed: share of the pictures of a batch that are made from windows of up to five pictures, so that some hundreds of
        pictures suffice instead of thousands.
    blended, noise: share of windows that are blended with another one, and length of the random vector that is added to
        every window. They give new windows, whose loss is well-defined, as it depends only on the windows themselves.
    held_out: share of the pictures that are not trained on and only used to report the loss.
    scale: factor of the target cosines; the higher, the more the best pictures of a text count.
    ridge: regularisation of the query proxies with which training starts: the higher, the less of a name's cosine they
        reach, and the less similar names disturb each other.

    A few small steps are enough, as the proxies are already close. Chosen on generated pictures of seed 0: the share
    of the gap to multi-vector search that is closed in mAP@50, Recall@1, 3 and 5 was 94/89/99/110 % at the start and
    99/100/103/104 % after six epochs; with a ridge of 1 it was 78/79/95/112 % at the start.
    """

    epochs: int = 10
    warm_up_epochs: int = 3
    batch: int = 30
    learning_rate: float = 5e-4
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    mixed: float = 0.6
    blended: float = 0.2
    noise: float = 0.3
    held_out: float = 0.1
    scale: float = 30.0
    ridge: float = 0.1
    width: int = 128
    heads: int = 16
    hidden: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, epochs=self.epochs, batch=self.batch)
        require.at_least(0, warm_up_epochs=self.warm_up_epochs, weight_decay=self.weight_decay, noise=self.noise)
        require.in_order("<=", warm_up_epochs=self.warm_up_epochs, epochs=self.epochs)
        require.above(0, learning_rate=self.learning_rate, clip_norm=self.clip_norm, scale=self.scale, ridge=self.ridge)
        require.within("[0, 1]", mixed=self.mixed, blended=self.blended)
        require.within("[0, 1)", held_out=self.held_out)


@one_torch_thread()
def fit_fusion(
    pictures: Sequence[Covered],
    texts: VectorArray,
    config: DetailFitConfig,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _epoch: None,
) -> tuple[Fusion, list[Epoch]]:
    """Trains a fusion; returns it with its learning curve. texts: float32 (T, D), vectors of the class names.

    checkpoint: a file that is written after every epoch. If it exists, training resumes from it, to the same bits as an
        uninterrupted run: it uses one thread, and every epoch has a random generator of its own. Raises
        InvalidValueError if the file belongs to other pictures, texts or settings.
    on_epoch: called with every epoch that this call trains.
    """
    data = _Pictures.of(pictures)
    if texts.ndim != 2 or not len(texts) or texts.shape[1] != data.whole.shape[1]:
        raise InvalidValueError(f"texts must be (T, {data.whole.shape[1]}) with at least one, got {texts.shape}")
    order = torch.randperm(len(data), generator=_generator(config.seed, 0))
    watched = int(config.held_out * len(data))
    held_out, training = data.at(order[:watched]), data.at(order[watched:])
    if len(training) < 2:
        raise InvalidValueError(f"a fusion is trained on at least 2 pictures, got {len(training)}")
    run = _Run(training, torch.from_numpy(np.ascontiguousarray(texts, np.float32)), config)
    fingerprint = digest(
        "fusion", torch.__version__, repr(config), texts.tobytes(), *(p.windows.tobytes() for p in pictures)
    )
    curve: list[Epoch] = []
    if checkpoint is not None:
        curve = load_checkpoint(checkpoint, fingerprint=fingerprint, modules=run.modules, optimiser=run.optimiser)
    for number in range(len(curve) + 1, config.epochs + 1):
        loss = run.epoch(number)
        watched_loss = run.loss_on(held_out) if watched else None
        curve.append(Epoch(number, run.learning_rate, loss, watched_loss))
        if checkpoint is not None:
            save_checkpoint(
                checkpoint, fingerprint=fingerprint, modules=run.modules, optimiser=run.optimiser, curve=curve
            )
        on_epoch(curve[-1])
    return run.fusion.eval(), curve


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    """windows: float32 (N, P, D), zero if a picture has fewer; present: bool (N, P). whole: float32 (N, D)."""

    windows: torch.Tensor
    present: torch.Tensor
    whole: torch.Tensor

    @classmethod
    def of(cls, pictures: Sequence[Covered]) -> "_Pictures":
        if not pictures:
            raise InvalidValueError("there is no picture to train on")
        most = max(len(p.windows) for p in pictures)
        dimension = len(pictures[0].whole)
        windows = torch.zeros(len(pictures), most, dimension)
        present = torch.zeros(len(pictures), most, dtype=torch.bool)
        for row, picture in enumerate(pictures):
            windows[row, : len(picture.windows)] = torch.from_numpy(picture.windows)
            present[row, : len(picture.windows)] = True
        return cls(windows, present, torch.from_numpy(np.stack([p.whole for p in pictures])))

    def __len__(self) -> int:
        return len(self.whole)

    def at(self, rows: torch.Tensor) -> "_Pictures":
        return _Pictures(self.windows[rows], self.present[rows], self.whole[rows])

    def mixed(self, count: int, draw: torch.Generator) -> "_Pictures":
        """`count` pictures, each window of which is from one of up to five pictures; the whole is that of the first."""
        places = self.present.shape[1]
        sources = torch.randint(len(self), (count, _MIXED_FROM), generator=draw)
        several = torch.randint(1, _MIXED_FROM + 1, (count, 1), generator=draw)
        row = sources.gather(1, (torch.rand(count, places, generator=draw) * several).long())
        row[:, 0] = sources[:, 0]  # the largest window belongs to the whole, and every picture has a window
        place = torch.arange(places)
        return _Pictures(self.windows[row, place], self.present[row, place], self.whole[sources[:, 0]])

    def thinned(self, places: int, draw: torch.Generator) -> "_Pictures":
        """At most `places` random windows of each picture, as a few wide pictures would make every batch as wide."""
        if self.present.shape[1] <= places:
            return self
        order = (self.present + torch.rand(self.present.shape, generator=draw)).argsort(dim=1, descending=True)
        row, kept = torch.arange(len(self))[:, None], order[:, :places]
        return _Pictures(self.windows[row, kept], self.present[row, kept], self.whole)

    def drawn_about(self, batch: "_Pictures", config: DetailFitConfig, draw: torch.Generator) -> "_Pictures":
        """The batch with some windows blended with windows of random pictures, and with noise added to all of them."""
        count, places, dimension = batch.windows.shape
        picture = torch.randint(len(self), (count, places), generator=draw)
        place = torch.randint(int(self.present.sum(dim=1).min()), (count, places), generator=draw)
        share = torch.rand(count, places, 1, generator=draw)
        chosen = torch.rand(count, places, 1, generator=draw) < config.blended
        other = self.windows[picture, place]
        windows = torch.where(chosen, share * batch.windows + (1 - share) * other, batch.windows)
        length = config.noise * torch.rand(count, 1, 1, generator=draw) / dimension**0.5
        windows = F.normalize(windows + length * torch.randn(windows.shape, generator=draw), dim=-1)
        return _Pictures(windows, batch.present, batch.whole)


class _Run:
    """A fusion in training."""

    def __init__(self, training: _Pictures, texts: torch.Tensor, config: DetailFitConfig) -> None:
        self._training, self._texts, self._config = training, texts, config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.fusion = Fusion(
                FusionShape(
                    texts.shape[1], proxies=len(texts), width=config.width, heads=config.heads, hidden=config.hidden
                )
            )
        self.fusion.start_from(training.windows, texts, present=training.present, ridge=config.ridge)
        self.scale = torch.nn.Parameter(torch.tensor(config.scale).log())
        # one module, so that a checkpoint holds all parameters
        self.modules = torch.nn.Module()
        self.modules.add_module("fusion", self.fusion)
        self.modules.register_parameter("log_scale", self.scale)
        self.optimiser = torch.optim.AdamW(
            [
                {"params": list(self.fusion.parameters()), "weight_decay": config.weight_decay},
                {"params": [self.scale], "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
        )
        self.learning_rate = 0.0
        self._places = int(training.present.sum(dim=1).median())

    def epoch(self, number: int) -> float:
        """Makes one pass over the training pictures; returns the mean loss. number: counts from 1."""
        config, draw = self._config, _generator(self._config.seed, number)
        batches = torch.split(torch.randperm(len(self._training), generator=draw), config.batch)
        total = 0.0
        for step, rows in enumerate(batches):
            self._set_rate((number - 1) * len(batches) + step, len(batches))
            mixed = torch.rand((), generator=draw) < config.mixed
            batch = self._training.mixed(len(rows), draw) if mixed else self._training.at(rows)
            batch = self._training.drawn_about(batch.thinned(self._places, draw), config, draw)
            loss = self._loss(batch)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.modules.parameters(), config.clip_norm)
            self.optimiser.step()
            total += float(loss.detach()) * len(rows)
        return total / len(self._training)

    @torch.inference_mode()
    def loss_on(self, pictures: _Pictures) -> float:
        batches = torch.split(torch.arange(len(pictures)), self._config.batch)
        return sum(float(self._loss(pictures.at(rows))) * len(rows) for rows in batches) / len(pictures)

    def _loss(self, batch: _Pictures) -> torch.Tensor:
        fused = self.fusion(batch.windows, batch.whole, batch.present)
        wanted = proxy_similarities(batch.windows, self._texts, batch.present)
        return query_proxy_loss(
            self._texts @ fused.T, wanted, found_scale=self.scale.exp(), wanted_scale=self._config.scale
        )

    def _set_rate(self, step: int, per_epoch: int) -> None:
        warm_up, steps = self._config.warm_up_epochs * per_epoch, self._config.epochs * per_epoch
        if step < warm_up:
            share = (step + 1) / warm_up
        else:
            share = 1.0 - (1.0 - _LAST_RATE) * (step - warm_up) / max(steps - warm_up, 1)
        self.learning_rate = self._config.learning_rate * share
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + epoch)
