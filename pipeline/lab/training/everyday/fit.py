"""Fits the trained part of a head to views, prompts and captions, by gradient descent on cached features."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import LEVELS, TOP, Backbone
from operators.encoders.everyday.head import DEVIATION_EPSILON, Head, HeadWeights
from operators.runtime.torch_threads import one_torch_thread
from pipeline.lab.training.everyday.captions import Captions
from pipeline.lab.training.everyday.prompts import Prompts
from pipeline.lab.training.everyday.views import BACKGROUND, WHOLE, Views
from schemas import require
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

_TRAINED = 384
_TOP_AT = sum(level.channels for level in LEVELS) - TOP.channels
_PCA_VIEWS = 20_000


@dataclass(frozen=True, slots=True)
class FitConfig:
    """The loss of a step is the sum of

    - for views of objects, drawn by 1/√count of their class, and backgrounds: the cross-entropy of the class, and half
      the sigmoid loss of every pair, where backgrounds match no class;
    - for pictures, each with one of its captions: InfoNCE both ways (Radford et al., 2021);
    - for both, `distillation` × the divergence from the ImageNet classifier over the names of its classes.

    batch, captioned: views and captioned pictures in a step. hidden: width of the layer for regions alone. dropout: of
    features; hidden_dropout: of the hidden layer. background_share: share of backgrounds among the drawn views.
    conse_share: the share a of ConSE in the finished head. dimensions: length of its vectors.
    """

    epochs: int = 10
    batch: int = 512
    captioned: int = 384
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    hidden: int = 512
    dropout: float = 0.3
    hidden_dropout: float = 0.2
    label_smoothing: float = 0.05
    background_share: float = 0.2
    distillation: float = 1.0
    conse_share: float = 0.15
    dimensions: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, epochs=self.epochs, batch=self.batch, captioned=self.captioned, dimensions=self.dimensions)
        require.within("[0, 1)", dropout=self.dropout, hidden_dropout=self.hidden_dropout)
        require.within("[0, 1]", background_share=self.background_share, conse_share=self.conse_share)


class _Network(torch.nn.Module):
    def __init__(self, features: int, sentence: int, config: FitConfig) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(features, _TRAINED)
        self.hidden = torch.nn.Linear(features, config.hidden)
        self.output = torch.nn.Linear(config.hidden, _TRAINED, bias=False)
        # texts begin at MiniLM's vectors, so that nouns without boxes keep their neighbours
        self.text = torch.nn.Parameter(torch.eye(sentence, _TRAINED))
        self.dropout = torch.nn.Dropout(config.dropout)
        self.hidden_dropout = torch.nn.Dropout(config.hidden_dropout)
        # logarithms of the scales of the four losses, and the offset of the sigmoid
        self.scales = torch.nn.Parameter(torch.tensor([15.0, 15.0, 20.0, 15.0]).log())
        self.offset = torch.nn.Parameter(torch.tensor(-5.0))

    def regions(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(x)
        return F.normalize(self.linear(x) + self.output(self.hidden_dropout(F.gelu(self.hidden(x)))), dim=1)

    def frames(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.linear(self.dropout(x)), dim=1)

    def texts(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x @ self.text, dim=1)


@one_torch_thread()
def fit_head(
    views: Views,
    prompts: Prompts,
    captions: Captions | None,
    backbone: Backbone,
    *,
    config: FitConfig,
    on_progress: Callable[[int, int], None] | None = None,
) -> HeadWeights:
    """Fits a head for the classes that occur in `views`; prompts of other classes are ignored.

    captions: of the pictures whose views are labelled WHOLE; None or none of them trains on boxes alone.
    on_progress: called with (steps done, total number of steps).
    Deterministic under `config.seed` for one version of torch. It runs on one thread, so that sums have one order.
    """
    objects = np.flatnonzero(views.labels != WHOLE)
    labels = views.labels[objects]
    if not (labels >= 0).any():
        raise InvalidValueError("no view shows an object: a head needs labelled boxes")
    torch.manual_seed(config.seed)
    draw = np.random.default_rng(config.seed)
    classes = np.unique(labels[labels >= 0])
    target = torch.from_numpy(np.where(labels >= 0, np.searchsorted(classes, labels), BACKGROUND))
    chance = _chances(labels, background_share=config.background_share)
    prompts_of = [np.flatnonzero(prompts.labels == label) for label in classes]
    sentences = torch.from_numpy(prompts.classes)
    nouns = [torch.from_numpy(prompts.nouns), torch.from_numpy(prompts.noun_photos)]
    x = _Features(views, backbone)
    whole = None if captions is None else _Captioned.of(views, captions)

    network = _Network(views.features.shape[1], sentences.shape[1], config)
    matrices = [network.linear.weight, network.hidden.weight, network.output.weight]
    others = [p for p in network.parameters() if all(p is not matrix for matrix in matrices)]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
    )
    steps = config.epochs * max(1, len(labels) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=config.learning_rate, total_steps=steps)
    for step in range(steps):
        scales = network.scales.exp()
        words = network.texts(nouns[step % 2])

        def agreement(vectors: torch.Tensor, rows: NDArray[np.intp]) -> torch.Tensor:
            guess = F.log_softmax(scales[2] * vectors @ words.T, dim=1)  # noqa: B023  # used within this step
            return config.distillation * F.kl_div(guess, x.likelihood(rows), reduction="batchmean")

        drawn = draw.choice(len(labels), config.batch, p=chance)
        vectors = network.regions(x(objects[drawn]))
        of_class = torch.from_numpy(np.array([draw.choice(each) for each in prompts_of]))
        logits = vectors @ network.texts(sentences[of_class]).T
        truth = target[drawn]
        shown = truth >= 0
        pairs = F.one_hot(truth.clamp(min=0), len(classes)).float() * shown[:, None]
        sigmoid = F.binary_cross_entropy_with_logits(scales[1] * logits + network.offset, pairs, reduction="none")
        loss = 0.5 * sigmoid.sum(dim=1).mean() + agreement(vectors, objects[drawn])
        if shown.any():
            loss = loss + F.cross_entropy(
                scales[0] * logits[shown], truth[shown], label_smoothing=config.label_smoothing
            )
        if whole is not None:
            rows, of_rows = whole.draw(config.captioned, draw)
            frames = network.frames(x(rows))
            matches = scales[3] * frames @ network.texts(of_rows).T
            own = torch.arange(len(rows))
            loss = loss + 0.5 * (F.cross_entropy(matches, own) + F.cross_entropy(matches.T, own))
            loss = loss + agreement(frames, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if on_progress is not None:
            on_progress(step + 1, steps)
    return _projected(_weights(network, prompts, config), views, backbone, config=config)


class _Features:
    """Rows of views as the network sees them, and what the ImageNet classifier thinks of them."""

    def __init__(self, views: Views, backbone: Backbone) -> None:
        self._features = torch.from_numpy(views.features)
        self._widths = [level.channels for level in LEVELS]
        weight, bias = backbone.classifier
        self._weight, self._bias = torch.from_numpy(weight.T.copy()), torch.from_numpy(bias.copy())

    def __call__(self, rows: NDArray[np.intp]) -> torch.Tensor:
        """float32 (N, C): every level of mean 0 and deviation 1."""
        levels = torch.split(self._features[torch.from_numpy(rows)].float(), self._widths, dim=1)
        return torch.cat(
            [
                (level - level.mean(dim=1, keepdim=True))
                / (level.std(dim=1, keepdim=True, correction=0) + DEVIATION_EPSILON)
                for level in levels
            ],
            dim=1,
        )

    def likelihood(self, rows: NDArray[np.intp]) -> torch.Tensor:
        """float32 (N, K): the probabilities that the classifier gives."""
        top = self._features[torch.from_numpy(rows), _TOP_AT:].float()
        return F.softmax(top @ self._weight + self._bias, dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Captioned:
    """Rows of the views of each captioned picture, and the sentence vectors of its captions."""

    views: tuple[NDArray[np.intp], ...]
    captions: tuple[NDArray[np.intp], ...]
    sentences: torch.Tensor

    @classmethod
    def of(cls, views: Views, captions: Captions) -> "_Captioned | None":
        rows = np.flatnonzero(views.labels == WHOLE)
        pictures = np.intersect1d(views.pictures[rows], captions.pictures)
        if not len(pictures):
            return None
        return cls(
            tuple(rows[views.pictures[rows] == p] for p in pictures),
            tuple(np.flatnonzero(captions.pictures == p) for p in pictures),
            torch.from_numpy(captions.sentences),
        )

    def draw(self, count: int, draw: np.random.Generator) -> tuple[NDArray[np.intp], torch.Tensor]:
        """A view and a caption of `count` pictures, or of all if there are fewer."""
        chosen = draw.permutation(len(self.views))[:count]
        rows = np.array([draw.choice(self.views[i]) for i in chosen])
        return rows, self.sentences[torch.from_numpy(np.array([draw.choice(self.captions[i]) for i in chosen]))]


def _chances(labels: NDArray[np.intp], *, background_share: float) -> NDArray[np.float64]:
    """float64 (N,): the chance of every view to be drawn, by 1/√count of its class."""
    shown = labels >= 0
    count = np.bincount(labels[shown])
    chance = np.zeros(len(labels))
    chance[shown] = 1 / np.sqrt(count[labels[shown]])
    chance[shown] /= chance[shown].sum()
    if shown.all():
        return chance
    chance[shown] *= 1 - background_share
    chance[~shown] = background_share / (~shown).sum()
    total: NDArray[np.float64] = chance / chance.sum()
    return total


def _weights(network: _Network, prompts: Prompts, config: FitConfig) -> HeadWeights:
    def numbers(values: torch.Tensor) -> VectorArray:
        return np.ascontiguousarray(values.detach().numpy())

    return HeadWeights(
        linear_weight=numbers(network.linear.weight.T),
        linear_bias=numbers(network.linear.bias),
        hidden_weight=numbers(network.hidden.weight.T),
        hidden_bias=numbers(network.hidden.bias),
        output_weight=numbers(network.output.weight.T),
        text_weight=numbers(network.text),
        conse_names=prompts.nouns,
        projection=np.eye(_TRAINED + prompts.nouns.shape[1], dtype=np.float32),
        conse_share=config.conse_share,
    )


def _projected(weights: HeadWeights, views: Views, backbone: Backbone, *, config: FitConfig) -> HeadWeights:
    """The head with vectors of `config.dimensions`: the principal axes of those of some views, the largest first."""
    head = Head(weights, backbone.classifier)
    some = np.random.default_rng(config.seed).permutation(len(views))[:_PCA_VIEWS]
    whole = views.labels[some] == WHOLE
    features = views.features[some].astype(np.float32)
    vectors = np.concatenate([head.regions(features[~whole]), head.frames(features[whole])]).astype(np.float64)
    # not centred: the mean is a direction that texts have in common with pictures
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return replace(weights, projection=axes[:, ::-1][:, : config.dimensions].astype(np.float32))
