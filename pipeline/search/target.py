"""Makes the vector of a query, with which candidates are compared."""

from dataclasses import dataclass

import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from pipeline.lake.lake import Lake
from schemas.boxes import Boxes
from schemas.errors import QueryError
from schemas.frames import ImageArray
from schemas.masks import Mask
from schemas.query import BoxTuple, Query
from schemas.vectors import VectorArray


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What candidates are compared with.

    vector: float32 (D,); the semantic distance of a candidate v is `1 − v · vector`. Of unit length for words or a
        picture alone; otherwise the weighted sum of the query's vectors, minus those of `not_text` and `not_rois`.
        None for a query by a box alone.
    picture: the query's, if it has one. roi: the part of the picture to search for; None for all of it.
    mask: the region of the picture that prompts chose, if there are any; roi is then the box around it.
    """

    vector: VectorArray | None
    picture: ImageArray | None = None
    roi: BoxTuple | None = None
    mask: Mask | None = None


class TargetMaker:
    """Makes targets with a model. lake: holds the keyframe of a query by `frame`.

    regions: how a part of a picture becomes a vector; None for the way in which the lake's regions became theirs.
    """

    def __init__(self, encoder: Encoder | None, *, lake: Lake, regions: RegionVectorsConfig | None = None) -> None:
        self._lake = lake
        self._encoder = encoder
        self._regions = regions

    def __call__(self, query: Query) -> Target:
        """Makes the target of a query.

        Raises QueryError when the query needs a model and there is none, or its prompts choose nothing; DecodeError
        for an unreadable picture.
        """
        if not query.by_meaning:
            return Target(None)
        encoder = self._need()
        wanted: list[tuple[float, VectorArray]] = []
        shown = None
        if query.image is not None or query.frame is not None:
            # imported here: a query by words alone does not wait for the code that decodes and segments pictures
            from pipeline.search.query_picture import prompted_region, query_picture, region_vector

            shown = query_picture(query, self._lake)
        picture = None if shown is None else shown.image
        roi, mask = query.roi, None
        if query.text is not None:
            wanted.append((1.0 if shown is None else query.text_weight, self.of_text(query.text)))
        if shown is not None:
            if query.prompts is not None:
                region = prompted_region(shown, query.prompts, encoder)
                x0, y0, x1, y1 = region.box.xyxy[0].tolist()
                roi, mask = (x0, y0, x1, y1), region.mask
                of_picture = region_vector(shown.image, region, encoder, like=self._region_settings())
            elif roi is not None:
                of_picture = self._of_roi(shown.image, roi)
            else:
                of_picture = encoder.encode_images([shown.image])[0]
            wanted.append((1.0 if query.text is None else 1.0 - query.text_weight, of_picture))
        unwanted = [self.of_text(text) for text in query.not_text]
        if picture is not None:
            unwanted += [self._of_roi(picture, roi) for roi in query.not_rois]
        wanted += [(-query.not_weight / len(unwanted), vector) for vector in unwanted]
        vector = np.sum([weight * vector for weight, vector in wanted], axis=0).astype(np.float32)
        return Target(vector, picture, roi, mask)

    def of_text(self, text: str) -> VectorArray:
        """float32 (D,), of unit length."""
        vector: VectorArray = self._need().encode_texts([text])[0]
        return vector

    def _of_roi(self, picture: ImageArray, roi: BoxTuple) -> VectorArray:
        # as the stored regions were made: a query by a region's own box is at distance 0 from it
        ((vector,),) = RegionVectors(self._region_settings(), self._need())(
            [picture], [Boxes(np.array([roi], np.float32))]
        )
        return np.asarray(vector, np.float32)

    def _region_settings(self) -> RegionVectorsConfig:
        """They are read by the first query with a part of a picture, and kept once the lake has a plan."""
        if self._regions is None:
            from pipeline.lake.plans_in_use import region_settings_in_use  # its TOML is not for every search

            self._regions = region_settings_in_use(self._lake)
        return self._regions or RegionVectorsConfig()

    def _need(self) -> Encoder:
        if self._encoder is None:
            raise QueryError("a query by text or image needs a model; give one, or ask with a box alone")
        return self._encoder
