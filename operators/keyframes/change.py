"""How much of the picture changed between two frames: a share of its cells, not a mean over all of it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.frames import ImageArray

_CELLS = (16, 12)  # across, down: a person at a distance fills at least a good part of one
_NOISE = 6  # luma levels; what sensor noise and coding leave between two frames of a still scene
_EXPOSURE = 16  # luma levels that the whole frame may brighten or darken without being another picture

Signature = NDArray[np.uint8]


def signature(small: ImageArray) -> Signature:
    """uint8 (h, w, 3), BGR → uint8 (h, w): slightly blurred luma, the part of a frame that is compared."""
    luma = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    blurred: Signature = np.asarray(cv2.blur(luma, (3, 3)), np.uint8)
    return blurred


def changed_share(before: Signature, after: Signature) -> float:
    """Share of 16×12 cells, in [0, 1], whose pixels changed by more than noise.

    A cell counts by how far its mean absolute difference exceeds the noise level, fully from twice
    that level on, so that a small person who moves counts whole cells while noise counts nothing.
    A change of light over the whole frame is taken out first (median difference), as far as an
    automatic exposure goes; the dark is another picture.
    """
    difference = after.astype(np.int16) - before
    difference -= np.int16(np.clip(np.median(difference[::4, ::4]), -_EXPOSURE, _EXPOSURE))
    cells = cv2.resize(np.abs(difference).astype(np.float32), _CELLS, interpolation=cv2.INTER_AREA)
    return float(np.clip((cells - _NOISE) / _NOISE, 0.0, 1.0).mean())
