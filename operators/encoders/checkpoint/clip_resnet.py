"""The image tower of CLIP's ResNets (RN50 … RN50x64), which `transformers` does not have.

A ResNet with three changes (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
2021, section 2.4): a stem of three convolutions; strides that are averages, so that nothing aliases; and, in place of
the final average, one attention whose query is the mean of the cells. Modules are named as in OpenAI's weights.

Compared with open_clip 3.3.0 on random weights of RN50, RN101 and RN50x4, global vectors differ by at most 7e-7 where
their largest entry is 1: only the mean is a query here, whereas every cell is one there.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import nn

CELL_PX = 32  # one cell of the last layer covers so many pixels of the input
_EXPANSION = 4  # output channels of a block for each inner one


class ClipResNet(nn.Module):
    """A ResNet with an attention pool.

    blocks: number of blocks in each of the four layers. width: channels after the stem; the last layer has 32 times as
        many. heads: number of heads of the attention pool. side_px: side of the square input that it was trained on.
    dimension: D of its vectors.
    """

    def __init__(self, *, blocks: Sequence[int], width: int, heads: int, side_px: int, dimension: int) -> None:
        super().__init__()
        self.side_px = side_px
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        first, second, third, fourth = blocks
        self.layer1 = _layer(width, width, blocks=first, stride=1)
        self.layer2 = _layer(width * 4, width * 2, blocks=second, stride=2)
        self.layer3 = _layer(width * 8, width * 4, blocks=third, stride=2)
        self.layer4 = _layer(width * 16, width * 8, blocks=fourth, stride=2)
        self.attnpool = AttentionPool(
            cells=(side_px // CELL_PX) ** 2, width=width * 32, heads=heads, dimension=dimension
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """pixels: (N, 3, H, W), sides multiples of 32. Returns (N, D)."""
        vectors: torch.Tensor = self.attnpool(self.last_layer(pixels))
        return vectors

    def last_layer(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns (N, C, H/32, W/32), the input of the attention pool."""
        x = F.relu(self.bn1(self.conv1(pixels)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.avg_pool2d(F.relu(self.bn3(self.conv3(x))), 2)
        cells: torch.Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return cells


class Bottleneck(nn.Module):
    """A block whose convolutions all have stride 1; if the block has a stride, an average precedes the last one."""

    def __init__(self, inputs: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * _EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * _EXPANSION)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or inputs != channels * _EXPANSION:
            # OpenAI's weights name the average "-1", so the convolution is "0"
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, channels * _EXPANSION, 1, bias=False), nn.BatchNorm2d(channels * _EXPANSION)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(self._averaged(out)))
        if self.downsample is not None:
            x = self.downsample(self._averaged(x))
        return F.relu(out + x)

    def _averaged(self, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x


class AttentionPool(nn.Module):
    """Attention over the cells and their mean; the output for the mean is the picture's vector."""

    def __init__(self, *, cells: int, width: int, heads: int, dimension: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(cells + 1, width))  # the mean, then the cells row by row
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, dimension)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """cells: (N, C, rows, cols). Returns (N, D)."""
        rows, cols = cells.shape[2:]
        x = cells.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(dim=0, keepdim=True), x])
        x = x + self.positions(rows=rows, cols=cols)[:, None]
        vectors, _ = F.multi_head_attention_forward(
            query=x[:1],  # the outputs for the cells are not needed
            key=x,
            value=x,
            embed_dim_to_check=x.shape[2],
            num_heads=self.heads,
            in_proj_weight=None,
            in_proj_bias=torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.c_proj.weight,
            out_proj_bias=self.c_proj.bias,
            training=False,
            need_weights=False,
            use_separate_proj_weight=True,
            q_proj_weight=self.q_proj.weight,
            k_proj_weight=self.k_proj.weight,
            v_proj_weight=self.v_proj.weight,
        )
        return vectors[0]

    def alone(self, cells: torch.Tensor) -> torch.Tensor:
        """The output of the pool if all attention were on one cell, for every cell.

        cells: (N, C, rows, cols). Returns (N, rows, cols, D). This is linear; with uniform attention the picture's
        vector is the mean of these.
        """
        rows, cols = cells.shape[2:]
        x = cells.permute(0, 2, 3, 1) + self.positions(rows=rows, cols=cols)[1:].view(rows, cols, -1)
        vectors: torch.Tensor = self.c_proj(self.v_proj(x))
        return vectors

    def positions(self, *, rows: int, cols: int) -> torch.Tensor:
        """(1 + rows·cols, C): the trained positions, interpolated for another grid; that of the mean is unchanged."""
        trained = self.positional_embedding
        side = round((len(trained) - 1) ** 0.5)
        if (rows, cols) == (side, side):
            return trained
        grid = trained[1:].view(1, side, side, -1).permute(0, 3, 1, 2)
        # in float32 and without antialiasing, as transformers does for ViTs
        grid = F.interpolate(grid.float(), (rows, cols), mode="bicubic", align_corners=False).to(trained.dtype)
        return torch.cat([trained[:1], grid.flatten(2)[0].T])


def _layer(inputs: int, channels: int, *, blocks: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(channels * _EXPANSION, channels, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(inputs, channels, stride=stride), *rest)
