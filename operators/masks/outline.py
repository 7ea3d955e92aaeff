"""The outline of a mask as polygons, which a browser can draw at any size."""

import cv2
import numpy as np

from operators.masks.rle import decode_mask
from schemas.masks import Mask
from schemas.prompts import PointTuple

MOST_CORNERS = 1500
_OFF_PX = 0.6  # how far a side may be from the pixels that it replaces: nobody sees it


def mask_outline(mask: Mask) -> tuple[tuple[PointTuple, ...], ...]:
    """Polygons along the middles of the outermost pixels, holes among them, to be filled by the even-odd rule.

    Corners are fractions of the picture. Parts of fewer than three corners are omitted; where there are more than
    MOST_CORNERS, sides are made coarser.
    """
    plane = decode_mask(mask).astype(np.uint8)
    found, _ = cv2.findContours(plane, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    off_px = _OFF_PX
    while True:
        kept = [cv2.approxPolyDP(each, off_px, closed=True)[:, 0] for each in found]
        kept = [each for each in kept if len(each) >= 3]
        if sum(map(len, kept)) <= MOST_CORNERS:
            break
        off_px *= 2
    size = np.array([mask.width_px, mask.height_px])
    return tuple(tuple((float(x), float(y)) for x, y in np.round((each + 0.5) / size, 5)) for each in kept)
