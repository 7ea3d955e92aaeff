"""`POST /api/region`: the region of a picture that points, a box or words choose."""

from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deploy.server.access.seeing import Seen
from deploy.server.answers import RequestError, json_answer
from deploy.server.asking.query_body import Share, Text
from deploy.server.service import Service
from operators.masks.outline import mask_outline
from schemas.query import Query
from schemas.query_json import Json

_MOST_POINTS = 64
_EXAMPLES = {
    name: {"summary": name, "value": value}
    for name, value in {
        "at a point": {"image": "0b1c2d3e4f5061728394a5b6c7d8e9f0", "points": [[0.4, 0.6]]},
        "by words": {"frame": "5f1c0e6a3c1d4b7f8e2d5c6b7a8f9e0d", "prompt": "a bicycle"},
    }.items()
}
Point = tuple[Share, Share]


class RegionBody(BaseModel):
    """A picture, and what selects a region of it: the options of a query by the same names."""

    model_config = ConfigDict(extra="forbid")

    image: Text | None = Field(None, description="The id of an uploaded picture.")
    frame: Text | None = Field(None, description="A keyframe of the lake, instead.")
    points: list[Point] = Field([], max_length=_MOST_POINTS, description="Points in the region.")
    not_points: list[Point] = Field([], max_length=_MOST_POINTS, description="Points outside of it.")
    prompt: Text | None = Field(None, description="What it shows, in words.")
    prompt_box: tuple[Share, Share, Share, Share] | None = Field(None, description="A box around it.")


class MaskAnswer(BaseModel):
    """A mask. size: height and width in pixels. counts: COCO's compressed run lengths."""

    size: tuple[int, int]
    counts: str


class RegionChoiceAnswer(BaseModel):
    """The region. box: the tightest around it. area: its share of the picture.

    outline: polygons, holes among them, to be filled by the even-odd rule; their corners are fractions of the picture.
    """

    box: tuple[float, float, float, float]
    area: float
    outline: list[list[tuple[float, float]]]
    mask: MaskAnswer


def region_routes() -> APIRouter:
    router = APIRouter(tags=["search"])

    @router.post("/api/region", response_model=RegionChoiceAnswer, summary="Choose a region of a picture")
    async def region(
        request: Request, service: Seen, body: Annotated[RegionBody, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """The region for which a search with the same prompts looks."""
        return json_answer(await service.pictures.run(request, lambda: _chosen(service, body)))

    return router


def _chosen(service: Service, body: RegionBody) -> Json:
    id = body.image or body.frame
    if id is None or (body.image is not None and body.frame is not None):
        raise RequestError(422, "give one picture: `image`, the id of an upload, or `frame`, a keyframe of the lake")
    if body.frame is not None:
        service.frames.find(body.frame)  # 404 for one that this user does not see
    query = Query(
        image=None if body.image is None else service.uploads.find(body.image),
        frame=body.frame,
        points=tuple(body.points),
        not_points=tuple(body.not_points),
        prompt=body.prompt,
        prompt_box=body.prompt_box,
    )
    if query.prompts is None:
        raise RequestError(
            422, "nothing selects a region; give `points` in it, a `prompt_box` around it, or a `prompt`"
        )
    generation = service.search.listing().generation if body.frame is not None else 0
    chosen = service.regions(query, id=id, generation=generation)
    mask = chosen.mask
    return {
        "box": chosen.box.xyxy[0].tolist(),
        "area": mask.area,
        "outline": [[list(corner) for corner in part] for part in mask_outline(mask)],
        "mask": {"size": [mask.height_px, mask.width_px], "counts": mask.counts.decode()},
    }
