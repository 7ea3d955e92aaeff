"""Runs blocking work of requests in a few threads: bounded, with a deadline, and dropped when the client leaves."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request

from deploy.server.answers import RequestError

T = TypeVar("T")


class Workers:
    """A pool of threads.

    threads: how many calls run at once. waiting: how many more may wait; others are refused at once with 429, because
        an answer that comes too late helps nobody.
    deadline_s: after it a request is answered with 504. A call that has not begun by then, or whose client has left,
        never begins; one that runs cannot be stopped, and its answer is dropped.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, deadline_s: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads
        self._room = threads + waiting
        self._deadline_s = deadline_s
        self._held = 0

    @property
    def running(self) -> int:
        return min(self._held, self._threads)

    @property
    def waiting(self) -> int:
        return max(0, self._held - self._threads)

    async def run(self, request: Request, call: Callable[[], T]) -> T:
        """The result of `call`, or its exception. Its request must have been read: only then is a client's leave seen.

        Raises RequestError where too many wait, or at the deadline.
        """
        if self._held >= self._room:
            raise RequestError(
                429, f"{self._held} requests are being answered or wait; ask again in a second", retry_after_s=1
            )
        future = self._pool.submit(call)
        self._held += 1
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._release))
        answered = asyncio.ensure_future(asyncio.wrap_future(future))
        left = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait((answered, left), timeout=self._deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                return answered.result()
            if left.done():
                raise RequestError(499, "the client has left")
            raise RequestError(504, f"no answer within {self._deadline_s:g} s; ask for less, or again later")
        finally:
            for task in (left, answered):  # cancels the call, unless it runs
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    def close(self) -> None:
        """Ends the threads; calls that have not begun never do."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self) -> None:
        self._held -= 1


async def _left(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
