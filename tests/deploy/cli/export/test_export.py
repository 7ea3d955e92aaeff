"""`regionlake export` and `sql` as they are called: catches a folder that is overwritten, a picture that is missing or
of another size, and an answer that is not written as its file's name says."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from tests.conftest import Run


def test_a_query_is_exported_with_the_pictures_of_its_source(called: Run, lake: Path, tmp_path: Path) -> None:
    out = tmp_path / "coco"
    done = called("export", "coco", "a car", "-k", "3", "--lake", lake, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out / "labels.json")
    read = json.loads((out / "labels.json").read_text())
    assert [each["name"] for each in read["categories"]] == ["a car"]
    assert len(read["images"]) == len(read["annotations"]) == 3
    for each in read["images"]:
        with Image.open(out / "data" / each["file_name"]) as picture:
            assert picture.size == (each["width"], each["height"])
    again = called("export", "coco", "a car", "--lake", lake, "--out", out)
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_thumbnails_and_no_pictures_can_be_chosen(called: Run, lake: Path, tmp_path: Path) -> None:
    for choice, pictures in (("thumbnail", 2), ("none", 0)):
        out = tmp_path / choice
        done = called("export", "yolo", "a car", "-k", "2", "--pictures", choice, "--lake", lake, "--out", out)
        assert done.returncode == 0, done.stderr
        assert len([*out.glob("images/*.jpg")]) == pictures
        assert len([*out.glob("labels/*.txt")]) == 2


def test_a_source_that_is_gone_is_exported_by_its_thumbnails(called: Run, clip: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.mp4"
    shutil.copy(clip, moved)
    lake = tmp_path / "lake"
    assert called("ingest", moved, "--lake", lake, "--engine", "local", "--proposer", "grid").returncode == 0
    moved.unlink()
    done = called("export", "coco", "a car", "-k", "1", "--lake", lake, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "thumbnails instead of originals" in done.stderr
    assert "moved.mp4" in done.stderr
    assert len([*(tmp_path / "out" / "data").iterdir()]) == 1


def test_everything_is_exported_where_nothing_is_asked(called: Run, lake: Path, tmp_path: Path) -> None:
    out = tmp_path / "regions.parquet"
    done = called("export", "parquet", "--until", "1", "--label", "thing", "--lake", lake, "--out", out)
    assert done.returncode == 0, done.stderr
    [(rows, labels, last)] = duckdb.sql(f"SELECT count(*), count(DISTINCT label), max(at_s) FROM '{out}'").fetchall()
    assert rows > 0
    assert labels == 1
    assert last < 1
    fewer = called("export", "csv", "--label", "thing", "--diverse", "4", "--lake", lake, "--out", tmp_path / "few.csv")
    assert "4 regions of" in fewer.stderr


def test_options_that_need_a_query_are_refused_without_one(called: Run, lake: Path, tmp_path: Path) -> None:
    done = called("export", "csv", "-k", "3", "--lake", lake, "--out", tmp_path / "x.csv")
    assert (done.returncode, "asks for nothing" in done.stderr) == (2, True)


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_an_answer_of_sql_is_written_as_its_file_says(called: Run, lake: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"answer.{suffix}"
    done = called("sql", "SELECT source, width_px, [1, 2] AS list FROM sources", "--lake", lake, "--out", out)
    assert done.returncode == 0, done.stderr
    [(source, width_px)] = duckdb.sql(f"SELECT source, width_px FROM '{out}'").fetchall()
    assert Path(source).name == "one clip.mp4"
    assert width_px > 0


def test_a_refused_query_is_one_line_and_wrong_usage(called: Run, lake: Path) -> None:
    done = called("sql", "DROP TABLE regions", "--lake", lake)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "only SELECT is answered, got DROP" in done.stderr
    assert called("sql", "SELECT 1", "--lake", lake, "--out", "answer.doc").returncode == 2


def test_a_wide_answer_is_shown_a_value_a_line(called: Run, lake: Path) -> None:
    narrow, wide = (called("sql", f"SELECT {what} FROM regions LIMIT 2", "--lake", lake) for what in ("x0, y0", "*"))
    assert narrow.stdout.split()[:2] == ["x0", "y0"]
    assert [line.split()[0] for line in wide.stdout.splitlines() if line.startswith(("x0", "y1"))] == ["x0", "y1"] * 2


def test_labels_come_back_by_the_command_line(called: Run, lake: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(lake, tmp_path / "lake")
    out = tmp_path / "regions.csv"
    assert called("export", "csv", "a car", "-k", "2", "--label", "car", "--lake", mine, "--out", out).returncode == 0
    header, first, second = out.read_text().splitlines()
    verdict = header.split(",").index("verdict")
    cells = first.split(",")
    cells[verdict] = "wrong"
    absent = second.split(",")
    absent[verdict] = "right"
    for name in ("region", "frame"):
        absent[header.split(",").index(name)] = "f" * 32
    out.write_text("\n".join((header, ",".join(cells), second, ",".join(absent))))
    done = called("labels", "import", out, "--lake", mine, "--by", "anna")
    assert done.returncode == 1
    assert done.stdout.startswith("1 label stored (csv): 0 right, 1 wrong")
    assert f"line 4: the lake has no region in the frame {'f' * 32}" in done.stderr
    again = called("export", "csv", "a car", "-k", "2", "--label", "car", "--lake", mine, "--out", tmp_path / "b.csv")
    assert again.stderr.startswith("1 region in 1 keyframe")
    [stored] = json.loads(called("labels", "list", "--lake", mine, "--json").stdout)
    assert (stored["region"], stored["verdict"], stored["labelled_by"]) == (cells[0], "wrong", "anna")
    assert "1 label of people" in called("check", "--lake", mine).stdout
    assert called("labels", "remove", "--lake", mine).returncode == 2
    assert called("labels", "remove", "nobody", "--lake", mine).returncode == 1
    assert called("labels", "remove", "--by", "anna", "--lake", mine).stdout == "1 label removed\n"
