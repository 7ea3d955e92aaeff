"""Fits the two linear maps of a head to views and prompts, by gradient descent on cached features."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.head import Head, layer_norm
from operators.runtime.torch_threads import one_torch_thread
from pipeline.lab.training.everyday.prompts import Prompts
from pipeline.lab.training.everyday.views import Views
from schemas import require
from schemas.errors import InvalidValueError

_DIMENSION = 384
_WARM_UP_STEPS = 20


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Loss = softmax over classes + sigmoid of every pair (backgrounds match no class) + `distillation` × divergence
    from the ImageNet classifier over its class names. conse_share: the share a of ConSE in the finished head."""

    epochs: int = 15
    batch: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    dropout: float = 0.5
    distillation: float = 1.0
    conse_share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        require.at_least(1, epochs=self.epochs, batch=self.batch)


@one_torch_thread()
def fit_head(views: Views, prompts: Prompts, backbone: Backbone, *, config: FitConfig) -> Head:
    """Fits a head for the classes that occur in `views`; prompts of other classes are ignored.

    Deterministic under `config.seed` for one version of torch. It runs on one thread, so that sums have one order; on
    two busy cores a second thread only waited (400 s of CPU instead of 40 s).
    """
    if not (views.labels >= 0).any():
        raise InvalidValueError("no view shows an object: a head needs labelled boxes")
    draw = torch.Generator().manual_seed(config.seed)
    classes = np.unique(views.labels[views.labels >= 0])
    features = torch.from_numpy(layer_norm(views.features).astype(np.float32))
    target = torch.from_numpy(np.where(views.labels >= 0, np.searchsorted(classes, views.labels), -1))
    likelihood = _classifier_likelihood(views, backbone)
    choices = [torch.from_numpy(np.flatnonzero(prompts.labels == label)) for label in classes]
    sentences = torch.from_numpy(prompts.classes)
    nouns = [torch.from_numpy(prompts.nouns), torch.from_numpy(prompts.noun_photos)]

    image = _linear(features.shape[1], draw)
    text = _linear(sentences.shape[1], draw)
    with torch.no_grad():  # texts start at MiniLM's vectors, so that nouns without boxes keep their neighbours
        text.weight.copy_(torch.eye(_DIMENSION))
        text.bias.zero_()
    # logarithms of three scales, and the offset of the sigmoid
    scales = torch.nn.Parameter(torch.tensor([15.0, 15.0, 20.0]).log())
    offset = torch.nn.Parameter(torch.tensor(-5.0))
    optimiser = torch.optim.AdamW(
        [
            {"params": [image.weight], "weight_decay": config.weight_decay},
            {"params": [image.bias, text.weight, text.bias, scales, offset], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )
    steps = config.epochs * -(-len(features) // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1.0, (step + 1) / _WARM_UP_STEPS)
    )
    for _ in range(config.epochs):
        for index in torch.split(torch.randperm(len(features), generator=draw), config.batch):
            kept = torch.rand(len(index), features.shape[1], generator=draw) >= config.dropout
            vectors = F.normalize(image(features[index] * kept / (1 - config.dropout)), dim=1)
            drawn = torch.stack([c[torch.randint(len(c), (1,), generator=draw)[0]] for c in choices])
            logits = vectors @ F.normalize(text(sentences[drawn]), dim=1).T
            labels = target[index]
            shown = labels >= 0
            truth = F.one_hot(labels.clamp(min=0), len(classes)).float() * shown[:, None]
            loss = F.binary_cross_entropy_with_logits(scales[1].exp() * logits + offset, truth, reduction="none")
            loss = loss.sum(dim=1).mean()
            if shown.any():
                loss = loss + F.cross_entropy(scales[0].exp() * logits[shown], labels[shown])
            words = nouns[int(torch.randint(len(nouns), (1,), generator=draw))]
            guess = scales[2].exp() * vectors @ F.normalize(text(words), dim=1).T
            loss = loss + config.distillation * F.kl_div(
                F.log_softmax(guess, dim=1), likelihood[index], reduction="batchmean"
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return Head(
        image_weight=image.weight.detach().numpy(),
        image_bias=image.bias.detach().numpy(),
        text_weight=text.weight.detach().numpy(),
        text_bias=text.bias.detach().numpy(),
        conse_names=prompts.nouns,
        conse_share=config.conse_share,
    )


def _classifier_likelihood(views: Views, backbone: Backbone) -> torch.Tensor:
    """float32 (N, K): the probabilities that the ImageNet classifier gives every view."""
    weight, bias = backbone.classifier
    logits = torch.from_numpy(views.features) @ torch.from_numpy(weight).T
    return F.softmax(logits + torch.from_numpy(bias), dim=1)


def _linear(inputs: int, draw: torch.Generator) -> torch.nn.Linear:
    layer = torch.nn.Linear(inputs, _DIMENSION)
    with torch.no_grad():
        bound = inputs**-0.5
        layer.weight.copy_((torch.rand(layer.weight.shape, generator=draw) * 2 - 1) * bound)
        layer.bias.zero_()
    return layer
