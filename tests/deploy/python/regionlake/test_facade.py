"""`import regionlake`: catches a slow import, examples that do not run, and missing options of a query."""

import doctest
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
from PIL import Image

import regionlake as rl

MODULES = ["regionlake", *(f"regionlake.{module.name}" for module in iter_modules(rl.__path__))]


def test_the_import_brings_nothing_heavy() -> None:
    heavy = {"torch", "ray", "lancedb", "lance", "pyarrow", "pandas", "cv2", "av", "transformers", "onnxruntime", "PIL"}
    code = f"import sys, regionlake; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str, lake: rl.Lake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = doctest.testmod(import_module(module), extraglobs={"lake": lake})
    assert found.failed == 0


def test_everything_that_is_promised_is_there() -> None:
    assert all(getattr(rl, name) is not None for name in rl.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        rl.Nothing  # noqa: B018


def test_a_search_takes_what_a_query_takes() -> None:
    own, asked = (inspect.signature(of).parameters for of in (rl.Lake.search, rl.Query))
    assert [*own.values()][1:] == [*asked.values()]
    assert "within_s: How soon" in (rl.Lake.search.__doc__ or "")


def test_pictures_may_be_paths_arrays_or_of_pillow(lake: rl.Lake, tmp_path: Path) -> None:
    pixels = np.full((64, 96, 3), 200, np.uint8)
    pixels[16:48, 32:64] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "red.png")
    images = (tmp_path / "red.png", str(tmp_path / "red.png"), pixels, Image.fromarray(pixels))
    by_path, *others = [[hit.distance for hit in lake.search(image=image, k=3)] for image in images]
    assert len(by_path) == 3
    assert all(other == by_path for other in others)


def test_hits_have_a_confidence_at_which_a_search_can_be_cut(lake: rl.Lake) -> None:
    hits = lake.search("a box", k=50)
    chances = [hit.confidence for hit in hits]
    assert all(chance is not None and 0.0 <= chance <= 1.0 for chance in chances)
    assert hits.to_arrow()["confidence"].to_pylist() == chances
    limit = max(chance or 0.0 for chance in chances)
    sure = lake.search("a box", k=50, min_confidence=limit)
    assert len(sure) >= 1
    assert all((hit.confidence or 0.0) >= limit for hit in sure)
    with pytest.raises(rl.QueryError, match="a box alone"):
        lake.search(box=(0, 0, 1, 1), min_confidence=0.5)


def test_a_box_alone_needs_no_model_and_words_do(folder: Path) -> None:
    with rl.open(folder / "lake", model="no-such-model") as lake:
        assert lake.search(box=(0, 0, 1, 1), k=2)[0].rank == 1
        with pytest.raises(rl.ModelError, match="no-such-model"):
            lake.search("a dog")


def test_zones_are_given_as_corners_boxes_text_or_a_zone(lake: rl.Lake) -> None:
    corners = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    shapes = (corners, (0.0, 0.0, 0.5, 1.0), "0,0,.5,1", rl.Zone(corners))
    first, *others = [lake.search("a red box", zones=(shape,), k=5) for shape in shapes]
    assert len(first) > 0
    assert all(hit.place.box[2] - 0.5 <= 0.5 - hit.place.box[0] + 1e-6 for hit in first), "at least half is inside"
    assert all([*other] == [*first] for other in others)
    assert first.by_meaning_alone == first.omitted == ()
    with pytest.raises(rl.QueryError, match="no source of the lake matches 'gate'"):
        lake.search("a red box", zones=(rl.Zone(corners, source="gate"),))


def test_wrong_queries_and_missing_lakes_are_named(lake: rl.Lake, tmp_path: Path) -> None:
    with pytest.raises(rl.QueryError, match="asks for nothing"):
        lake.search()
    with pytest.raises(TypeError, match="colour"):
        lake.search("a dog", colour="red")  # type: ignore[call-overload]
    with pytest.raises(rl.LakeError, match="no lake at"):
        rl.open(tmp_path / "nowhere")


def test_a_source_that_cannot_be_read_is_in_the_report(tmp_path: Path) -> None:
    report = rl.ingest([tmp_path / "absent.mp4"], lake=tmp_path / "lake")
    assert not report.ok
    assert [failure.uri for failure in report.quarantined] == [str(tmp_path / "absent.mp4")]
