"""The interface of every model: it encodes pictures and texts in one vector space, and frames as feature maps."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from operators.encoders.card import ModelCard
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace


class Encoder(Protocol):
    """A loaded model. A vector depends only on its own picture or text, never on others in the same call.

    space: the vector space of all vectors that this encoder makes; D below is its dimension.
    """

    @property
    def space(self) -> VectorSpace: ...

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        """Encodes pictures, uint8 (H, W, 3) RGB each, of any sizes. Returns float32 (N, D), L2-normalised.

        maps: the feature maps of the pictures, if known: some models need nothing else.
        """
        ...

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        """The same pictures on the device of the model, to be used in several calls; they must not be changed."""
        ...

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int
    ) -> VectorArray:
        """Encodes the boxes of each picture, box by box, picture by picture. boxes: one `Boxes` per picture.

        context: factor by which a box is grown about its centre, so that its surroundings are seen. Models that encode
            boxes better without them ignore it.
        side_px: desired side of the model's input, ignored by a model with a fixed input size.
        Returns float32 (sum of boxes, D), L2-normalised.
        """
        ...

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """The projected mean of the map's cells under each box; order and shape as in `encode_regions`."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, D), L2-normalised."""
        ...

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        """One map per picture, before projection; its rows and columns follow the shape of the picture.

        side_px: as `regions.map_px`; ignored by a model with a fixed input size.
        """
        ...

    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, C), cells or means of cells. Returns float32 (N, D), L2-normalised."""
        ...

    def close(self) -> None:
        """Frees the model; no other method may be called after it."""
        ...


class EncoderConfig(Protocol):
    """Describes a model before it is loaded: a frozen dataclass that can be made without arguments.

    name: lower-case letters, digits and hyphens; a lake stores it as the model of its vectors.
    on_gpu: whether it runs on a GPU if the process sees one; on Ray it then requests a share of a GPU.
    """

    name: ClassVar[str]
    on_gpu: ClassVar[bool]

    def card(self) -> ModelCard:
        """The model's card, found without loading the model. Its name and the model of its space are `name`."""
        ...

    def text(self) -> str | None:
        """What the makers say about the model, in Markdown: training data, licences, weaknesses."""
        ...

    def build(self, *, threads: int | None, templates: Sequence[str] | None) -> Encoder:
        """Loads the model; heavy packages are imported here. The arguments are those of `load_encoder`."""
        ...


def require_boxes(images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> None:
    """Raises InvalidValueError unless there is one `Boxes` per picture."""
    if len(images) != len(boxes):
        raise InvalidValueError(f"one Boxes an image: got {len(images)} images and {len(boxes)} boxes")
