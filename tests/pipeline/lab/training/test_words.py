"""Words trained from labels: catches a fit that is not the minimum, labels and verdicts that count the wrong way, and a
query by a word that does not use it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from operators.encoders.calibration import QUERY_KINDS, VECTOR_KINDS, Calibration, LogisticWeights
from pipeline.analysis.lake_rows import LakeRows
from pipeline.lab.training.words.fit import WordFit, fit_word
from pipeline.lab.training.words.train import WordTraining, train_word
from pipeline.labels.label_table import HumanLabel, Labels
from pipeline.labels.word_table import TrainedWord, Words
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.search.target import TargetMaker
from schemas.errors import InvalidValueError, ModelError, QueryError
from schemas.query import Query
from schemas.vectors import VectorArray
from tests.pipeline.analysis.conftest import lake_of
from tests.pipeline.analysis.street import Street
from tests.pipeline.labels.label_of import label_of
from tests.pipeline.lake.synthetic import SPACE

CAR, WALKER = 1, 2  # axes of their vectors


class Speechless:
    """An encoder that knows no words, with a calibration, which words of its own do not use."""

    space = SPACE

    def __init__(self) -> None:
        weights = {(query, kind): LogisticWeights(0.0, 1.0, 0.0, 0.0) for query in QUERY_KINDS for kind in VECTOR_KINDS}
        nouns = np.eye(SPACE.dimension, dtype=np.float32)
        self.calibration = Calibration(nouns, np.full(len(nouns), 1 / len(nouns), np.float32), 5.0, weights)

    def encode_texts(self, _: Sequence[str]) -> VectorArray:
        raise ModelError("it knows no words")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words") / "lake"
    lake_of(folder, Street(0, labelled=False))
    return folder


@pytest.fixture
def lake(made: Path, tmp_path: Path) -> Lake:
    return Lake.open(str(shutil.copytree(made, tmp_path / "lake")))


def labelled(lake: Lake, axis: int, label: str, *, count: int, verdict: str = "right") -> list[HumanLabel]:
    """Labels of the first regions on an axis, in order of time."""
    rows = lake.read("regions").sort_by([("pts", "ascending"), ("id", "ascending")]).to_pylist()
    shown = [row for row in rows if row["vector"][axis] > 0.5]
    return [label_of(row, label, verdict=verdict) for row in shown[:count]]  # type: ignore[arg-type]


def trained(lake: Lake, name: str = "walker") -> TrainedWord:
    return train_word(LakeRows(lake), Speechless(), WordTraining(name))  # type: ignore[arg-type]


def test_a_fit_is_the_minimum_that_scikit_learn_finds() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(300, 6))
    shows = vectors[:, 0] + 0.5 * rng.normal(size=300) > 0.7
    weights = rng.uniform(0.5, 2.0, 300)
    prior = np.array([1.0, 0, 0, -1.0, 0, 0])
    config = WordFit(strengths=(0.1,))
    found = fit_word(vectors, shows, weights, [str(i) for i in range(300)], prior=np.zeros(6), config=config)
    other = LogisticRegression(C=1 / (2 * 0.1 / 1e3), tol=1e-8, max_iter=1000)
    other.fit(vectors, shows, sample_weight=weights / weights.sum())
    np.testing.assert_allclose(found.direction, other.coef_[0], rtol=0.01, atol=0.01)
    assert found.offset == pytest.approx(other.intercept_[0], abs=0.02)
    held = fit_word(
        vectors, shows, weights, [str(i) for i in range(300)], prior=prior, config=WordFit(strengths=(1e7,))
    )
    np.testing.assert_allclose(held.direction, prior, atol=1e-3)  # a strong penalty keeps what was known before


def test_a_word_is_of_what_people_called_so_and_the_same_each_time(lake: Lake) -> None:
    Labels(lake).add(labelled(lake, WALKER, "walker", count=6))
    word = trained(lake)
    assert int(word.vector.argmax()) == WALKER
    assert (word.right, word.wrong) == (6, 0)
    again = trained(lake)
    assert np.array_equal(again.vector, word.vector)
    assert (again.offset, again.cosine) == (word.offset, word.cosine)


def test_what_people_call_wrong_or_something_else_speaks_against_it(lake: Lake) -> None:
    Labels(lake).add(labelled(lake, WALKER, "moving", count=4))
    Labels(lake).add(labelled(lake, CAR, "moving", count=4, verdict="wrong"))
    word = trained(lake, "moving")
    assert (word.right, word.wrong) == (4, 4)
    assert word.vector[WALKER] > 0 > word.vector[CAR]
    Labels(lake).add(labelled(lake, CAR, "moving", count=4))  # they change their mind
    word = trained(lake, "moving")
    assert (word.right, word.wrong) == (8, 0)
    assert word.vector[CAR] > 0


def test_too_few_labels_are_refused_with_what_to_do(lake: Lake) -> None:
    Labels(lake).add(labelled(lake, WALKER, "walker", count=2))
    with pytest.raises(QueryError, match=r"2 regions .* a word needs 3"):
        trained(lake)


def test_a_query_by_a_word_is_answered_by_it_with_its_chances(lake: Lake) -> None:
    Labels(lake).add(labelled(lake, WALKER, "walker", count=6))
    word = trained(lake)
    Words(lake).add(word)
    [stored] = Words(lake).read()
    assert np.array_equal(stored.vector, word.vector)
    maker = TargetMaker(Speechless(), lake=lake)  # type: ignore[arg-type]
    target = maker(Query(text="word:walker"))
    assert target.vector is not None
    np.testing.assert_array_equal(target.vector, word.vector)
    assert target.confidence is not None
    rows = np.eye(SPACE.dimension, dtype=np.float16)
    expected = 1 / (1 + np.exp(-(word.offset + word.cosine * word.vector.astype(np.float64))))
    for kind in VECTOR_KINDS:
        np.testing.assert_allclose(target.confidence(rows, kind=kind), expected, atol=1e-4)
    assert int(expected.argmax()) == WALKER
    Labels(lake).add(labelled(lake, CAR, "walker", count=12))
    Words(lake).add(trained(lake))  # the maker must not answer by the former word
    newer = maker(Query(text="word:walker")).vector
    assert newer is not None
    assert newer[CAR] > target.vector[CAR]
    with pytest.raises(QueryError, match="there are: 'walker'"):
        maker(Query(text="word:rider"))
    assert check(Lake.open(lake.uri)).ok
    assert Words(lake).remove("walker") == 1
    assert Words(lake).read() == ()


@pytest.mark.parametrize("name", ["", " a", "a:b:", "x" * 65, "a\nb"])
def test_a_name_that_no_query_can_say_is_refused(lake: Lake, name: str) -> None:
    Labels(lake).add(labelled(lake, WALKER, "walker", count=6))
    word = trained(lake)
    fields = (word.space, word.vector, word.offset, word.cosine, word.right, word.wrong, word.others, word.trained_at)
    with pytest.raises(InvalidValueError, match="name"):
        TrainedWord(name, *fields)
