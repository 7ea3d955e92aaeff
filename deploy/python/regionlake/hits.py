"""The result of a search: hits that notebooks show, and that convert to tables, pictures and clips."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, overload

from schemas.query import BoxTuple, Hit, Query, SearchResult
from schemas.query_json import result_json
from schemas.visible_text import visible_json

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from deploy.pictures.contact_sheet import Stored
    from pipeline.lake.lake import Lake


class Hits(Sequence[Hit]):
    """The hits of a search, nearest first.

    query: the query itself. took_ms: how long the search took, without loading the model. exact: whether these are the
    exact top k of the ranking. candidates: how many regions and whole frames passed the filters. region: the part of
    the query's picture that its prompts chose. by_meaning_alone, omitted: searched sources for which no zone was drawn.

    >>> hits = lake.search("a bicycle", k=2)
    >>> len(hits), hits[0].rank, hits.query.text
    (2, 1, 'a bicycle')
    >>> hits.to_arrow().column_names[:6]
    ['rank', 'distance', 'semantic', 'geometric', 'source', 'pts_s']
    """

    def __init__(self, result: SearchResult, lake: "Lake | Stored") -> None:
        self._result = result
        self._lake = lake
        self.query: Query = result.query
        self.took_ms: float = result.took_ms
        self.exact: bool = result.exact
        self.candidates: int = result.candidates
        self.region: BoxTuple | None = result.region
        self.by_meaning_alone: tuple[str, ...] = result.by_meaning_alone
        self.omitted: tuple[str, ...] = result.omitted

    def __len__(self) -> int:
        return len(self._result.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._result.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self._result.hits[index]

    def to_arrow(self) -> "pa.Table":
        """One row for each hit, with the columns of `to_json`, `pts` and `source_id`; times are timestamps in UTC."""
        from deploy.tables.hits_table import hits_table

        return hits_table(self._result)

    def to_pandas(self) -> "pd.DataFrame":
        """The table of `to_arrow` as a data frame."""
        return self.to_arrow().to_pandas()

    def to_json(self) -> str:
        """The object that `regionlake search --json` prints."""
        return visible_json(result_json(self._result))

    def sheet(self, path: str | PathLike[str]) -> Path:
        """Draws every hit on its frame into one picture, whose suffix names the format, or a report (`.html`).

        Returns its path.

        >>> lake.search("a bicycle", k=2).sheet("hits.png").stat().st_size > 0
        True
        """
        from deploy.pictures.contact_sheet import write_contact_sheet

        write_contact_sheet(self._result, lake=self._lake, path=Path(path))
        return Path(path)

    def clips(self, folder: str | PathLike[str], *, fetch: Sequence[str] = ()) -> list[Path]:
        """Writes an MP4 for every hit in a video, its shot at most two seconds to either side; returns their paths.

        fetch: hosts and `s3://bucket`s from which sources may be fetched; by default only files of this machine are
        opened, because a lake may name any address.

        >>> [path.suffix for path in lake.search("a bicycle", k=1).clips("clips")]
        ['.mp4']
        """
        from deploy.pictures.clips import export_clips
        from pipeline.lake.lake import Lake

        assert isinstance(self._lake, Lake)
        return list(export_clips(self._result, lake=self._lake, folder=Path(folder), fetch=fetch))

    def __repr__(self) -> str:
        from regionlake.text import hits_text

        return hits_text(self._result)

    def _repr_html_(self) -> str:
        """What a notebook shows: the frames with the boxes of the hits and the query box."""
        from regionlake.html import hits_html

        return hits_html(self._result, self._lake)
