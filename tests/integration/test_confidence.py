"""Confidences of the default model on real pictures: catches a calibration that is not of the weights beside it, is not
shipped with them, or does not say how many hits are right; and a cut-off that old lakes take without having any."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from operators.encoders.catalogue import load_encoder
from operators.proposals.models.coco_classes import COCO_CLASSES
from pipeline.ingest.run import ingest
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.search.searcher import Searcher
from schemas.errors import QueryError
from schemas.query import Query
from tests.conftest import Run

OLD = Path(__file__).parents[1] / "fixtures" / "lake-0.2.0"
PICTURES = 40
Found = list[tuple[str, str, float]]  # name, file, confidence


@pytest.fixture(scope="module")
def shown(data_dir: Path) -> dict[str, set[str]]:
    """Picture → the names of what it shows, of pictures that neither the model nor its calibration has seen."""
    frames = read_coco_pictures(data_dir / "coco128").frames[:PICTURES]
    return {str(frame.path): {COCO_CLASSES[label] for label in frame.objects.labels.tolist()} for frame in frames}


@pytest.fixture(scope="module")
def lake(shown: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory) -> Lake:
    uri = str(tmp_path_factory.mktemp("pictures") / "lake")
    assert ingest([*shown], uri, Plan()).ok
    return Lake.open(uri)


def found(lake: Lake, *, least: float | None) -> Found:
    """The hits of every name."""
    searcher = Searcher(lake, load_encoder(Plan().model))
    try:
        hits: Found = []
        for name in COCO_CLASSES:
            for hit in searcher.search(Query(text=name, k=PICTURES, min_confidence=least)).hits:
                assert hit.confidence is not None
                hits.append((name, hit.source, hit.confidence))
        return hits
    finally:
        searcher.close()


def test_a_cut_at_one_half_keeps_what_shows_the_words_whatever_these_are(
    lake: Lake, shown: dict[str, set[str]]
) -> None:
    every, sure = found(lake, least=None), found(lake, least=0.5)
    assert len(every) == PICTURES * len(COCO_CLASSES)
    assert {(name, file) for name, file, _ in sure} >= {(name, file) for name, file, chance in every if chance >= 0.5}
    assert all(chance >= 0.5 for _, _, chance in sure)
    right = [name in shown[file] for name, file, _ in sure]
    # of all hits one in thirty is right
    assert np.mean(right) > 0.6
    assert sum(right) > 0.3 * sum(map(len, shown.values()))


def test_the_sum_of_confidences_is_about_how_many_hits_are_right(lake: Lake, shown: dict[str, set[str]]) -> None:
    every = found(lake, least=None)
    expected = sum(chance for _, _, chance in every)
    right = sum(name in shown[file] for name, file, _ in every)
    # a region may show less than its picture, and forty pictures are few
    assert 0.5 * right < expected < 2 * right


def test_hits_of_an_old_lake_have_no_confidence_and_a_cut_is_refused_with_the_reason(
    called: Run, tmp_path: Path
) -> None:
    folder = shutil.copytree(OLD / "lake", tmp_path / "lake")
    words = ["search", "a test card", "--lake", folder]
    plain = called(*words, "--json")
    assert plain.returncode == 0, plain.stderr
    assert {hit["confidence"] for hit in json.loads(plain.stdout)["hits"]} == {None}
    cut = called(*words, "--min-confidence", 0.5)
    assert (cut.returncode, cut.stdout) == (2, "")
    assert "everyday-1@f9e76f3a8576 has no calibration, only distances" in cut.stderr
    searcher = Searcher(Lake.open(str(folder)), load_encoder("everyday-1"))
    with pytest.raises(QueryError, match="has no calibration"):
        searcher.search(Query(image=str(OLD.parent / "lake-0.1.0" / "picture.png"), min_confidence=0.5))
    searcher.close()
