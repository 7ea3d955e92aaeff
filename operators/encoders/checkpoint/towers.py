"""Image towers of `transformers` models and of CLIP's ResNets: a global vector, and features of every patch in the same
space.

Each family pools its patches by its own method. The vector of one patch is what the pooling would give for that patch
alone (Cluster-CLIP's dense vectors). Features are linear up to that point, so they can be averaged over a box.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from operators.encoders.checkpoint.clip_resnet import CELL_PX, ClipResNet


class Tower(Protocol):
    """patch_px: side of a patch. dimension: D of the vectors."""

    patch_px: int
    dimension: int

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        """pixels: (N, 3, H, W), sides multiples of patch_px. Returns (N, D), the model's own global vectors."""
        ...

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns (N, rows, cols, C): features of every patch, which can be averaged before `project`."""
        ...

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """(M, C) → (M, D), not normalised."""
        ...


class ClipTower:
    """CLIP and MetaCLIP 2 ViTs.

    A patch's feature is the value path of the last block in place of its attention, without residual and MLP (MaskCLIP:
    Zhou et al., "Extract Free Dense Labels from CLIP", ECCV 2022).
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._vision = model.vision_model
        self._last = self._vision.encoder.layers[-1]
        self.patch_px = int(model.config.vision_config.patch_size)
        self.dimension = int(model.config.projection_dim)

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._model.get_image_features(
            pixel_values=pixels, interpolate_pos_encoding=_other_size(pixels, self._vision.config)
        ).pooler_output
        return vectors

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        entering = _input_of(
            self._last,
            lambda: self._vision(pixels, interpolate_pos_encoding=_other_size(pixels, self._vision.config)),
        )
        attention = self._last.self_attn
        patches = self._last.layer_norm1(entering)[:, 1:]
        return _grid(attention.out_proj(attention.v_proj(patches)), pixels, self.patch_px)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._model.visual_projection(self._vision.post_layernorm(features))
        return vectors


class _AttentionPool:
    """The pooling head of SigLIP and SigLIP2, applied to one patch that receives all of its attention."""

    def __init__(self, head: Any) -> None:
        self._head = head

    def values(self, hidden: torch.Tensor) -> torch.Tensor:
        """(…, C) → (…, C): value and output projection, linear."""
        attention = self._head.attention
        width = attention.embed_dim
        weight, bias = attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
        values: torch.Tensor = attention.out_proj(F.linear(hidden, weight, bias))
        return values

    def project(self, features: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = features + self._head.mlp(self._head.layernorm(features))
        return vectors


class SiglipTower:
    """SigLIP, and SigLIP2 with a fixed input size."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._vision = model.vision_model
        self._pool = _AttentionPool(self._vision.head)
        self.patch_px = int(model.config.vision_config.patch_size)
        self.dimension = int(model.config.vision_config.hidden_size)

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._vision(
            pixels, interpolate_pos_encoding=_other_size(pixels, self._vision.config)
        ).pooler_output
        return vectors

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self._vision(
            pixels, interpolate_pos_encoding=_other_size(pixels, self._vision.config)
        ).last_hidden_state
        return _grid(self._pool.values(hidden), pixels, self.patch_px)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        return self._pool.project(features)


class NaFlexTower:
    """SigLIP2 for pictures of any shape (NaFlex): patches with positions, embedded by a linear layer."""

    def __init__(self, model: Any) -> None:
        self._vision = model.vision_model
        self._pool = _AttentionPool(self._vision.head)
        self.patch_px = int(model.config.vision_config.patch_size)
        self.dimension = int(model.config.vision_config.hidden_size)

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._run(pixels).pooler_output
        return vectors

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        return _grid(self._pool.values(self._run(pixels).last_hidden_state), pixels, self.patch_px)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        return self._pool.project(features)

    def _run(self, pixels: torch.Tensor) -> Any:
        count, channels, height, width = pixels.shape
        side = self.patch_px
        rows, cols = height // side, width // side
        patches = pixels.reshape(count, channels, rows, side, cols, side).permute(0, 2, 4, 3, 5, 1)
        return self._vision(
            pixel_values=patches.reshape(count, rows * cols, side * side * channels),
            pixel_attention_mask=torch.ones((count, rows * cols), dtype=torch.int32, device=pixels.device),
            spatial_shapes=torch.tensor([[rows, cols]] * count, device=pixels.device),
        )


class ClipResNetTower:
    """CLIP's ResNets.

    A cell's feature is what the attention pool would give for that cell alone: its value and output projections
    (Cluster-CLIP), with the cell's position embedding. It is already in the space of the vectors.
    """

    def __init__(self, model: ClipResNet) -> None:
        self._model = model
        self.patch_px = CELL_PX
        self.dimension = model.attnpool.c_proj.out_features

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._model(pixels)
        return vectors

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._model.attnpool.alone(self._model.last_layer(pixels))

    def project(self, features: torch.Tensor) -> torch.Tensor:
        return features


class DinoTower:
    """DINOv2 (with or without registers) and DINOv3 ViTs: the vector of the class token, whose space patches share."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._extra = 1 + int(getattr(model.config, "num_register_tokens", 0) or 0)
        self.patch_px = int(model.config.patch_size)
        self.dimension = int(model.config.hidden_size)

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._model(pixel_values=pixels).pooler_output
        return vectors

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self._model(pixel_values=pixels).last_hidden_state
        return _grid(hidden[:, self._extra :], pixels, self.patch_px)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        return features


class IJepaTower:
    """I-JEPA, which has no global token.

    Its global vector is the mean of the patches weighted by their saliency, the magnitude of a Laplacian over the patch
    grid (RIS).
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.patch_px = int(model.config.patch_size)
        self.dimension = int(model.config.hidden_size)

    def whole(self, pixels: torch.Tensor) -> torch.Tensor:
        return saliency_mean(self.cells(pixels))

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self._model(
            pixel_values=pixels, interpolate_pos_encoding=_other_size(pixels, self._model.config)
        ).last_hidden_state
        return _grid(hidden, pixels, self.patch_px)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        return features


def saliency_mean(cells: torch.Tensor) -> torch.Tensor:
    """(N, rows, cols, C) → (N, C): mean of the cells, weighted by the length of the grid's Laplacian at each.

    Beyond the border the outermost cells are repeated. If all cells are equal, their weights are equal.
    """
    padded = F.pad(cells.permute(0, 3, 1, 2), (1, 1, 1, 1), mode="replicate")
    around = padded[:, :, :-2, 1:-1] + padded[:, :, 2:, 1:-1] + padded[:, :, 1:-1, :-2] + padded[:, :, 1:-1, 2:]
    weight = (4 * padded[:, :, 1:-1, 1:-1] - around).norm(dim=1) + 1e-12
    weight = weight / weight.sum(dim=(1, 2), keepdim=True)
    return torch.einsum("nrc,nrcd->nd", weight, cells)


def _grid(patches: torch.Tensor, pixels: torch.Tensor, patch_px: int) -> torch.Tensor:
    """(N, rows·cols, C) → (N, rows, cols, C)."""
    return patches.reshape(len(patches), pixels.shape[2] // patch_px, pixels.shape[3] // patch_px, -1)


def _other_size(pixels: torch.Tensor, config: Any) -> bool:
    """Whether positions must be interpolated; at the trained size the model's own positions are used, bit for bit."""
    return tuple(pixels.shape[2:]) != (config.image_size, config.image_size)


def _input_of(layer: torch.nn.Module, run: Any) -> torch.Tensor:
    """The input of `layer` while `run()` runs."""
    caught: list[torch.Tensor] = []

    def catch(_module: torch.nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, torch.Tensor]) -> None:
        caught.append(args[0] if args else kwargs["hidden_states"])

    handle = layer.register_forward_pre_hook(catch, with_kwargs=True)
    try:
        run()
    finally:
        handle.remove()
    return caught[0]
