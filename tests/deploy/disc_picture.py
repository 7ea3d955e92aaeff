"""A picture in which something can be pointed out."""

import cv2
import numpy as np

from schemas.frames import ImageArray

DISC = (58 / 320, 58 / 240, 135 / 320, 135 / 240)  # its box


def disc_and_square() -> ImageArray:
    """uint8 (240, 320, 3), RGB: a red disc and a blue square before grey."""
    plane = np.full((240, 320, 3), 120, np.uint8)
    cv2.circle(plane, (96, 96), 38, (200, 20, 20), -1)
    cv2.rectangle(plane, (200, 140), (290, 220), (20, 20, 200), -1)
    return plane
