"""The fusion transformer: fuses the vectors of the windows and of the whole frame into one vector of the same space.

Source: DetailCLIP, section 3.4.1: three encoder and three decoder layers, with the windows as source and the whole
frame as target. The query proxies with which training begins are our addition: without them, training on a thousand
generated pictures closed the whole gap to multi-vector search (mAP@50) on these pictures, but only 76 % of it on
pictures of other objects.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # the name everyone knows it by

from operators.detailclip.proxies import QueryProxies
from schemas import require
from schemas.errors import InvalidValueError

_AT_ONCE = 64  # pictures at a time, whose cosines with some thousands of names take some hundred megabytes


@dataclass(frozen=True, slots=True)
class FusionShape:
    """The sizes of the fusion transformer.

    dimension: dimension of the vectors. proxies: number of names of the query proxies.
    width: width of the transformer; linear maps lead into and out of it. In the paper, it equals the dimension, which
        takes nine times the work at 768.
    heads: number of attention heads; it must divide the width. hidden: width of the feed-forward layers.
    layers: number of encoder layers, and also of decoder layers.
    """

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
    """Fuses windows (N, P, D) and whole (N, D), float32 and L2-normalised, into float32 (N, D), L2-normalised.

    The outputs of the query proxies and of the transformer are added to the mean of the windows. The order of the
    windows does not matter.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.shape = shape
        self.into = torch.nn.Linear(shape.dimension, shape.width)
        self.transformer = torch.nn.Transformer(
            d_model=shape.width,
            nhead=shape.heads,
            # not made by Transformer, which would enable nested tensors that this order of norms does not support
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
        """Initialises the weights for training: at first, only the query proxies contribute.

        The mean output of the proxies over the pictures is subtracted, as it does not distinguish one picture from
        another. The map into the transformer is set to the principal axes of the subspace of texts and windows.

        windows: (N, P, D). texts: (K, D), the vectors of the names. present: bool (N, P). ridge: see `QueryProxies`.
        """
        there = windows[present]
        some = there[:: max(1, len(there) // 4096)]
        # texts have three times the weight: they are few, and they are what queries consist of
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
        """The fused vectors. present: bool (N, P), False for windows that a picture lacks; None if none is missing."""
        # unit vectors of many dimensions have small entries; scaled, each is about 1, as the layers expect
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
    """(N, D): the mean of the windows (N, P, D) that are present."""
    if present is None:
        return windows.mean(dim=1)
    weight = present.to(windows.dtype)[..., None]
    return (windows * weight).sum(dim=1) / weight.sum(dim=1)
