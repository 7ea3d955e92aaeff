"""The size at which a whole frame is encoded as a feature map: the frame's shape in whole cells."""

from schemas.frames import ImageArray

LONGEST = 4  # times the shorter side: longer strips are squeezed to this, as they would need gigabytes


def map_size_px(image: ImageArray, *, short_side_px: int, cell_px: int) -> tuple[int, int]:
    """Height and width of a model's input: multiples of `cell_px` that differ from the shape by at most half a cell."""
    height, width, _ = image.shape
    scale = short_side_px / min(height, width)
    rows, cols = (
        max(1, round(min(side * scale, LONGEST * short_side_px) / cell_px)) * cell_px for side in (height, width)
    )
    return rows, cols


def equal_area_px(image: ImageArray, *, side_px: int, cell_px: int) -> tuple[int, int]:
    """Height and width of a model's input: about the area of a square of `side_px`, whatever the picture's shape.

    Multiples of `cell_px` that differ from the shape by at most half a cell.
    """
    height, width, _ = image.shape
    stretch = min(max(width / height, 1 / LONGEST), LONGEST) ** 0.5
    rows, cols = (max(1, round(side / cell_px)) * cell_px for side in (side_px / stretch, side_px * stretch))
    return rows, cols
