"""The fusion transformer: many vectors of windows and one of the whole frame become one vector of the same space.

Source: DetailCLIP, section 3.4.1: three encoder and three decoder layers, the windows as source, the whole frame as
target.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # the name everyone knows it by

from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class FusionShape:
    """dimension: of the vectors. width: of the transformer, which a linear map leads into and out of (the paper's is
    the dimension itself: nine times the work at 768). heads divide the width. hidden: of the feed-forward parts.
    layers: of the encoder, and as many of the decoder."""

    dimension: int
    width: int
    heads: int
    hidden: int
    layers: int = 3

    def __post_init__(self) -> None:
        if min(self.dimension, self.width, self.heads, self.hidden, self.layers) < 1:
            raise InvalidValueError(f"every size of a fusion transformer must be at least 1, got {self}")
        if self.width % self.heads:
            raise InvalidValueError(f"heads must divide the width, got {self.heads} and {self.width}")


class Fusion(torch.nn.Module):
    """windows (N, P, D) and whole (N, D), float32 and L2-normalised → float32 (N, D), L2-normalised.

    The order of the windows does not matter. What the transformer gives is added to the vector of the whole frame.
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

    def start_from(self, windows: torch.Tensor, texts: torch.Tensor) -> None:
        """Lets training begin in the subspace where the texts (T, D) and some windows (N, D) lie: the maps into and out
        of the transformer become its principal axes. From random maps, 24 epochs on 200 pictures closed 18 % of the gap
        to multi-vector search."""
        some = windows[:: max(1, len(windows) // 4096)]
        # texts weigh three times as much: they are few, and what is asked for
        axes = torch.linalg.svd(torch.cat([3 * texts, some]).double(), full_matrices=False).Vh[: self.shape.width]
        with torch.no_grad():
            self.into.weight[: len(axes)] = axes.float()
            self.out.weight[:, : len(axes)] = axes.float().T / self.shape.dimension**0.5
            torch.nn.init.zeros_(self.into.bias)
            torch.nn.init.zeros_(self.out.bias)

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
        added: torch.Tensor = self.out(fused[:, 0])
        return F.normalize(whole + added, dim=-1)
