"""Proposes objects that a vocabulary names, by Grounding DINO, OWLv2 or OmDet-Turbo."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.proposals.models.detection.found import Found
from operators.proposals.models.detection.loading import Family, LoadedDetector, free_device_memory, load_detector
from operators.proposals.proposer import Proposer
from operators.runtime.settings import no_rows, read_when_made, weights
from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals

FAMILIES: dict[str, Family] = {
    "grounding-dino": Family("GroundingDinoImageProcessorPil", text=True),
    "mm-grounding-dino": Family("GroundingDinoImageProcessorPil", text=True),
    "owlv2": Family("Owlv2ImageProcessorPil", "padded square", text=True),
    "owlvit": Family("OwlViTImageProcessorPil", text=True),
    "omdet-turbo": Family("DetrImageProcessorPil", text=True),
}
# default thresholds of `transformers`, model by model
LEAST_SCORES = {"grounding-dino": 0.25, "mm-grounding-dino": 0.25, "owlv2": 0.1, "owlvit": 0.1, "omdet-turbo": 0.3}


@dataclass(frozen=True, slots=True)
class OpenSetConfig:
    """model: a folder or a hub id of Grounding DINO, MM Grounding DINO, OWLv2, OWL-ViT or OmDet-Turbo.

    vocabulary: phrases to look for, e.g. "red car", "person with a backpack"; empty means COCO's 80 classes.
    vocabulary_file: a text file with one phrase per line, in place of `vocabulary`. It is read when the plan is made;
        from then on its lines are the plan's vocabulary, so that the plan records what was looked for.
    least_score: boxes with this score or a lower one are dropped; None means the model's default: 0.25 for Grounding
        DINO, 0.1 for OWL, 0.3 for OmDet-Turbo.
    least_text_score: for Grounding DINO, how probable a word of a phrase must be for the phrase to name a box.
    limit: maximum number of boxes per frame.
    batch: frames per forward pass; halved if they exceed the memory of the device.
    """

    name: ClassVar[str] = "open-set"
    makes_masks: ClassVar[bool] = False

    model: str = field(default="", metadata=weights())
    vocabulary: tuple[str, ...] = ()
    vocabulary_file: str | None = field(default=None, metadata=read_when_made())  # its phrases count as the vocabulary
    least_score: float | None = None
    least_text_score: float = 0.25
    limit: int = 64
    batch: int = field(default=4, metadata=no_rows())

    def __post_init__(self) -> None:
        if self.vocabulary_file is not None:
            if self.vocabulary:
                raise InvalidValueError("vocabulary and vocabulary_file are both given; give one of them")
            object.__setattr__(self, "vocabulary", _phrases_in(Path(self.vocabulary_file).expanduser()))
            object.__setattr__(self, "vocabulary_file", None)
        object.__setattr__(self, "vocabulary", tuple(phrase.strip() for phrase in self.vocabulary))
        if "" in self.vocabulary:
            raise InvalidValueError(f"vocabulary has an empty phrase: {', '.join(map(repr, self.vocabulary))}")
        require.distinct(vocabulary=self.vocabulary)
        require.within("[0, 1]", least_score=self.least_score, least_text_score=self.least_text_score)
        require.at_least(1, limit=self.limit, batch=self.batch)

    def build(self) -> Proposer:
        return OpenSet(self)


class OpenSet:
    """Finds the phrases of a vocabulary in each frame. label: the phrase as it was given.

    proposer: the model's type, "grounding-dino", "mm-grounding-dino", "owlv2", "owlvit", "omdet-turbo".
    Raises ModelError if the model is missing or of another type, PlanError for a phrase that it cannot read.
    """

    def __init__(self, config: OpenSetConfig) -> None:
        self.config = config
        self._vocabulary = config.vocabulary or COCO_CLASSES
        self._loaded = load_detector(
            config.model,
            setting="proposals.open_set.model",
            example="IDEA-Research/grounding-dino-tiny",
            architecture="AutoModelForZeroShotObjectDetection",
            families=FAMILIES,
        )
        self._detect = model_for(config, self._loaded, self._vocabulary)

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        """One `Proposals` per keyframe."""
        return self._loaded.proposals(
            keyframes, self._detect, names=self._vocabulary, batch=self.config.batch, limit=self.config.limit
        )

    def close(self) -> None:
        """Frees the memory of the model on the device."""
        del self._loaded, self._detect
        free_device_memory()


def model_for(
    config: OpenSetConfig, loaded: LoadedDetector, vocabulary: Sequence[str]
) -> Callable[[Sequence[ImageArray]], list[Found]]:
    """The detector that looks for the vocabulary in frames of one input size, for the type of the loaded model."""
    from operators.proposals.models.detection.grounding import Grounding
    from operators.proposals.models.detection.known_texts import know_texts
    from operators.proposals.models.detection.omdet import OmDet
    from operators.proposals.models.detection.owl import Owl

    least_score = LEAST_SCORES[loaded.kind] if config.least_score is None else config.least_score
    if loaded.kind in ("owlv2", "owlvit"):
        return Owl(loaded, vocabulary, least_score=least_score)
    if loaded.kind == "omdet-turbo":
        return OmDet(loaded, vocabulary, least_score=least_score)
    know_texts(loaded.model)
    return Grounding(loaded, vocabulary, least_score=least_score, least_text_score=config.least_text_score)


def _phrases_in(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError(f"vocabulary_file {path} cannot be read: {error}") from error
    phrases = tuple(line.strip() for line in lines if line.strip())
    if not phrases:
        raise InvalidValueError(f"vocabulary_file {path} holds no phrase; write one per line")
    return phrases
