"""Files of feeds as people and faults leave them. Catches one that ends a follower, or takes feeds from it.

Seeded and short in CI. A long run takes `pytest --hypothesis-profile=long` with this file.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from pipeline.live.account.losses import Received
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from pipeline.live.feeds.feed_roster import FeedRoster
from pipeline.live.feeds.feed_starter import FeedStarter
from pipeline.live.feeds.feed_status import FeedStatus
from schemas.errors import PlanError

Outcome = TypeVar("Outcome")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOOD = b"""[feeds.gate]
url = "rtsp://admin:${GATE_PASSWORD}@10.0.0.5:554/stream?channel=2"
[feeds.yard]
url = "/recordings/yard"
paused = true
[feeds."entrance, left"]
url = 'udp://0.0.0.0:5000'
credentials = "~/gate"
"""
ADDRESSES = (
    "rtsp://a/b",
    "~nosuchuser/x",
    "~/x",
    "",
    "x.ts",
    "x.ts/",
    "foo://x",
    "http://x/y.m3u8",
    "${X}",
    "rtsp://[",
)
texts = st.text(max_size=12) | st.sampled_from(ADDRESSES)
keys = st.sampled_from(["url", "credentials", "paused", "verify", "certificate", "port", "feeds", "gate"]) | texts
values = st.recursive(
    texts | st.booleans() | st.integers(-9, 9) | st.floats() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
entries = st.dictionaries(keys, values, max_size=3) | st.fixed_dictionaries({"url": texts})
files = st.fixed_dictionaries({"feeds": st.dictionaries(texts, entries, max_size=4) | values}) | st.dictionaries(
    keys, values, max_size=2
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A file of feeds: right, with wrong values, with bytes that were changed, or any bytes."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.binary(max_size=60))
    if kind == 1:
        return _toml(draw(files))
    made = bytearray(GOOD if kind == 2 else _toml(draw(files)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(made)))
        new = draw(st.binary(max_size=4) | st.sampled_from([b'"', b"[", b"]", b"."]))
        made[at : at + draw(st.integers(0, 9))] = new
    return bytes(made)


def _toml(content: dict[str, Any]) -> bytes:
    return tomli_w.dumps(content).encode(errors="surrogatepass")


@contextmanager
def file_of_feeds() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a fixture would be shared by all examples
        yield Path(folder) / "cameras.toml"


def outcome(call: Callable[[], Outcome]) -> Outcome | PlanError:
    try:
        return call()
    except PlanError as error:
        return error


def names(roster: FeedRoster) -> set[str]:
    return {handle.name for folders in (False, True) for handle in roster.handles(folders=folders)}


@given(contents())
def test_any_file_is_a_list_of_feeds_or_one_sentence_that_names_it(content: bytes) -> None:
    with file_of_feeds() as path:
        path.write_bytes(content)
        feeds = outcome(FeedList(path).read)
        if isinstance(feeds, PlanError):
            assert str(feeds).startswith(str(path))
            assert len(str(feeds)) < 2000
            return
        for entry in feeds.values():
            assert not (entry.is_file and entry.is_folder)
            assert isinstance(entry.shown, str)
            assert str(outcome(entry.address))  # an error for want of a variable or of credentials


class Handle:
    """A feed that runs until it is stopped. stopped: by the roster, which is wrong while the list is."""

    def __init__(self, name: str, entry: FeedEntry) -> None:
        self.name = name
        self.entry = entry
        self.stopped = False

    @property
    def ready(self) -> bool:
        return False

    @property
    def ended(self) -> bool:
        return self.stopped

    def poll(self) -> FeedItem | None:
        return None

    def status(self) -> FeedStatus:
        return FeedStatus(self.name, self.entry.url, "live", NOON)

    def received(self) -> tuple[Received, ...]:
        return ()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True


class Starter:
    """Starts what can be opened, as FeedStarter does, without opening it."""

    def start(self, name: str, entry: FeedEntry) -> Handle:
        entry.address()
        return Handle(name, entry)


def roster_of(list_feeds: Callable[[], Mapping[str, FeedEntry]]) -> FeedRoster:
    starter = cast(FeedStarter, Starter())
    return FeedRoster(list_feeds, starter, on_removed=lambda _: None, started=NOON)


@given(st.lists(contents(), max_size=4))
def test_whatever_the_file_becomes_the_last_good_list_stays_until_it_is_good_again(changes: list[bytes]) -> None:
    with file_of_feeds() as path:
        roster = roster_of(FeedList(path).read)
        followed: dict[str, FeedEntry] = {}
        for content in (GOOD, *changes, GOOD):
            path.write_bytes(content)
            before = names(roster)
            roster.update()
            roster.dismiss_ended()
            listed = outcome(FeedList(path).read)
            if isinstance(listed, PlanError):
                assert roster.list_error == str(listed)
                assert names(roster) == before
            else:
                followed = listed
                assert roster.list_error is None
            assert [status.name for status in roster.statuses()] == sorted(followed)
