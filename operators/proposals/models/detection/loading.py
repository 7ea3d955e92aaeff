"""Loads a detector of `transformers` from a folder, the hub's cache or the hub."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from operators.checkpoints.loading import (
    checkpoint_folder,
    device_and_dtype,
    load_weights,
    read_config,
)
from operators.checkpoints.model_errors import describing_model_errors
from operators.proposals.models.detection.found import Found, in_batches
from schemas.errors import ModelError
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals

if TYPE_CHECKING:  # plans are read without torch
    import torch

    from operators.proposals.models.detection.pixels import FramePixels, Resize


@dataclass(frozen=True, slots=True)
class Family:
    """How a model type of `transformers` is used.

    processor: name of its image processor that does not need torchvision. text: whether the model reads words.
    """

    processor: str
    resize: "Resize" = "pillow"
    text: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LoadedDetector:
    """kind: the model type. model, processor, tokenizer: of `transformers`; tokenizer: None if the model has none."""

    name: str
    kind: str
    device: "torch.device"
    model: Any
    processor: Any
    tokenizer: Any
    pixels: "FramePixels"

    @property
    def proposer(self) -> str:
        """The name of the proposer that is stored with its regions, e.g. "rt-detr"."""
        return self.kind.replace("_", "-")

    def proposals(
        self,
        keyframes: Sequence[Keyframe],
        detect: Callable[[list[ImageArray]], list[Found]],
        *,
        names: Sequence[str | None],
        batch: int,
        limit: int,
    ) -> list[Proposals]:
        """What `detect` finds in each keyframe, at most `limit`; it gets up to `batch` frames of one input size.

        names: the list of names into which `Found.name` is an index.
        """
        images = [keyframe.image for keyframe in keyframes]
        found = in_batches(images, detect, alike=self.pixels.size_of, size=batch, device=self.device)
        return [each.proposals(names, proposer=self.proposer, limit=limit) for each in found]


def free_device_memory() -> None:
    """Releases the device memory of models that are no longer referenced."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_detector(
    name: str,
    *,
    setting: str,
    example: str,
    architecture: Literal["AutoModelForObjectDetection", "AutoModelForZeroShotObjectDetection"],
    families: Mapping[str, Family],
) -> LoadedDetector:
    """Loads a detector in float32, on the GPU if there is one.

    In bfloat16, which has 128 steps between 0.5 and 1, boxes would be rounded to a grid of 1/256 of the frame.

    setting: the setting of the plan that names the model; example: a model that fits it. Both are used in errors.
    Raises ModelError with the reason.
    """
    if not name:
        raise ModelError(f"{setting} names no model: set it to a folder or a name of the hub, such as {example}")
    import torch
    import transformers

    from operators.proposals.models.detection.pixels import FramePixels

    folder = checkpoint_folder(name)
    kind = str(read_config(folder).model_type)
    if kind not in families:
        raise ModelError(f"{name} is a {kind} model; {setting} takes {', '.join(families)}")
    device, _ = device_and_dtype()
    model = load_weights(getattr(transformers, architecture), folder, name=name, dtype=torch.float32).to(device)
    family = families[kind]
    with describing_model_errors(name, "its image processor"):
        processor = getattr(transformers, family.processor).from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        pixels = FramePixels(processor, resize=family.resize, device=device)
    tokenizer = None
    if family.text:
        # without files transformers makes a tokenizer that knows no word
        if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json", "vocab.txt")):
            raise ModelError(f"{name} holds no tokenizer: fetch it again, with tokenizer.json or its vocabulary")
        with describing_model_errors(name, "its tokenizer"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        known, trained = len(tokenizer), int(model.config.text_config.vocab_size)
        if known > trained:
            raise ModelError(
                f"the tokenizer of {name} knows {known} tokens, the model {trained}: it belongs to another model"
            )
    return LoadedDetector(name, kind, device, model, processor, tokenizer, pixels)
