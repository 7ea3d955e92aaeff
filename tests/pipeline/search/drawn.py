"""Lakes of random rows with ties, and an encoder that draws its vectors from the text."""

from collections.abc import Sequence

import numpy as np

from operators.encoders.calibration import QUERY_KINDS, VECTOR_KINDS, Calibration, LogisticWeights
from pipeline.lake.writing.committer import Committer
from schemas.frames import ImageArray
from schemas.ids import digest
from schemas.vectors import FeatureMap, VectorArray, VectorSpace, normalise
from tests.pipeline.lake.synthetic import SPACE, World

# worlds 3 and 4 look the same: every candidate of one ties with one of the other
WORLDS = (*(World(n, timed=n % 2 == 0) for n in range(3)), World(3, look=3), World(4, look=3, timed=True))


def compared_at_a_place(proposer: str) -> bool:
    """Whether a query with a box or a zone compares these regions: every frame of a world has some that move, so that
    its static windows stand in for nothing, and a whole frame is at no place."""
    return proposer == "moving"


class DrawnEncoder:
    """Vectors drawn at random from the text, or from the bytes of the picture."""

    def __init__(self, space: VectorSpace = SPACE) -> None:
        self.space = space

    def _drawn(self, *parts: str | bytes) -> VectorArray:
        rng = np.random.default_rng(int(digest(*parts)[:8], 16))
        return normalise(rng.normal(size=self.space.dimension).astype(np.float32))

    def encode_texts(self, texts: Sequence[str]) -> VectorArray:
        return np.stack([self._drawn(t) for t in texts])

    def encode_images(self, images: Sequence[ImageArray], *, maps: Sequence[FeatureMap] | None = None) -> VectorArray:
        del maps
        return np.stack([self._drawn(str(i.shape), i.tobytes()) for i in images])

    def feature_maps(self, images: Sequence[ImageArray], *, side_px: int | None = None) -> list[FeatureMap]:
        raise NotImplementedError("searching looks at no feature map")

    def project(self, features: VectorArray) -> VectorArray:
        raise NotImplementedError("searching looks at no feature map")

    def close(self) -> None:
        pass


def add(committer: Committer, world: World, *, pieces: int = 1) -> None:
    committer.register(world.source)
    for segment in world.segments(pieces):
        committer.commit([world.rows(segment)])


class CalibratedEncoder(DrawnEncoder):
    """Its calibration spreads the confidences of random vectors over [0, 1], with other weights for each kind."""

    @property
    def calibration(self) -> Calibration:
        rng = np.random.default_rng(7)
        nouns = normalise(rng.normal(size=(60, self.space.dimension)).astype(np.float32))
        shares = rng.uniform(size=60)
        kinds = [(query, vector) for query in QUERY_KINDS for vector in VECTOR_KINDS]
        weights = {
            kind: LogisticWeights(-1.0 - 0.1 * i, 8.0 - 0.5 * i, 1.5 - 0.2 * i, 0.1 * i) for i, kind in enumerate(kinds)
        }
        return Calibration(nouns, (shares / shares.sum()).astype(np.float32), 6.0, weights)
