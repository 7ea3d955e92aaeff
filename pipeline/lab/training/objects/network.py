"""The head of objects as a network that learns; `operators/proposals/objects/graph.py` draws the same one."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from operators.proposals.objects.head import (
    COARSE,
    CONVOLUTIONS,
    FINE,
    GROUPS,
    NORM_EPSILON,
    STRIDES,
    WIDTHS,
)
from schemas.vectors import VectorArray

_RARE = 0.01  # the score of every cell before training


class ObjectNetwork(torch.nn.Module):
    """See `graph.py` for what it computes. mean, deviation: float32 (C,) of every level's channels."""

    def __init__(self, statistics: list[tuple[VectorArray, VectorArray]]) -> None:
        super().__init__()
        for place, (mean, deviation) in enumerate(statistics):
            self.register_buffer(f"mean{place}", torch.from_numpy(mean))
            self.register_buffer(f"deviation{place}", torch.from_numpy(deviation))
        self.lateral = torch.nn.ModuleList(
            torch.nn.Linear(width, out) for width, out in zip(WIDTHS, (FINE, COARSE, COARSE), strict=True)
        )
        self.narrow = torch.nn.Conv2d(COARSE, FINE, 1)
        self.towers = torch.nn.ModuleDict({"fine": _tower(FINE), "coarse": _tower(COARSE)})
        self.outputs = torch.nn.ModuleDict({name: _output(w) for name, w in (("fine", FINE), ("coarse", COARSE))})
        self.scales = torch.nn.Parameter(torch.ones(len(STRIDES)))

    def forward(self, levels: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """levels: float32 (N, H / stride, W / stride, C) each. Returns logits (N, cells), and the distances of each
        cell's centre to the sides of its box in pixels of the pass, left, top, right, bottom, (N, cells, 4)."""
        fine, middle, coarse = (
            lateral((level - getattr(self, f"mean{place}")) / getattr(self, f"deviation{place}")).permute(0, 3, 1, 2)
            for place, (lateral, level) in enumerate(zip(self.lateral, levels, strict=True))
        )
        middle = middle + F.interpolate(coarse, scale_factor=2, mode="nearest")
        fine = fine + F.interpolate(self.narrow(middle), scale_factor=2, mode="nearest")
        logits, sides = [], []
        for place, x in enumerate((fine, middle, coarse)):
            name = "coarse" if place else "fine"
            y = self.outputs[name](self.towers[name](x)).flatten(2).transpose(1, 2)
            logits.append(y[..., 0])
            sides.append(F.softplus(y[..., 1:] * self.scales[place] + 1) * STRIDES[place])
        return torch.cat(logits, dim=1), torch.cat(sides, dim=1)

    def arrays(self) -> dict[str, VectorArray]:
        """The weights as `draw_objects` takes them: statistics of the channels are folded into the first layers."""
        found = {name: value.detach().numpy().copy() for name, value in self.named_parameters()}
        for place in range(len(STRIDES)):
            mean, deviation = (getattr(self, f"{name}{place}").numpy() for name in ("mean", "deviation"))
            weight = found[f"lateral.{place}.weight"] / deviation
            found[f"lateral.{place}.weight"] = weight.astype(np.float32)
            found[f"lateral.{place}.bias"] = (found[f"lateral.{place}.bias"] - weight @ mean).astype(np.float32)
        return found


def _tower(width: int) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for _ in range(CONVOLUTIONS):
        layers += [
            torch.nn.Conv2d(width, width, 3, padding=1),
            torch.nn.GroupNorm(GROUPS, width, eps=NORM_EPSILON),
            torch.nn.ReLU(),
        ]
    return torch.nn.Sequential(*layers)


def _output(width: int) -> torch.nn.Conv2d:
    layer = torch.nn.Conv2d(width, 5, 3, padding=1)
    torch.nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    with torch.no_grad():
        layer.bias.zero_()
        layer.bias[0] = np.log(_RARE / (1 - _RARE))
    return layer
