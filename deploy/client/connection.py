"""Sends the calls of the service, and raises its errors: from a thread that waits, or in asyncio."""

from typing import Any, Self, TypeVar

import httpx2 as httpx

from deploy.client.calls import Call, Calls, base_url
from deploy.client.wire import error_of
from schemas.errors import ServiceError

T = TypeVar("T")
TIMEOUT_S = 60.0


class Connection:
    """A connection to a service; `with` closes it.

    url: its address. token: what its `--token-file` has.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.url = base_url(url)
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, headers=_headers(token))

    def __call__(self, calls: Calls[T]) -> T:
        """The result of a call. Raises QueryError for a wrong query, ServiceError where the service is out of reach."""
        try:
            call = next(calls)
            while True:
                call = calls.send(self._answer(call))
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, call: Call) -> Any:
        try:
            answer = self._http.request(call.method, call.path, **_arguments(call))
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error
        return _read(call, answer)


class AsyncConnection:
    """As Connection, for asyncio; `async with` closes it."""

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.url = base_url(url)
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout_s, headers=_headers(token))

    async def __call__(self, calls: Calls[T]) -> T:
        """See Connection."""
        try:
            call = next(calls)
            while True:
                call = calls.send(await self._answer(call))
        except StopIteration as end:
            result: T = end.value
            return result

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(self, call: Call) -> Any:
        try:
            answer = await self._http.request(call.method, call.path, **_arguments(call))
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error
        return _read(call, answer)


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _arguments(call: Call) -> dict[str, Any]:
    body = {"content": call.body} if isinstance(call.body, bytes) else {} if call.body is None else {"json": call.body}
    return {"params": dict(call.params), **body}


def _read(call: Call, answer: httpx.Response) -> Any:
    if answer.is_success and call.binary:
        return answer.content
    try:
        found = answer.json()
        if answer.is_success:
            return found
        sentence = str(found["error"])
    except (ValueError, KeyError, TypeError):
        raise ServiceError(
            f"{answer.url.copy_with(path='/', query=None)} is no service of RegionLake: it answered {call.method} "
            f"{call.path} with {answer.status_code}"
        ) from None
    raise error_of(answer.status_code, sentence)


def _unreachable(url: str, error: Exception) -> ServiceError:
    reason = str(error) or type(error).__name__
    return ServiceError(f"no service answers at {url}: {reason}; start one with: regionlake serve --lake LAKE")
