"""`regionlake watch`: catches a limit that differs from the distances of `search`, changes of the JSON lines, and
a command that cannot be ended or started again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.cli.conftest import Run
from tests.pipeline.watch.receiver import Receiver
from tests.signals import default_signals

BOX = ("--box", "0,0,0.5,0.6")


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_largest_distance_is_one_of_search(called: Run, lake: Path, tmp_path: Path) -> None:
    searched = json.loads(called("search", "a white box", *BOX, "--lake", lake, "-k", 2, "--json").stdout)["hits"]
    out = tmp_path / "hits.jsonl"
    command = ["watch", "a white box", *BOX, "--lake", lake, "--max-distance", searched[-1]["distance"], "--since"]
    command += ["start", "--once", "--out", out, "--state", tmp_path / "watch.sqlite"]
    done = called(*command)
    assert done.returncode == 0, done.stderr
    assert "2 hits in" in done.stderr
    found = sorted(lines(out.read_text()), key=lambda hit: str(hit["distance"]))
    assert [hit["frame_id"] for hit in found] == [hit["frame_id"] for hit in searched]
    assert [hit["box"] for hit in found] == [hit["box"] for hit in searched]
    assert found[0].keys() == searched[0].keys() | {"id", "watch", "found_at"}
    assert {hit["watch"] for hit in found} == {"a-white-box"}


def test_a_file_of_watches_tells_each_hit_once_to_a_webhook_whose_token_is_not_shown(
    called: Run, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "watches.toml").write_text(
        "[watch.corner]\nbox = [0, 0, 0.3, 0.3]\nmax_distance = 1\n[watch.all]\nbox = [0, 0, 1, 1]\nmax_distance = 1\n"
    )
    monkeypatch.setenv("HOOK_TOKEN", "a-secret")
    receiver = Receiver()
    try:
        command = ["watch", "--queries", tmp_path / "watches.toml", "--lake", lake, "--since", "start", "--once"]
        command += ["--state", tmp_path / "watch.sqlite", "--webhook", receiver.url]
        done = called(*command, "--webhook-token-env", "HOOK_TOKEN")
        again = called(*command)
    finally:
        receiver.close()
    assert done.returncode == 0, done.stderr
    printed = lines(done.stdout)
    assert {hit["watch"] for hit in printed} == {"corner", "all"}
    assert receiver.taken == printed
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer a-secret"}
    assert "secret" not in done.stdout + done.stderr
    assert f"{len(printed)} delivered, 0 given up, 0 waiting" in done.stderr
    assert (again.returncode, again.stdout) == (0, ""), again.stderr


def test_a_confidence_is_one_of_search(called: Run, lake: Path, tmp_path: Path) -> None:
    words = ["a white box", *BOX, "--lake", lake]
    every = json.loads(called("search", *words, "-k", 50, "--json").stdout)["hits"]
    limit = sorted(hit["confidence"] for hit in every)[-2]
    searched = json.loads(called("search", *words, "-k", 50, "--json", "--min-confidence", limit).stdout)["hits"]
    watch = ["watch", *words, "--min-confidence", limit, "--since", "start", "--once", "--state", tmp_path / "s.sqlite"]
    found = lines(called(*watch).stdout)
    assert len(searched) >= 2
    assert {hit["frame_id"]: hit["confidence"] for hit in found} == {h["frame_id"]: h["confidence"] for h in searched}


def test_a_zone_is_that_of_search(called: Run, lake: Path, tmp_path: Path) -> None:
    words = ("a white box", "--zone", "one clip=0,0 .5,0 .5,.5 .25,1 0,.5", "--min-inside", 0.6, "--lake", lake)
    searched = json.loads(called("search", *words, "-k", 100, "--json").stdout)["hits"]
    command = [*words, "--max-distance", 2, "--since", "start", "--once", "--state", tmp_path / "watch.sqlite"]
    done = called("watch", *command)
    assert done.returncode == 0, done.stderr
    found = {hit["frame_id"]: (hit["box"], hit["geometric"]) for hit in lines(done.stdout)}
    assert found == {hit["frame_id"]: (hit["box"], hit["geometric"]) for hit in searched} != {}


def test_the_former_name_of_the_largest_distance_works_and_is_reported(called: Run, lake: Path, tmp_path: Path) -> None:
    command = ["watch", "--box", "0,0,1,1", "--lake", lake, "--since", "start", "--once"]
    new = called(*command, "--max-distance", 1, "--state", tmp_path / "new.sqlite")
    old = called(*command, "--threshold", 1, "--state", tmp_path / "old.sqlite")
    assert (new.returncode, old.returncode) == (0, 0), new.stderr + old.stderr
    assert [hit["id"] for hit in lines(old.stdout)] == [hit["id"] for hit in lines(new.stdout)] != []
    assert "--threshold is deprecated" in old.stderr
    assert "deprecated" not in new.stderr
    both = called(*command, "--threshold", 0, "--max-distance", 0)
    assert (both.returncode, both.stdout) == (2, "")


def test_a_stay_is_reported_once(called: Run, lake: Path, tmp_path: Path) -> None:
    command = ["watch", *BOX, "--max-distance", 1, "--lake", lake, "--since", "start", "--once", "--name"]
    each = called(*command, "each", "--state", tmp_path / "each.sqlite")
    stays = called(*command, "stays", "--state", tmp_path / "stays.sqlite", "--stay", 1)
    assert (each.returncode, stays.returncode) == (0, 0), each.stderr + stays.stderr
    sources = {hit["source"] for hit in lines(each.stdout)}
    assert len(lines(each.stdout)) > len(sources)
    assert sorted(hit["source"] for hit in lines(stays.stdout)) == sorted(sources)
    assert "held back by cooldowns and least stays" in stays.stderr


def test_it_watches_until_it_is_asked_to_end(lake: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli.main", "watch", "--box", "0,0,1,1", "--max-distance", "1"]
    command += ["--lake", str(lake), "--state", str(tmp_path / "watch.sqlite"), "--since", "start"]
    with default_signals():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["watch"] == "box"  # while the command still runs
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "hits in" in errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a dog",), "--min-confidence"),
        (("--box", "0,0,1,1"), "--max-distance"),
        (("--box", "0,0,1,1", "--min-confidence", "0.5"), "a box alone"),
        (("a dog", "--max-distance", "0.5", "--webhook", "http://host", "--webhook-token-env", "NO_SUCH"), "NO_SUCH"),
        (("a dog", "--queries", __file__), "TEXT is set in the file"),
        (("a dog", "--max-distance", "0.5", "--hours", "at noon"), "are no hours"),
        (("a dog", "--max-distance", "0.5", "--dead-letter", "lost.jsonl"), "--dead-letter"),
        (("a dog", "--max-distance", "0.5", "--webhook-token-env", "PATH"), "--webhook-token-env"),
    ],
)
def test_wrong_usage_says_what_is_right(
    called: Run, lake: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = called("watch", *words, "--lake", lake, "--state", tmp_path / "watch.sqlite")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
