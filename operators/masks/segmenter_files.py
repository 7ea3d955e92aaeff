"""Recognises checkpoints of promptable segmenters by their files, before any weights are read."""

from dataclasses import dataclass
from pathlib import Path

from operators.checkpoints.loading import checkpoint_folder, read_config
from schemas.errors import ModelError

HOW_TO_NAME_ONE = "name a folder or a hub id, e.g. facebook/sam2.1-hiera-tiny, facebook/sam3 or yonigozlan/EdgeTAM-hf"


@dataclass(frozen=True, slots=True)
class Family:
    """How a model type is used.

    kind: its name in rows of the lake.
    architecture: the class of `transformers` that answers prompts in one picture.
    video: prefix of the names of the classes that follow a mask through a video; None for models without a memory.
    padded: whether pictures keep their shape and are padded on the right and below; else they are stretched to a
        square.
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
    """The folder and the family of a segmenter. name: a folder or a hub id.

    Raises ModelError if it is not a segmenter or its weights are missing.
    """
    if not name:
        raise ModelError(f"no segmenter is named; {HOW_TO_NAME_ONE}")
    folder = checkpoint_folder(name)
    model_type = read_config(folder).model_type
    family = FAMILIES.get(model_type)
    if family is None:
        raise ModelError(f"{name} is a {model_type} model and takes no prompts; known are {', '.join(FAMILIES)}")
    return folder, family
