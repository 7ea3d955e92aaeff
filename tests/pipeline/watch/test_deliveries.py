"""A webhook that fails, hangs, is down or refuses: catches hits that are lost, overtake others, or block them."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.runtime.backoff import BackoffConfig
from pipeline.watch.deliveries import Deliveries
from pipeline.watch.standing_hit import StandingHit
from pipeline.watch.watch_state import KeptHit, WatchState
from pipeline.watch.webhook import Attempt, Webhook, WebhookConfig
from schemas.errors import InvalidValueError, WatchError
from schemas.query import Hit, Place
from tests.deadly_time import DeadlyTime
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import add
from tests.pipeline.watch.receiver import Receiver
from tests.pipeline.watch.watching import EVERYTHING, reported, watcher
from tests.waiting import wait_until

QUICK = BackoffConfig(first_s=0.01, longest_s=0.05)
Open = Callable[..., Deliveries]


def hit(number: int) -> StandingHit:
    found = Hit(
        rank=1,
        distance=0.5,
        place=Place(semantic=0.5),
        source="gate",
        source_id="gate",
        pts=number,
        pts_s=float(number),
        time=None,
        shot_s=None,
        frame_id=f"frame {number}",
    )
    return StandingHit(EVERYTHING, datetime.now(UTC), found)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[WatchState]:
    made = WatchState(tmp_path / "watch.sqlite")
    yield made
    made.close()


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def receiver(*arguments: object, **options: object) -> Receiver:
        made.append(Receiver(*arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield receiver
    for each in made:
        each.close()


@pytest.fixture
def deliver(state: WatchState, tmp_path: Path) -> Iterator[Open]:
    """Starts deliveries to a URL; ends them with the test."""
    made: list[Deliveries] = []

    def start(url: str, *, give_up_s: float = 60.0, timeout_s: float = 5.0, token: str | None = None) -> Deliveries:
        webhook = Webhook(WebhookConfig(url, token, timeout_s))
        deliveries = Deliveries(state, webhook, dead_letter=tmp_path / "dead.jsonl", give_up_s=give_up_s, pauses=QUICK)
        made.append(deliveries)
        deliveries.start()
        return deliveries

    yield start
    for each in made:
        each.stop()


def keep(state: WatchState, numbers: range) -> list[str]:
    """Ids of the hits, in order."""
    hits = [hit(number) for number in numbers]
    assert state.record(hits, seen={}, send=True) == len(hits)
    return [each.id for each in hits]


def dead_letters(folder: Path) -> list[dict[str, object]]:
    path = folder / "dead.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_hits_arrive_in_order_each_once_through_answers_of_500(
    state: WatchState, receivers: Callable[..., Receiver], deliver: Open, tmp_path: Path
) -> None:
    receiver = receivers(lambda number: 200 if number % 3 == 2 else 500)
    ids = keep(state, range(5))
    deliveries = deliver(receiver.url, token="a-token")
    wait_until(lambda: deliveries.status().delivered == 5)
    assert receiver.ids == ids
    assert receiver.taken == [
        json.loads(each.line) | {"found_at": taken["found_at"]}
        for each, taken in zip(map(hit, range(5)), receiver.taken, strict=True)
    ]
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer a-token"}
    assert receiver.headers[0]["Idempotency-Key"] == ids[0]
    assert (deliveries.status().delivered, deliveries.status().given_up, state.unsent()) == (5, 0, 0)
    assert dead_letters(tmp_path) == []


def test_a_webhook_that_is_down_gets_all_in_order_when_it_is_back(
    state: WatchState, receivers: Callable[..., Receiver], deliver: Open
) -> None:
    gone = Receiver()
    gone.close()
    ids = keep(state, range(3))
    deliveries = deliver(gone.url)
    wait_until(lambda: deliveries.status().error is not None)
    ids += keep(state, range(3, 6))
    back = receivers(port=gone.port)
    wait_until(lambda: len(back.taken) == 6)
    assert back.ids == ids
    wait_until(lambda: deliveries.status().error is None)


def test_after_the_time_to_give_up_every_hit_stands_in_the_dead_letter_file(
    state: WatchState, deliver: Open, tmp_path: Path
) -> None:
    gone = Receiver()
    gone.close()
    ids = keep(state, range(40))
    deliveries = deliver(gone.url, give_up_s=0.3)
    wait_until(lambda: deliveries.status().given_up == 40)
    letters = dead_letters(tmp_path)
    assert [letter["hit"]["id"] for letter in letters] == ids  # type: ignore[index]
    assert {letter["webhook"] for letter in letters} == {f"http://127.0.0.1:{gone.port}"}
    assert state.unsent() == 0
    assert all("no connection" in str(letter["error"]) for letter in letters)


def test_a_hit_that_is_refused_does_not_hold_up_those_behind_it(
    state: WatchState, receivers: Callable[..., Receiver], deliver: Open, tmp_path: Path
) -> None:
    receiver = receivers(lambda number: 422 if number == 1 else 204)
    ids = keep(state, range(4))
    deliver(receiver.url)
    wait_until(lambda: state.unsent() == 0)
    assert receiver.ids == [ids[0], ids[2], ids[3]]
    assert [(letter["hit"]["id"], letter["error"]) for letter in dead_letters(tmp_path)] == [  # type: ignore[index]
        (ids[1], "HTTP 422")
    ]


@pytest.mark.parametrize("status", [200, 422])
def test_what_was_taken_or_refused_is_not_sent_again_while_that_cannot_be_noted(
    state: WatchState,
    receivers: Callable[..., Receiver],
    deliver: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    receiver = receivers(lambda _: status)
    real, failures = state.settle, iter(range(5))

    def settle(hit: KeptHit) -> None:
        if next(failures, None) is not None:
            raise WatchError("no space left")
        real(hit)

    monkeypatch.setattr(WatchState, "settle", lambda _, hit: settle(hit))
    ids = keep(state, range(2))
    deliveries = deliver(receiver.url)
    wait_until(lambda: state.unsent() == 0)
    assert receiver.requests == 2
    assert receiver.ids + [letter["hit"]["id"] for letter in dead_letters(tmp_path)] == ids  # type: ignore[index]
    wait_until(lambda: sum((deliveries.status().delivered, deliveries.status().given_up)) == 2)


def test_no_error_ends_the_deliveries(
    state: WatchState,
    receivers: Callable[..., Receiver],
    deliver: Open,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver = receivers()
    real, failures = Webhook.post, iter(range(2))

    def post(webhook: Webhook, body: str, *, key: str) -> Attempt:
        if next(failures, None) is not None:
            raise RuntimeError(f"cannot parse {receiver.url}")
        return real(webhook, body, key=key)

    monkeypatch.setattr(Webhook, "post", post)
    keep(state, range(2))
    deliver(receiver.url)
    wait_until(lambda: state.unsent() == 0)
    assert "RuntimeError" in caplog.text
    assert "in post" in caplog.text, "the log does not say where it was raised"
    assert "secret" not in caplog.text


def test_a_dead_letter_file_that_cannot_be_written_is_due_at_once(state: WatchState, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WatchError, match="cannot be written"):
        Deliveries(state, Webhook(WebhookConfig("http://h")), dead_letter=tmp_path / "file" / "dead", give_up_s=1.0)


def test_an_answer_that_trickles_holds_up_no_hit(
    state: WatchState, receivers: Callable[..., Receiver], deliver: Open
) -> None:
    receiver = receivers(trickle_s=0.1)
    keep(state, range(2))
    deliver(receiver.url, timeout_s=0.3)
    wait_until(lambda: state.unsent() == 0, within_s=3.0)
    assert receiver.requests == 2


def test_a_webhook_that_hangs_holds_up_no_match(
    lake: Lake, state: WatchState, receivers: Callable[..., Receiver], deliver: Open, tmp_path: Path
) -> None:
    receiver = receivers(lambda number: None if number == 0 else 200)
    deliveries = deliver(receiver.url, timeout_s=600.0)
    watching = watcher(lake, tmp_path, state=state, deliveries=deliveries)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        add(writer, World(0, length=20))
        watching.look()
        wait_until(lambda: receiver.requests == 1)
        add(writer, World(1, length=20))
        watching.look()
    assert len(reported(tmp_path)) == 8
    assert (receiver.requests, receiver.taken) == (1, [])  # the first still hangs
    receiver.release()
    wait_until(lambda: len(receiver.taken) == 8)
    assert receiver.ids == [each["id"] for each in reported(tmp_path)]


def test_what_was_not_sent_is_sent_by_the_next_watcher(
    lake: Lake, receivers: Callable[..., Receiver], tmp_path: Path
) -> None:
    gone = Receiver()
    gone.close()

    def once(url: str, world: World) -> None:
        state = WatchState(tmp_path / "watch.sqlite")
        webhook = Webhook(WebhookConfig(url))
        deliveries = Deliveries(state, webhook, dead_letter=tmp_path / "dead.jsonl", give_up_s=60, pauses=QUICK)
        watching = watcher(lake, tmp_path, state=state, deliveries=deliveries, since="now")
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
            add(writer, world)
        ended = time.monotonic() + 1.0
        watching.run(lambda: time.monotonic() > ended)
        state.close()

    once(gone.url, World(0, length=20))
    receiver = receivers()
    once(receiver.url, World(1, length=20))
    assert receiver.ids == [each["id"] for each in reported(tmp_path)]
    assert len(receiver.ids) == 8


def test_no_secret_is_shown(state: WatchState, deliver: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = Receiver()
    gone.close()
    keep(state, range(1))
    url = f"http://user:pass%20word@127.0.0.1:{gone.port}/hooks/secret-path?key=secret"
    with caplog.at_level(logging.DEBUG):
        deliveries = deliver(url, give_up_s=0.1, token="secret-token")
        wait_until(lambda: state.unsent() == 0)
    shown = caplog.text + repr(WebhookConfig(url, "secret-token")) + (tmp_path / "dead.jsonl").read_text()
    shown += str(deliveries.status())
    assert "secret" not in shown
    assert "pass" not in shown
    bad_ones = (
        "ftp://host/secret",
        "secret",
        "http://",
        "http://[::1/secret",
        "http://me:se/cret@host",
        "http://h:0x/s",
    )
    for bad in bad_ones:
        with pytest.raises(InvalidValueError) as refused:
            WebhookConfig(bad)
        assert not {"secret", "se", "cret"} & set(re.findall(r"\w+", str(refused.value)))


@pytest.mark.parametrize("token", ["", " ", "a\nb", "schlüssel", "€"])
def test_a_token_that_no_header_can_hold_is_refused_at_once(token: str) -> None:
    with pytest.raises(InvalidValueError, match="token"):
        WebhookConfig("http://host/path", token)


@pytest.mark.parametrize("header", ["X-Fine: yes", "no header at all"])
def test_the_log_of_what_was_sent_holds_no_path(
    state: WatchState, receivers: Callable[..., Receiver], deliver: Open, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    receiver = receivers(header=header)
    keep(state, range(1))
    with caplog.at_level(logging.DEBUG):
        deliver(receiver.url)
        wait_until(lambda: state.unsent() == 0)
    assert "secret" not in caplog.text


def test_a_user_in_the_address_is_sent_as_basic_authentication(
    state: WatchState, receivers: Callable[..., Receiver], deliver: Open
) -> None:
    receiver = receivers()
    keep(state, range(1))
    deliver(receiver.url.replace("127.0.0.1", "me:p%40ss@127.0.0.1"))
    wait_until(lambda: len(receiver.taken) == 1)
    assert receiver.headers[0]["Authorization"] == "Basic bWU6cEBzcw=="  # base64 of me:p@ss


def test_a_thread_that_dies_is_shown_and_started_again_and_no_hit_is_given_up_or_sent_twice_for_it(
    state: WatchState, receivers: Callable[..., Receiver], tmp_path: Path
) -> None:
    receiver = receivers(lambda _: 200)
    time = DeadlyTime()
    webhook = Webhook(WebhookConfig(receiver.url))
    deliveries = Deliveries(state, webhook, dead_letter=tmp_path / "dead.jsonl", give_up_s=0.0, pauses=QUICK, time=time)
    deliveries.start()
    time.strike("webhook")
    wait_until(lambda: "webhook" in time.pausing)
    ids = keep(state, range(3))
    assert deliveries.status().error == "the thread that sends hits died: Panic: struck"
    time.revive("webhook")
    wait_until(lambda: deliveries.status().delivered == 3)
    assert deliveries.status().error is None
    deliveries.stop()
    assert receiver.ids == ids
    assert dead_letters(tmp_path) == []
