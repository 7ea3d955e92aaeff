"""The picture of a query, and the region of it that prompts choose."""

from dataclasses import dataclass

import numpy as np

from operators.codes.features import RegionFeatures, RegionFeaturesConfig
from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.masks.rle import resized_mask
from operators.prompts.selection import Selection, select_region
from operators.prompts.words import word_similarity
from operators.proposals.classical.segments import Segments, SegmentsConfig
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.region_rows import masks_of
from pipeline.reading.picture_process import confined_pictures
from schemas.errors import QueryError
from schemas.frames import ImageArray, Keyframe
from schemas.masks import Mask
from schemas.prompts import RegionPrompts
from schemas.query import Query
from schemas.regions import Proposals
from schemas.vectors import VectorArray, normalise


@dataclass(frozen=True, slots=True, eq=False)
class QueryPicture:
    """image: uint8 (H, W, 3) RGB. masks: those that the lake has of it, of its size; empty for a picture file."""

    image: ImageArray
    masks: tuple[Mask, ...] = ()


def query_picture(query: Query, lake: Lake) -> QueryPicture | None:
    """The picture file, or the lake's thumbnail of the keyframe with its masks; None for a query without a picture.

    Raises DecodeError for an unreadable file, QueryError for a keyframe that the lake does not have.
    """
    if query.picture is not None:
        own = query.picture
        return QueryPicture(confined_pictures().picture(own) if isinstance(own, str) else own.pixels)
    if query.frame is None:
        return None
    found = lake.read("frames", columns=["thumbnail"], where=sql.equals("id", query.frame))
    if not found.num_rows:
        raise no_such_frame(lake, query.frame)
    image = confined_pictures().thumbnail(found["thumbnail"][0].as_py())
    rows = lake.read("regions", columns=["id", "mask", "mask_area"], where=sql.equals("frame", query.frame))
    height_px, width_px, _ = image.shape
    masks = masks_of(rows)
    return QueryPicture(image, tuple(resized_mask(masks[i], height_px, width_px) for i in sorted(masks)))


def no_such_frame(lake: Lake, id: str) -> QueryError:
    """What is raised for a keyframe that the lake does not have."""
    return QueryError(f"{lake.uri} has no frame {id}; it takes the frame_id of a hit")


def segmented(picture: QueryPicture) -> QueryPicture:
    """The picture with the lake's masks of it, or else with those of its embedded segments."""
    if picture.masks:
        return picture
    found = Segments(SegmentsConfig())(Keyframe(0, picture.image, None, "picture")).mask
    return QueryPicture(picture.image, tuple(mask for mask in found if mask is not None))


def prompted_region(picture: QueryPicture, prompts: RegionPrompts, encoder: Encoder | None) -> Selection:
    """The region that the prompts choose among the masks of the picture; see `segmented`.

    encoder: compares regions with words; needed where the prompts have some.
    """
    masks = segmented(picture).masks
    similarity = None
    if prompts.text is not None:
        if encoder is None:
            raise QueryError("words for a region need a model; give one, or a point or a box")
        similarity = word_similarity(picture.image, masks, prompts.text, encoder)
    return select_region(masks, prompts, similarity=similarity)


def region_vector(image: ImageArray, region: Selection, encoder: Encoder, *, like: RegionVectorsConfig) -> VectorArray:
    """float32 (D,), of unit length: the mean of the region's features under its mask and of its masked crop's vector.

    like: how the lake's region vectors were made; those are made in the same way, but of boxes without a mask.
    """
    config = RegionFeaturesConfig(context=like.context, crop_px=like.crop_px)
    proposals = Proposals.of(region.box, score=1.0, proposer="prompts", mask=[region.mask])
    ((x,),) = RegionFeatures(config, encoder)([image], [proposals])
    pooled, crop = np.split(x, 2)
    vector: VectorArray = normalise((pooled + crop)[None])[0]
    return vector
