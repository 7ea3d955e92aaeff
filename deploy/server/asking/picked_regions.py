"""Regions of pictures that a user points out: the masks of the pictures that were asked about last are kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from schemas.query import Query

if TYPE_CHECKING:
    from operators.prompts.selection import Selection
    from pipeline.search.query_picture import QueryPicture

_KEPT = 16
_KEPT_BYTES = 2**28  # of pixels: an upload may have 150 MB


class PickedRegions:
    """Chooses the region that a user points out, and keeps the masks of pictures. Any thread may call it.

    encoder: compares regions with words; points and boxes need none.
    """

    def __init__(self, lake: Lake, encoder: Callable[[], Encoder]) -> None:
        self._lake = lake
        self._encoder = encoder
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], QueryPicture] = OrderedDict()

    def __call__(self, query: Query, *, id: str, generation: int) -> "Selection":
        """The region that the query's prompts choose in its picture or keyframe, which has this id.

        generation: of the lake, whose masks of a keyframe may have changed. Raises QueryError where no region fits.
        """
        # imported here: a service that nobody asks this does not wait for the code that segments pictures
        from pipeline.search.query_picture import prompted_region, query_picture, segmented

        key = (id, generation)
        with self._lock:
            picture = self._known.get(key)
        if picture is None:
            found = query_picture(query, self._lake)
            assert found is not None  # the query has one
            picture = segmented(found)
            with self._lock:
                self._known[key] = picture
                while len(self._known) > _KEPT or (len(self._known) > 1 and self._held_bytes() > _KEPT_BYTES):
                    self._known.popitem(last=False)
        prompts = query.prompts
        assert prompts is not None
        return prompted_region(picture, prompts, None if prompts.text is None else self._encoder())

    def _held_bytes(self) -> int:
        return sum(each.image.nbytes for each in self._known.values())
