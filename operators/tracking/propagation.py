"""Propagates masks from keyframe to keyframe with a segmenter that has a memory (SAM 2, arXiv 2408.00714, §4)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # the name everyone knows it by
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from operators.checkpoints.loading import device_and_dtype, load_weights
from operators.encoders.checkpoint.pixels import PixelConfig, Pixels
from operators.masks.rle import decode_mask, encode_masks, mask_iou
from operators.masks.sam import pixel_settings
from operators.masks.segmenter_files import find_segmenter
from operators.tracking.config import PropagationConfig
from operators.tracking.links import Link, MaskedFrame
from schemas.errors import ModelError
from schemas.frames import ImageArray
from schemas.masks import Mask

_OBJECT = 1  # id of the only object of a session


@dataclass(slots=True)
class _Carried:
    """A thing that is followed: its session in `transformers`, and the id of its region in the previous keyframe."""

    session: Any
    region: str


class MaskPropagation:
    """Links the regions of each keyframe to those of the previous one by propagating their masks.

    No region is in two links of a keyframe. The score of a link is the IoU of the propagated mask and the region's
    mask, at the size of the latter. The picture and the masks are each stretched to the model's square input, so that
    their sizes may differ.

    Every region is followed in a session of its own, whose memory holds its first keyframe and the last few (the
    model's `num_maskmem`). In the next keyframe, the model predicts the mask of the thing. The regions that overlap
    best are linked one to one, and the region's own mask replaces the prediction in the memory, so that errors do not
    accumulate. A thing without a matching region is no longer followed.

    Each region takes two passes of memory and decoder per keyframe; the image encoder runs once per keyframe.

    Raises ModelError if the model is missing or has no memory.
    """

    def __init__(self, config: PropagationConfig) -> None:
        import transformers

        self.config = config
        name = config.model
        folder, family = find_segmenter(name)
        if family.video is None:
            raise ModelError(
                f"{name} has no memory to propagate masks with; name a model of type sam2_video or edgetam_video"
            )
        settings = pixel_settings(folder, name=name)
        self._device, self._dtype = device_and_dtype()
        model = load_weights(getattr(transformers, f"{family.video}Model"), folder, name=name, dtype=self._dtype)
        self._model = model.to(self._device)
        self._new_session = getattr(transformers, f"{family.video}InferenceSession")
        prepared = PixelConfig.of(settings, side_px=int(model.prompt_encoder.input_image_size))
        self._pixels = Pixels(prepared, device=self._device, dtype=self._dtype)
        # the model uses no outputs older than this, and they would only accumulate
        self._remembered = max(int(model.config.num_maskmem), int(model.config.max_object_pointers_in_encoder))
        self.cut()

    def cut(self) -> None:
        """Forgets everything that is followed. Called at a cut, or when another source begins."""
        self._things: list[_Carried] = []
        self._time = 0
        self._features: Any = None  # cache of the image encoder, shared by all sessions

    def close(self) -> None:
        """Frees the device's memory."""
        self.cut()
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def __call__(self, frame: MaskedFrame) -> list[Link]:
        """Links from the regions of the previous keyframe to those of this one; none for the first after a cut.

        Raises ModelError if the followed masks do not fit into the device's memory.
        """
        if not frame.masks:
            self.cut()  # no followed thing has a matching region
            return []
        try:
            return self._link(frame)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{self.config.model} cannot follow {len(frame.masks)} masks in the device's memory; propose fewer "
                f"regions (proposals.refine.limit), or leave tracks.propagation.model empty: {error}"
            ) from error

    def _link(self, frame: MaskedFrame) -> list[Link]:
        pixels = self._pixel_values(frame.image)
        carried = self._carry(pixels, (frame.masks[0].height_px, frame.masks[0].width_px))
        rows, columns, iou = _matched(mask_iou(carried, frame.masks), least_iou=self.config.least_iou)
        links = [
            Link(self._things[r].region, frame.ids[c], float(min(score, 1.0)))
            for r, c, score in zip(rows, columns, iou, strict=True)
        ]
        followed = {int(c): self._things[r].session for r, c in zip(rows, columns, strict=True)}
        self._things = [_Carried(followed.get(k) or self._session(), region) for k, region in enumerate(frame.ids)]
        for thing, mask in zip(self._things, frame.masks, strict=True):
            self._remember(thing.session, pixels, mask)
        self._time += 1
        return links

    def _pixel_values(self, image: ImageArray) -> torch.Tensor:
        side = self._pixels.config.side_px
        frames = self._pixels.frames([image])
        return self._pixels.stretched(frames, frames.whole(), height_px=side, width_px=side)

    def _carry(self, pixels: torch.Tensor, size: tuple[int, int]) -> list[Mask]:
        """The predicted mask of each followed thing, in a frame of (height, width) pixels."""
        masks: list[Mask] = []
        for thing in self._things:
            # the prediction is not memorised: a region's mask replaces it, or the thing is no longer followed
            found = self._model(thing.session, frame_idx=self._time, frame=pixels, run_mem_encoder=False)
            logits = found.pred_masks.float().view(1, 1, *found.pred_masks.shape[-2:])
            full = F.interpolate(logits, size, mode="bilinear", align_corners=False)
            masks += encode_masks((full[0] > 0).cpu().numpy())  # one at a time: 64 planes of 4K take half a gigabyte
        return masks

    def _remember(self, session: Any, pixels: torch.Tensor, mask: Mask) -> None:
        side = self._pixels.config.side_px
        plane = torch.from_numpy(decode_mask(mask)).to(self._device).float()[None, None]
        if plane.shape[2:] != (side, side):  # as the model's own processor does it
            plane = F.interpolate(plane, (side, side), mode="bilinear", align_corners=False, antialias=True)
            plane = (plane >= 0.5).float()
        session.add_mask_inputs(0, self._time, plane)
        session.obj_with_new_inputs = [_OBJECT]
        self._model(session, frame_idx=self._time, frame=pixels)
        self._forget(session)

    def _session(self) -> Any:
        session = self._new_session(
            inference_device=self._device,
            inference_state_device=self._device,
            video_storage_device=self._device,
            dtype=self._dtype,
        )
        if self._features is None:
            self._features = session.cache
        session.cache = self._features
        session.obj_id_to_idx(_OBJECT)
        return session

    def _forget(self, session: Any) -> None:
        """Drops what the model will not use again: pixels, masks at the input's size, and old outputs."""
        session.processed_frames = None
        session.mask_inputs_per_obj[0].clear()
        outputs = session.output_dict_per_obj[0]
        for by_time in outputs.values():
            for output in by_time.values():
                output.pop("high_res_masks", None)
        guesses = outputs["non_cond_frame_outputs"]
        for time in [t for t in guesses if t <= self._time - self._remembered]:
            del guesses[time]


def _matched(
    iou: NDArray[np.float32], *, least_iou: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """The one-to-one assignment with the largest total IoU. Returns rows, columns (ascending) and their IoU."""
    enough = np.where(iou >= least_iou, iou, 0.0)
    rows, columns = linear_sum_assignment(enough, maximize=True)
    kept = enough[rows, columns] > 0
    rows, columns = rows[kept], columns[kept]
    order = np.argsort(columns)
    return rows[order], columns[order], iou[rows[order], columns[order]]
