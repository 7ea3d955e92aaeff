"""One interface to the promptable segmenters in `transformers`: SAM, SAM 2, SAM 3's tracker and EdgeTAM."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # the name everyone knows it by
from numpy.typing import NDArray

from operators.checkpoints.loading import device_and_dtype, load_weights
from operators.checkpoints.model_errors import describing_model_errors
from operators.encoders.checkpoint.pixels import PixelConfig, Pixels
from operators.masks.mask_logits import MaskMeasures, measure
from operators.masks.rle import encode_masks
from operators.masks.segmenter_files import find_segmenter
from operators.runtime.batches import Batches
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray
from schemas.masks import Mask

PointArray = NDArray[np.float32]
T = TypeVar("T")

_UPSCALED_PX = {"cuda": 1 << 26, "cpu": 1 << 22}  # pixels that are upscaled at a time: 256 and 16 MB of float32
# small batches fit into a CPU's caches: SAM 2.1 tiny takes 1.5 s for 16 prompts, 2 at a time, and 3.3 s all at once
CPU_PROMPTS = 2
CPU_FRAMES = 1


@dataclass(frozen=True, slots=True)
class SegmenterConfig:
    """Which segmenter is loaded, and the sizes of its batches.

    model: a folder or a hub id.
    frames_per_batch: number of frames that pass through the image encoder at once.
    prompts_per_batch: number of prompts that pass through the mask decoder at once; each takes about 60 MB at the
        decoder's full size.

    Both batches are small on a CPU, and are halved whenever the device runs out of memory. They affect only the last
    bits of the logits.
    """

    model: str
    frames_per_batch: int = 4
    prompts_per_batch: int = 64

    def __post_init__(self) -> None:
        require.at_least(1, frames_per_batch=self.frames_per_batch, prompts_per_batch=self.prompts_per_batch)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The image encoder's output for N frames, on the device; prompts are answered from it alone.

    levels: feature maps (N, C, h, w), the finest first. sizes: (height, width) of each frame in pixels.
    """

    levels: tuple[torch.Tensor, ...]
    sizes: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True, slots=True, eq=False)
class PromptedMasks:
    """The masks for K prompts: M for each, of increasing extent (a part, the thing, the whole).

    frame, prompt: intp (K,), indices of the frame and of the prompt among those of the frame.
    logits: float32 (K, M, h, w) on the device, at the decoder's own size; values above 0 are the region.
    predicted_iou: float32 (K, M) on the device, the model's prediction of each mask's IoU with the true mask.
    """

    frame: NDArray[np.intp]
    prompt: NDArray[np.intp]
    logits: torch.Tensor
    predicted_iou: torch.Tensor


class Segmenter:
    """Embeds frames once, then makes masks for points and boxes, in batches over prompts and frames together.

    On the CPU everything is float32, and equal to the model's own forward pass. On a GPU the weights stay float32, the
    image encoder and the mask decoder compute in bfloat16 (autocast), and prompts are encoded in float32: in bfloat16,
    a point of a 1024 px input would be up to 4 px off.
    """

    def __init__(
        self, model: Any, pixels: Pixels, config: SegmenterConfig, *, kind: str, padded: bool, dtype: torch.dtype
    ) -> None:
        """model: a model of `transformers`, in float32 on its device. dtype: the type in which it computes."""
        self.config = config
        self.kind = kind
        self._model = model
        self._pixels = pixels
        self._padded = padded
        self._dtype = dtype
        self._device = next(model.parameters()).device
        self._positions = model.get_image_wide_positional_embeddings().detach()

    @property
    def side_px(self) -> int:
        """Side of the model's square input."""
        return self._pixels.config.side_px

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> Embedding:
        """Runs the image encoder. images: uint8 (H, W, 3) RGB, of any sizes."""

        def run(rows: slice) -> tuple[torch.Tensor, ...]:
            pixels = self.pixel_values(images[rows])
            with self._autocast():
                levels = self._model.get_image_embeddings(pixels)
            return tuple(level.to(self._dtype) for level in ([levels] if self._padded else levels))

        batches = list(
            _halving(len(images), self.config.frames_per_batch, run, device=self._device, what=self.config.model)
        )
        sizes = tuple((image.shape[0], image.shape[1]) for image in images)
        return Embedding(tuple(torch.cat(level) for level in zip(*batches, strict=True)), sizes)

    def pixel_values(self, images: Sequence[ImageArray]) -> torch.Tensor:
        """float32 (N, 3, side_px, side_px): the images, resized and normalised on the device.

        They differ from the output of the checkpoint's own processor by at most 2 levels of 255: see `Pixels`.
        """
        frames = self._pixels.frames(images)
        cuts = frames.whole()
        if not self._padded:
            return self._pixels.stretched(frames, cuts, height_px=self.side_px, width_px=self.side_px)
        out = torch.zeros((len(images), 3, self.side_px, self.side_px), device=self._device)
        for i, image in enumerate(images):
            rows, cols = self._extent(image.shape[0], image.shape[1])
            out[i, :, :rows, :cols] = self._pixels.stretched(frames, cuts[i : i + 1], height_px=rows, width_px=cols)[0]
        return out

    def masks_at_points(self, frames: Embedding, points: Sequence[PointArray]) -> Iterator[PromptedMasks]:
        """Masks for points inside the wanted regions, one prompt for each point.

        points: for each frame float32 (P, 2), x and y as shares of the frame; P may differ between frames. Yields
        the masks in batches, in the order of frames and points.
        """
        frame, prompt = _numbered(frames, [len(p) for p in points])
        flat = _flat(points, 2)

        def run(rows: slice) -> PromptedMasks:
            at = self._input_px(frames, frame[rows], flat[rows])[:, None, None]
            labels = torch.ones(at.shape[:3], dtype=torch.int32, device=self._device)
            return self._decode(frames, frame[rows], prompt[rows], input_points=at, input_labels=labels)

        return _halving(len(flat), self.config.prompts_per_batch, run, device=self._device, what=self.config.model)

    def masks_in_boxes(self, frames: Embedding, boxes: Sequence[Boxes]) -> Iterator[PromptedMasks]:
        """Masks for boxes, one prompt for each box; as `masks_at_points`. boxes: the boxes in each frame."""
        frame, prompt = _numbered(frames, [len(b) for b in boxes])
        flat = _flat([b.xyxy for b in boxes], 4)

        def run(rows: slice) -> PromptedMasks:
            corners = flat[rows].reshape(-1, 2)
            around = self._input_px(frames, frame[rows].repeat(2), corners).view(-1, 1, 4)
            return self._decode(frames, frame[rows], prompt[rows], input_boxes=around)

        return _halving(len(flat), self.config.prompts_per_batch, run, device=self._device, what=self.config.model)

    @torch.inference_mode()
    def full_size(self, logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Logits scaled to the size of their frame, as by the checkpoint's own post-processing.

        logits: float32 (K, h, w). size: (height, width) of the frame in pixels. Returns float32 (K, height, width).
        """
        planes = logits[:, None].float()
        if self._padded:
            side, (rows, cols) = self.side_px, self._extent(*size)
            planes = F.interpolate(planes, (side, side), mode="bilinear", align_corners=False)[..., :rows, :cols]
        return F.interpolate(planes, size, mode="bilinear", align_corners=False)[:, 0]

    @torch.inference_mode()
    def measures(self, logits: torch.Tensor, size: tuple[int, int], *, offset: float) -> MaskMeasures:
        """Stability, area and box of masks of one frame, at its size. logits, size: as in `full_size`."""
        parts = list(self._upscaled(logits, size, lambda full: measure(full, offset=offset)))
        none = np.zeros(0, np.int64)
        return MaskMeasures(
            np.concatenate([np.zeros(0, np.float32), *(p.stability for p in parts)]),
            np.concatenate([none, *(p.area_px for p in parts)]),
            np.concatenate([none.reshape(0, 4), *(p.boxes_px for p in parts)]),
        )

    @torch.inference_mode()
    def encode(self, logits: torch.Tensor, size: tuple[int, int]) -> list[Mask]:
        """Run-length encodes masks of one frame, at its size. logits, size: as in `full_size`."""
        parts = self._upscaled(logits, size, lambda full: encode_masks((full > 0).cpu().numpy()))
        return [mask for part in parts for mask in part]

    def close(self) -> None:
        """Frees the device's memory."""
        del self._model, self._positions, self._pixels
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _upscaled(self, logits: torch.Tensor, size: tuple[int, int], use: Callable[[torch.Tensor], T]) -> Iterator[T]:
        largest = max(size[0] * size[1], self.side_px**2 if self._padded else 0)
        batch = max(1, _UPSCALED_PX[self._device.type] // largest)
        return _halving(
            len(logits),
            batch,
            lambda rows: use(self.full_size(logits[rows], size)),
            device=self._device,
            what=self.config.model,
        )

    @torch.inference_mode()
    def _decode(
        self, frames: Embedding, frame: NDArray[np.intp], prompt: NDArray[np.intp], **prompts: torch.Tensor
    ) -> PromptedMasks:
        """Runs the mask decoder, to which each prompt is passed as a separate picture.

        The decoder repeats the frame for every prompt anyway. In this form, prompts of several frames, in any numbers,
        share a batch.
        """
        sparse, dense = self._model.get_prompt_embeddings(**prompts)
        index = torch.from_numpy(frame).to(self._device)
        levels = [level[index] for level in frames.levels]
        finer = {} if self._padded else {"high_resolution_features": levels[:-1]}
        with self._autocast():
            logits, predicted_iou, *_ = self._model.mask_decoder(
                image_embeddings=levels[-1],
                image_positional_embeddings=self._positions.expand(len(index), -1, -1, -1),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
                **finer,
            )
        return PromptedMasks(frame, prompt, logits[:, 0].float(), predicted_iou[:, 0].float())

    def _input_px(self, frames: Embedding, frame: NDArray[np.intp], points: PointArray) -> torch.Tensor:
        """Shares of the frame → float32 (K, 2): pixels of the model's input, on the device."""
        extents = np.array([self._extent(*size)[::-1] for size in frames.sizes], np.float32)
        return torch.from_numpy(points * extents[frame]).to(self._device)

    def _extent(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Number of rows and columns of the input that a frame fills."""
        if not self._padded:
            return self.side_px, self.side_px
        scale = self.side_px / max(height_px, width_px)
        return max(1, int(height_px * scale + 0.5)), max(1, int(width_px * scale + 0.5))

    def _autocast(self) -> AbstractContextManager[object]:
        if self._dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self._dtype)


def load_segmenter(name: str, *, frames_per_batch: int = 4, prompts_per_batch: int = 64) -> Segmenter:
    """Loads a segmenter. name: a folder or a hub id. Raises ModelError with the reason if it cannot be loaded."""
    import transformers

    config = SegmenterConfig(name, frames_per_batch, prompts_per_batch)
    folder, family = find_segmenter(name)
    device, dtype = device_and_dtype()
    if device.type == "cpu":
        config = SegmenterConfig(name, min(frames_per_batch, CPU_FRAMES), min(prompts_per_batch, CPU_PROMPTS))
    settings = pixel_settings(folder, name=name)  # first, as errors must not wait for gigabytes of weights
    model = load_weights(getattr(transformers, family.architecture), folder, name=name, dtype=torch.float32)
    prepared = PixelConfig.of(settings, side_px=int(model.prompt_encoder.input_image_size))
    pixels = Pixels(prepared, device=device, dtype=torch.float32)
    return Segmenter(model.to(device), pixels, config, kind=family.kind, padded=family.padded, dtype=dtype)


def pixel_settings(folder: Path, *, name: str) -> dict[str, Any]:
    """Settings of the image processor of the checkpoint in `folder`. Raises ModelError if there are none."""
    from transformers.image_processing_base import ImageProcessingMixin

    with describing_model_errors(name, "its image processor"):
        # only the settings are read, as the processors themselves need torchvision
        settings, _ = ImageProcessingMixin.get_image_processor_dict(folder, local_files_only=True)
    return dict(settings)


def _numbered(frames: Embedding, counts: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if len(counts) != len(frames):
        raise InvalidValueError(f"each frame needs its prompts: got {len(counts)} sets for {len(frames)} frames")
    frame = np.repeat(np.arange(len(counts)), counts)
    return frame, np.concatenate([np.zeros(0, np.intp), *(np.arange(n) for n in counts)])


def _flat(prompts: Sequence[NDArray[np.float32]], width: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((0, width), np.float32), *prompts]).astype(np.float32, copy=False)


def _halving(count: int, batch: int, run: Callable[[slice], T], *, device: torch.device, what: str) -> Iterator[T]:
    """Applies `run` to slices of `count` items; a slice that exceeds the device's memory is halved and tried again."""
    try:
        for _, made in Batches(batch, largest=batch, device=device)(count, run):
            yield made
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{what} does not fit the device's memory, even one at a time: {error}") from error
