"""`regionlake.connect`, and the lake behind a service that it returns."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self, overload

from regionlake.hits import Hits
from regionlake.lake import described_search, query_of, takes
from schemas.errors import QueryError
from schemas.query import Moment, Query, SearchResult


def connect(url: str, *, token: str | None = None) -> "RemoteLake":
    """Connects to a service, `regionlake serve`: searches are the same calls as on a local lake, without its model.

    token: of a user (`regionlake users add`), or that of the service's `--token-file`. Nothing is sent before the first
    call, which raises ServiceError where the service is out of reach.
    """
    return RemoteLake(url, token=token)


def connect_async(url: str, *, token: str | None = None) -> "AsyncRemoteLake":
    """As `connect`, for asyncio: `hits = await lake.search("a bicycle")`."""
    return AsyncRemoteLake(url, token=token)


class RemoteLake:
    """A lake behind a service; `with` closes the connection.

    Its hits name sources as the service does, without paths, and their `source_id`s are those of `sources()`.
    """

    def __init__(self, url: str, *, token: str | None = None) -> None:
        from deploy.client.connection import Connection

        self._connection = Connection(url, token=token)

    @overload
    def search(self, query: Query, /) -> Hits: ...

    @overload
    @takes(Query)
    def search(self) -> Hits: ...

    @described_search
    def search(self, *args: Any, **options: Any) -> Hits:
        """Finds frames by what they show and where, as `Lake.search` does; a picture is uploaded.

        Raises ServiceError where the service is out of reach, QueryError where it refuses the query.
        """
        from deploy.client import calls

        return RemoteHits(self._connection(calls.search(query_of(*args, **options))), self)

    def sql(
        self,
        query: str,
        *,
        rows: int = 1000,
        sources: Sequence[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> list[dict[str, Any]]:
        """The rows that answer one SELECT over the sources that its user sees, as `Lake.sql` does for all.

        sources: ids of the only ones that it reads. since, until: of frames and regions, half-open: UTC, or seconds
        within each source.
        Times are texts in ISO 8601. Raises QueryError for another statement, a mistake, a query that exceeds a limit of
        the service, and an answer of more rows than `rows`, of which there are at most 10,000.
        """
        from deploy.client import calls

        asked = calls.sql(query, rows=rows, sources=sources, since=since, until=until)
        return _records(self._connection(asked), rows)

    def sources(self) -> list[dict[str, Any]]:
        """Each file, picture and feed, with its id, its name and its state."""
        from deploy.client import calls

        return self._connection(calls.sources())

    def status(self) -> dict[str, Any]:
        """The state of the service, its model and its lake."""
        from deploy.client import calls

        return self._connection(calls.status())

    @property
    def uri(self) -> str:
        return self._connection.url

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RemoteLake({self.uri!r})>"


class AsyncRemoteLake:
    """As RemoteLake, for asyncio; `async with` closes the connection."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        from deploy.client.connection import AsyncConnection

        self._connection = AsyncConnection(url, token=token)
        self._remote = RemoteLake(url, token=token)  # of hits that fetch their pictures

    async def search(self, *args: Any, **options: Any) -> Hits:
        """See RemoteLake.search."""
        from deploy.client import calls

        return RemoteHits(await self._connection(calls.search(query_of(*args, **options))), self._remote)

    async def sql(
        self,
        query: str,
        *,
        rows: int = 1000,
        sources: Sequence[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> list[dict[str, Any]]:
        """See RemoteLake.sql."""
        from deploy.client import calls

        asked = calls.sql(query, rows=rows, sources=sources, since=since, until=until)
        return _records(await self._connection(asked), rows)

    async def sources(self) -> list[dict[str, Any]]:
        """See RemoteLake.sources."""
        from deploy.client import calls

        return await self._connection(calls.sources())

    async def status(self) -> dict[str, Any]:
        """See RemoteLake.status."""
        from deploy.client import calls

        return await self._connection(calls.status())

    @property
    def uri(self) -> str:
        return self._connection.url

    async def close(self) -> None:
        """Closes the connection."""
        self._remote.close()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _records(answer: dict[str, Any], rows: int) -> list[dict[str, Any]]:
    if answer["more"]:
        raise QueryError(f"the answer has more than {rows:,} rows: add LIMIT, or ask for more by `rows`")
    names = [each["name"] for each in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


class RemoteHits(Hits):
    """Hits whose pictures and clips come from a service."""

    def __init__(self, result: SearchResult, remote: RemoteLake) -> None:
        from deploy.client.pictures import stored_pictures

        self._connection = remote._connection
        super().__init__(result, lambda shown: stored_pictures(shown, self._connection))

    def clips(self, folder: str | PathLike[str], *, fetch: Sequence[str] = ()) -> list[Path]:
        """Writes an MP4 for every hit of which the service has a video; returns their paths.

        fetch: which hosts it may fetch from is chosen where the service is started, so this must be empty.
        """
        from deploy.client.pictures import save_clips

        if fetch:
            raise QueryError("a service fetches from where its own --fetch allows; omit `fetch`")
        return list(save_clips(self._result, self._connection, Path(folder)))
