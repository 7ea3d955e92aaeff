"""The fusion transformer: many vectors of windows and one of the whole frame become one vector of the same space.

Source: DetailCLIP, section 3.4.1: three encoder and three decoder layers, the windows as source, the whole frame as
target. The query proxies that it begins with are ours: without them, a thousand generated pictures taught it to
close all of the gap to multi-vector search on themselves (mAP@50), and 76 % of it on pictures of other objects.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # the name everyone knows it by

from operators.detailclip.proxies import QueryProxies
from schemas import require
from schemas.errors import InvalidValueError

_AT_ONCE = 64  # pictures: their cosines with some thousands of names are still some hundred megabytes


@dataclass(frozen=True, slots=True)
class FusionShape:
    """dimension: of the vectors. proxies: names that it is asked for. width: of the transformer, which a linear map
    leads into and out of (the paper's is the dimension itself: nine times the work at 768). heads divide the width.
    hidden: of the feed-forward parts. layers: of the encoder, and as many of the decoder."""

    dimension: int
    proxies: int
    width: int
    heads: int
    hidden: int
    layers: int = 3

    def __post_init__(self) -> None:
        require.at_least(1, dimension=self.dimension, proxies=self.proxies, width=self.width)
        require.at_least(1, heads=self.heads, hidden=self.hidden, layers=self.layers)
        if self.width % self.heads:
            raise InvalidValueError(f"heads must divide the width, got {self.heads} and {self.width}")


class Fusion(torch.nn.Module):
    """windows (N, P, D) and whole (N, D), float32 and L2-normalised → float32 (N, D), L2-normalised.

    The order of the windows does not matter. What the query proxies find and what the transformer gives are added to
    the mean of the windows.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.shape = shape
        self.into = torch.nn.Linear(shape.dimension, shape.width)
        self.transformer = torch.nn.Transformer(
            d_model=shape.width,
            nhead=shape.heads,
            # made here rather than by Transformer, which asks for nested tensors that this order of norms cannot use
            custom_encoder=torch.nn.TransformerEncoder(
                torch.nn.TransformerEncoderLayer(
                    shape.width, shape.heads, shape.hidden, dropout=0.0, batch_first=True, norm_first=True
                ),
                shape.layers,
                torch.nn.LayerNorm(shape.width),
                enable_nested_tensor=False,
            ),
            custom_decoder=torch.nn.TransformerDecoder(
                torch.nn.TransformerDecoderLayer(
                    shape.width, shape.heads, shape.hidden, dropout=0.0, batch_first=True, norm_first=True
                ),
                shape.layers,
                torch.nn.LayerNorm(shape.width),
            ),
            batch_first=True,
        )
        self.out = torch.nn.Linear(shape.width, shape.dimension)
        self.proxies = QueryProxies(shape.proxies, shape.dimension)

    @torch.no_grad()
    def start_from(self, windows: torch.Tensor, texts: torch.Tensor, *, present: torch.Tensor, ridge: float) -> None:
        """Training begins with what the proxies find alone, less what they find on an average picture, which tells no
        picture from another. windows: (N, P, D); texts: (K, D), the names; present: bool (N, P); ridge: of the proxies.

        The map into the transformer becomes the principal axes of the subspace where texts and windows lie.
        """
        there = windows[present]
        some = there[:: max(1, len(there) // 4096)]
        # texts weigh three times as much: they are few, and what is asked for
        axes = torch.linalg.svd(torch.cat([3 * texts, some]).double(), full_matrices=False).Vh[: self.shape.width]
        self.into.weight[: len(axes)] = axes.float()
        torch.nn.init.zeros_(self.into.bias)
        self.proxies.start_from(texts, ridge=ridge)
        usual = torch.zeros(self.shape.dimension)
        for w, p in zip(torch.split(windows, _AT_ONCE), torch.split(present, _AT_ONCE), strict=True):
            usual += self.proxies(w, mean_window(w, p), p).sum(dim=0)
        torch.nn.init.zeros_(self.out.weight)
        self.out.bias.copy_(-usual / len(windows))

    def forward(self, windows: torch.Tensor, whole: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """present: bool (N, P), False where a picture has fewer windows than others; by default all are there."""
        # unit vectors of many dimensions have small entries: at this scale each is about 1, as the layers expect
        scale = self.shape.dimension**0.5
        absent = None if present is None else ~present
        fused = self.transformer(
            self.into(windows * scale),
            self.into(whole[:, None] * scale),
            src_key_padding_mask=absent,
            memory_key_padding_mask=absent,
        )
        base = mean_window(windows, present)
        added: torch.Tensor = self.proxies(windows, base, present) + self.out(fused[:, 0])
        return F.normalize(base + added, dim=-1)


def mean_window(windows: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """(N, D): of the windows (N, P, D) that are there."""
    if present is None:
        return windows.mean(dim=1)
    weight = present.to(windows.dtype)[..., None]
    return (windows * weight).sum(dim=1) / weight.sum(dim=1)
