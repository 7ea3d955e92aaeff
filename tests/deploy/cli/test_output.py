"""Printed results: catches changes of the keys of the JSON."""

import json
from collections.abc import Callable

from schemas.query import SearchResult
from schemas.query_json import result_json

HIT_KEYS = ["rank", "distance", "semantic", "geometric", "source", "pts_s", "time", "shot_s", "box"]
HIT_KEYS += ["frame_id", "region_id", "proposer", "label", "track", "confidence", "score", "human_label", "verdict"]


def test_the_json_of_a_search_has_the_promised_keys(make_result: Callable[..., SearchResult]) -> None:
    printed = json.loads(json.dumps(result_json(make_result(hits=2))))
    assert list(printed) == ["query", "took_ms", "exact", "recall_target", "access_path", "hits"]
    assert [list(hit) for hit in printed["hits"]] == [HIT_KEYS] * 2
    assert printed["query"]["text"] == "a bicycle"
    assert printed["query"]["box"] == [0.2, 0.3, 0.6, 0.8]
    assert printed["hits"][0]["time"] == "2026-05-01T12:00:08+00:00"
    assert printed["hits"][0]["shot_s"] == [7.6, 10.0]
