"""Which checkpoints are promptable segmenters, told from their files before any weight is read."""

from dataclasses import dataclass
from pathlib import Path

from operators.checkpoints.loading import checkpoint_folder, read_config
from schemas.errors import ModelError

HOW_TO_NAME_ONE = (
    "name a folder or an id of the hub, e.g. facebook/sam2.1-hiera-tiny, facebook/sam3 or yonigozlan/EdgeTAM-hf"
)


@dataclass(frozen=True, slots=True)
class Family:
    """How a model type is used. kind: its name on rows.

    architecture: the class of `transformers` that answers prompts in one picture.
    video: the beginning of the names of the classes that follow a mask through a video; None where there is no memory.
    padded: pictures keep their shape and are padded to the right and below; else they are stretched to a square.
    """

    kind: str
    architecture: str = "AutoModelForMaskGeneration"
    video: str | None = None
    padded: bool = False


FAMILIES: dict[str, Family] = {
    "sam": Family("sam", padded=True),
    "sam2": Family("sam2"),
    "sam2_video": Family("sam2", video="Sam2Video"),
    "edgetam": Family("edgetam"),
    "edgetam_video": Family("edgetam", video="EdgeTamVideo"),
    "sam3_tracker": Family("sam3"),
    "sam3_tracker_video": Family("sam3", "Sam3TrackerModel", video="Sam3TrackerVideo"),
    "sam3_video": Family("sam3", video="Sam3TrackerVideo"),
}


def find_segmenter(name: str) -> tuple[Path, Family]:
    """name: a folder or an id of the hub. Raises ModelError where it is no segmenter or lacks its weights."""
    if not name:
        raise ModelError(f"no segmenter is named; {HOW_TO_NAME_ONE}")
    folder = checkpoint_folder(name)
    model_type = read_config(folder).model_type
    family = FAMILIES.get(model_type)
    if family is None:
        raise ModelError(f"{name} is a {model_type} model and takes no prompts; known are {', '.join(FAMILIES)}")
    return folder, family


def segmenter_kind(name: str) -> str:
    """ "sam2", "sam3", "edgetam" or "sam". Raises ModelError as `find_segmenter` does."""
    return find_segmenter(name)[1].kind
