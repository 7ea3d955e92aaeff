"""How much of the picture changed between two frames, as a share of its cells, not as a mean over all pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.frames import ImageArray

_CELLS = (16, 12)  # columns, rows: a distant person fills at least a good part of one cell
_NOISE = 6  # luma levels: difference between two frames of a still scene due to sensor noise and coding
_EXPOSURE = 16  # luma levels by which the whole frame may brighten or darken and still be the same picture

Signature = NDArray[np.uint8]


def signature(small: ImageArray) -> Signature:
    """uint8 (h, w, 3), BGR → uint8 (h, w): slightly blurred luma, in which frames are compared."""
    luma = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    blurred: Signature = np.asarray(cv2.blur(luma, (3, 3)), np.uint8)
    return blurred


def changed_share(before: Signature, after: Signature) -> float:
    """Share of 16×12 cells, in [0, 1], whose pixels changed by more than noise.

    The weight of a cell grows with its mean absolute difference, from 0 at the noise level to 1 at twice
    that level. A small person who moves therefore counts as whole cells, and noise does not count.
    A change of light over the whole frame (the median difference) is subtracted first, within the range
    of an automatic exposure; a dark frame remains a different picture.
    """
    difference = after.astype(np.int16) - before
    difference -= np.int16(np.clip(np.median(difference[::4, ::4]), -_EXPOSURE, _EXPOSURE))
    cells = cv2.resize(np.abs(difference).astype(np.float32), _CELLS, interpolation=cv2.INTER_AREA)
    return float(np.clip((cells - _NOISE) / _NOISE, 0.0, 1.0).mean())
