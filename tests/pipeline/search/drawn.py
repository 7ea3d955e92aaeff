"""Lakes of random rows with ties, and an encoder that draws its vectors from the text."""

from collections.abc import Sequence

import numpy as np

from pipeline.lake.writing.committer import Committer
from schemas.frames import ImageArray
from schemas.ids import digest
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise
from tests.pipeline.lake.synthetic import SPACE, World

# worlds 3 and 4 look the same: every candidate of one ties with one of the other
WORLDS = (*(World(n, timed=n % 2 == 0) for n in range(3)), World(3, look=3), World(4, look=3, timed=True))


class DrawnEncoder:
    """Vectors drawn at random from the text, or from the bytes of the picture."""

    def __init__(self, space: VectorSpace = SPACE) -> None:
        self.space = space

    def _drawn(self, *parts: str | bytes) -> VectorArray:
        rng = np.random.default_rng(int(digest(*parts)[:8], 16))
        return normalise(rng.normal(size=self.space.dimension).astype(np.float32))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        return np.stack([self._drawn(t) for t in texts])

    def encode_images(self, images: Sequence[ImageArray]) -> VectorArray:
        return np.stack([self._drawn(str(i.shape), i.tobytes()) for i in images])

    def feature_maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        raise NotImplementedError("searching looks at no feature map")

    def project(self, features: VectorArray) -> VectorArray:
        raise NotImplementedError("searching looks at no feature map")

    def close(self) -> None:
        pass


def add(committer: Committer, world: World, *, pieces: int = 1) -> None:
    committer.register(world.source)
    for segment in world.segments(pieces):
        committer.commit([world.rows(segment)])
