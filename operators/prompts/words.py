"""Words as a prompt: the similarity of each mask's masked crop and a text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.masks.masked_crops import masked_vectors
from operators.masks.rle import decode_mask, mask_boxes
from schemas.frames import ImageArray
from schemas.masks import Mask

CONTEXT = 1.1  # a thin grey border around the region
CROP_PX = 160


def word_similarity(image: ImageArray, masks: Sequence[Mask], text: str, encoder: Encoder) -> NDArray[np.float32]:
    """float32 (N,): cosine of each masked crop and the text; −1 for an empty mask. Takes one model pass per mask.

    image: uint8 (H, W, 3) RGB, of the size of the masks.
    """
    shown = [i for i, mask in enumerate(masks) if mask.area_px]
    boxes = mask_boxes([masks[i] for i in shown])
    pixels = [decode_mask(masks[i]) for i in shown]
    vectors = masked_vectors(encoder, image, boxes, pixels, context=CONTEXT, side_px=CROP_PX)
    similarity = np.full(len(masks), -1.0, np.float32)
    similarity[shown] = vectors @ encoder.encode_texts([text])[0]
    return similarity
