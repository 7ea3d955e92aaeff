"""What is printed: catches a key of the JSON that changes, and names or times that mislead."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.output import clock_time, search_json, short_names
from schemas.query import SearchResult

HIT_KEYS = ["rank", "distance", "semantic", "geometric", "source", "pts_s", "time", "shot_s", "box"]
HIT_KEYS += ["frame_id", "region_id", "proposer"]


def test_the_json_of_a_search_has_the_promised_keys(make_result: Callable[..., SearchResult]) -> None:
    printed = json.loads(json.dumps(search_json(make_result(hits=2))))
    assert list(printed) == ["query", "took_ms", "exact", "hits"]
    assert [list(hit) for hit in printed["hits"]] == [HIT_KEYS] * 2
    assert printed["query"]["text"] == "a bicycle"
    assert printed["query"]["box"] == [0.2, 0.3, 0.6, 0.8]
    assert printed["hits"][0]["time"] == "2026-05-01T12:00:08+00:00"
    assert printed["hits"][0]["shot_s"] == [7.6, 10.0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.00"), (8.24, "0:08.24"), (59.999, "1:00.00"), (3725.5, "1:02:05.50"), (-0.04, "-0:00.04")],
)
def test_times_are_read_off_like_on_a_player(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


@given(st.floats(0, 1e6))
def test_a_printed_time_is_within_half_a_hundredth(seconds: float) -> None:
    *clock, rest = clock_time(seconds).split(":")
    minutes = sum(int(part) * 60 ** (len(clock) - 1 - i) for i, part in enumerate(clock))
    assert minutes * 60 + float(rest) == pytest.approx(seconds, abs=0.00501)
    assert float(rest) < 60


@given(st.lists(st.sampled_from(["/a/x.mp4", "/b/x.mp4", "/b/y.mp4", "s3://bucket/y.mp4", "z.mp4"])))
def test_short_names_tell_sources_apart(uris: list[str]) -> None:
    names = short_names(uris)
    assert set(names) == set(uris)
    assert len(set(names.values())) == len(names)
    assert all(uri.endswith(name) for uri, name in names.items())
