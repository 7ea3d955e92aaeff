"""What every model offers: pictures and texts as vectors of one space, and frames as maps of features."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from operators.encoders.card import ModelCard
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap, VectorArray, VectorSpace


class Encoder(Protocol):
    """A loaded model. A vector depends on its own picture or text alone, never on what shares the call.

    space: what every vector made here belongs to; D below is its dimension.
    """

    @property
    def space(self) -> VectorSpace: ...

    def encode_images(self, images: Sequence[ImageArray]) -> VectorArray:
        """images: uint8 (H, W, 3) RGB each, of any sizes. Returns float32 (N, D), L2-normalised."""
        ...

    def to_device(self, images: Sequence[ImageArray]) -> Sequence[ImageArray]:
        """The same pictures, kept where the model runs, for several calls with them; they must not be changed."""
        ...

    def encode_regions(
        self, images: Sequence[ImageArray], boxes: Sequence[Boxes], *, context: float, side_px: int
    ) -> VectorArray:
        """What lies in each box of each picture, box by box, picture by picture. boxes: one `Boxes` a picture.

        context: a model that is helped by it sees a box with its surroundings, grown about its centre by this factor.
        side_px: wanted side of the model's input, ignored by a model that has one size only.
        Returns float32 (sum of boxes, D), L2-normalised.
        """
        ...

    def pool_regions(self, images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> VectorArray:
        """Each box as the mean of the cells under it in its picture's map, projected; order and shape as above."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, D), L2-normalised."""
        ...

    def feature_maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """One map a picture, of features (rows, cols, C) before projection; rows and cols follow its shape."""
        ...

    def project(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, C), of cells or means of cells. Returns float32 (N, D), L2-normalised."""
        ...

    def close(self) -> None:
        """Frees the model; no other method may be called after it."""
        ...


class EncoderConfig(Protocol):
    """One model, loaded or not: a frozen dataclass that is made without arguments.

    name: of lower-case letters, digits and hyphens; vectors in a lake are remembered as this model's.
    on_gpu: whether it runs on a GPU where the process sees one; on Ray it then has a share of one.
    """

    name: ClassVar[str]
    on_gpu: ClassVar[bool]

    def card(self) -> ModelCard:
        """What a person should know of it, found without loading it. The name and that of the space are the model's."""
        ...

    def text(self) -> str | None:
        """What its makers say of it, in Markdown: training data, licences, weaknesses."""
        ...

    def build(self, *, threads: int | None, templates: Sequence[str] | None) -> Encoder:
        """The loaded model; what is heavy to import is imported here. The arguments are those of `load_encoder`."""
        ...


def require_boxes(images: Sequence[ImageArray], boxes: Sequence[Boxes]) -> None:
    """Raises InvalidValueError unless there is one `Boxes` a picture."""
    if len(images) != len(boxes):
        raise InvalidValueError(f"one Boxes an image: got {len(images)} images and {len(boxes)} boxes")
