"""The commands ingest and search: catches changes of the JSON, of exit codes, and of files that are written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from deploy.pictures.contact_sheet import HIT, QUERY
from tests.deploy.cli.conftest import Run
from tests.integration.clips import make_clip
from tests.signals import default_signals

COUNTS = "sources segments frames_decoded keyframes near_duplicates regions skipped quarantined failed".split()
ANYWHERE = ("--box", "0,0,1,1")  # a box alone needs no model: these tests are about everything else


def test_ingest_counts_and_names_what_it_could_not_use(regionlake: Run, clip: Path, tmp_path: Path) -> None:
    text, absent = tmp_path / "text.mp4", tmp_path / "absent.mp4"
    text.write_text("this is no video")
    done = regionlake(
        "ingest", text, clip, absent, "--lake", tmp_path / "lake", "--engine", "local", "--proposer", "grid", "--json"
    )
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert all(isinstance(report[count], int) for count in COUNTS)
    assert (report["segments"], report["frames_decoded"], report["skipped"]) == (1, 36, 0)
    assert report["keyframes"] >= 2
    assert report["regions"] > 0
    assert (report["quarantined"], report["failed"]) == (2, 0)
    assert {error["source"] for error in report["errors"]} == {str(text), str(absent)}
    assert all(error["error"] for error in report["errors"])
    assert report["seconds"]["embed"] > 0


def test_ingest_again_skips_and_says_so(called: Run, clip: Path, lake: Path) -> None:
    arguments = ["ingest", clip, "--lake", lake, "--engine", "local", "--proposer", "grid"]
    as_json = json.loads(called(*arguments, "--json").stdout)
    assert (as_json["skipped"], as_json["segments"], as_json["regions"]) == (1, 0, 0)
    done = called(*arguments)
    assert done.returncode == 0
    assert "1 source skipped" in done.stdout


def test_ingest_with_another_plan_is_refused_with_the_way_out(called: Run, clip: Path, lake: Path) -> None:
    done = called("ingest", clip, "--lake", lake, "--engine", "local", "--proposer", "complete-cover")
    assert done.returncode != 0
    assert "--replace" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_answer_names_the_sources_for_which_no_zone_was_drawn(called: Run, clip: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "other.mp4", seed=6, seconds=1)
    made = called("ingest", clip, tmp_path / "other.mp4", "--lake", tmp_path / "lake", "--proposer", "grid")
    assert made.returncode == 0, made.stderr
    zone = ("--zone", f"{clip.name}=0,0 .5,0 .5,.5", "--lake", tmp_path / "lake")
    words = json.loads(called("search", "a white box", *zone, "-k", 100, "--json").stdout)
    assert [Path(name).name for name in words["by_meaning_alone"]] == ["other.mp4"]
    assert {hit["geometric"] is None for hit in words["hits"] if hit["source"].endswith("other.mp4")} == {True}
    assert words["query"]["zones"] == [
        {"corners": [[0, 0], [0.5, 0], [0.5, 0.5]], "source": clip.name, "source_ids": []}
    ]
    alone = called("search", *zone, "-k", 100)
    assert "omitted, for no zone was drawn for it: other.mp4" in alone.stdout
    chosen = called("search", "a white box", *zone, "--source", clip.name)
    assert chosen.returncode == 0
    assert "no zone" not in chosen.stdout
    wrong = called("search", "a white box", "--zone", "gate=0,0,1,1", "--lake", tmp_path / "lake")
    assert wrong.returncode == 2
    assert "no source of the lake matches 'gate'" in wrong.stderr


def test_search_prints_one_object_of_the_promised_shape(regionlake: Run, clip: Path, lake: Path) -> None:
    done = regionlake("search", "a white box", "--box", "0,0,0.5,0.6", "--lake", lake, "-k", 3, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == ["query", "took_ms", "exact", "recall_target", "access_path", "hits"]
    assert answer["exact"] is True
    assert [hit["rank"] for hit in answer["hits"]] == list(range(1, len(answer["hits"]) + 1))
    first = answer["hits"][0]
    assert first["source"] == str(clip)
    assert first["distance"] == pytest.approx((first["semantic"] + first["geometric"]) / 2, abs=1e-6)
    assert first["shot_s"][0] <= first["pts_s"] < first["shot_s"][1]
    assert first["time"] is None, "this clip does not say when it was recorded"


def test_a_table_names_every_hit(called: Run, lake: Path) -> None:
    done = called("search", *ANYWHERE, "--lake", lake, "-k", 2)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["rank", "distance", "semantic"]
    assert lines[1].split()[0] == "1"
    assert "one clip.mp4" in lines[1]
    assert "2 hits of" in lines[-1]


def test_hits_have_a_confidence_at_which_a_search_can_be_cut(called: Run, lake: Path) -> None:
    words = ["search", "a white box", "--lake", lake, "-k", 50]
    hits = json.loads(called(*words, "--json").stdout)["hits"]
    assert all(0.0 <= hit["confidence"] <= 1.0 for hit in hits)
    limit = sorted(hit["confidence"] for hit in hits)[len(hits) // 2]
    some = json.loads(called(*words, "--json", "--min-confidence", limit).stdout)["hits"]
    assert all(hit["confidence"] >= limit for hit in some)
    assert {hit["frame_id"] for hit in hits if hit["confidence"] >= limit} <= {hit["frame_id"] for hit in some}
    table = called(*words, "--min-confidence", limit).stdout.splitlines()
    assert table[0].split()[:3] == ["rank", "confidence", "distance"]
    assert float(table[1].split()[1]) == pytest.approx(some[0]["confidence"], abs=0.005)


def test_a_limit_of_confidence_is_refused_where_hits_have_none(called: Run, lake: Path) -> None:
    assert {
        hit["confidence"] for hit in json.loads(called("search", *ANYWHERE, "--lake", lake, "--json").stdout)["hits"]
    } == {None}
    alone = called("search", *ANYWHERE, "--lake", lake, "--min-confidence", 0.5)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "--min-confidence is the chance" in alone.stderr
    others = called("search", "a dog", "--lake", lake, "--min-confidence", 0.5, "--method", "detail")
    assert others.returncode == 2
    assert "hits of detail have no confidence" in others.stderr


@pytest.mark.parametrize(("window", "inside"), [(["--since", "1.5"], (1.5, 9)), (["--until", "0:01.5"], (0, 1.5))])
def test_time_filters_hold(called: Run, lake: Path, window: list[str], inside: tuple[float, float]) -> None:
    hits = json.loads(called("search", *ANYWHERE, "--lake", lake, "--json", *window).stdout)["hits"]
    assert hits
    assert all(inside[0] <= hit["pts_s"] < inside[1] for hit in hits)


def test_utc_filters_leave_out_sources_without_a_recording_time(called: Run, lake: Path) -> None:
    done = called("search", *ANYWHERE, "--lake", lake, "--json", "--since", "2020-01-01T00:00:00Z")
    assert done.returncode == 0
    assert json.loads(done.stdout)["hits"] == []


def test_source_filter_keeps_what_matches(called: Run, lake: Path) -> None:
    def found(pattern: str) -> int:
        return len(
            json.loads(called("search", *ANYWHERE, "--lake", lake, "--json", "--source", pattern).stdout)["hits"]
        )

    assert found("one clip") == found("*/one clip.mp4") > 0
    assert found("another") == 0


def test_a_picture_finds_the_frame_it_was_taken_from(called: Run, clip: Path, lake: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    frames[-4].to_image().save(tmp_path / "late.png")
    done = called("search", "--image", tmp_path / "late.png", "--lake", lake, "-k", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hits"][0]["pts_s"] >= 1.5, "the clip's second half looks nothing like its first"


def test_a_contact_sheet_and_clips_are_written_where_requested(called: Run, lake: Path, tmp_path: Path) -> None:
    sheet, clips = tmp_path / "new" / "hits.png", tmp_path / "clips"
    asked = ["--box", "0.2,0.2,0.7,0.8", "-k", 2, "--sheet", sheet, "--clips", clips]
    done = called("search", "--lake", lake, *asked, "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)  # the paths of the files are printed to standard error
    pixels = np.asarray(Image.open(sheet))
    for colour in (HIT, QUERY):
        assert (pixels == colour).all(axis=-1).sum() > 500
    cut = sorted(clips.glob("*.mp4"))
    assert [path.name[:2] for path in cut] == ["01", "02"]
    assert str(cut[0]) in done.stderr
    with av.open(str(cut[0])) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5


def test_an_interrupted_ingest_ends_cleanly_and_continues(regionlake: Run, tmp_path: Path) -> None:
    long = make_clip(tmp_path / "long.mp4", seed=8, seconds=10)
    lake = tmp_path / "lake"
    arguments = ["ingest", str(long), "--lake", str(lake), "--engine", "local", "--proposer", "grid"]
    arguments += ["--set", "run.segment_s=1"]
    command = [sys.executable, "-m", "deploy.cli.main", *arguments]
    with default_signals():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        deadline = time.monotonic() + 60
        while not (lake / "patches.lance" / "_versions").exists() and time.monotonic() < deadline:
            time.sleep(0.05)  # until the last table exists, and the ingest is running
        said = ""
        for _ in range(6):
            os.kill(process.pid, signal.SIGINT)
            try:
                _, said = process.communicate(timeout=10)
                break
            except subprocess.TimeoutExpired:
                continue  # on a busy machine, press Ctrl-C again
    # a further Ctrl-C while Python is leaving ends it by the signal, which a shell shows as 130 too
    assert process.returncode in (130, -signal.SIGINT), said
    assert "interrupted" in said
    # Python reports an interrupt in a finaliser and continues; the next check then ends the run
    assert "Traceback" not in said or "Exception ignored" in said, said
    done = regionlake(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == 0
