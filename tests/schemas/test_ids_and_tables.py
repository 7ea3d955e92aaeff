"""Catches ids that change between runs or collide, and tables that do not record the space of their vectors."""

import pickle

import numpy as np
import pytest

from schemas import errors
from schemas.boxes import Boxes
from schemas.clock import Span
from schemas.errors import LakeError, ModelError
from schemas.ids import digest, frame_id, region_ids, segment_id
from schemas.tables import TABLE_NAMES, require_version, schema_of, vector_space
from schemas.vectors import VectorSpace, normalise

GOLDEN = {
    "frame": "307f06def08770f505c0abc3ab3ace1d",
    "segment": "352ea1e9d1b3850b5d44c6ca39453a33",
    "region": "6c002c732d129ef1f05e85fe588ab862",
}
SPACE = VectorSpace("everyday", "1", 16, "rgb, 224 px")


def test_ids_are_those_of_the_first_release() -> None:
    """Golden: a change of these orphans every lake. Made by `print(frame_id("a" * 32, 12345))` and so on."""
    assert frame_id("a" * 32, 12345) == GOLDEN["frame"]
    assert segment_id("a" * 32, "plan", Span(0, 10)) == GOLDEN["segment"]
    assert region_ids("f", Boxes([[0, 0, 0.5, 1]]), ["moving"]) == [GOLDEN["region"]]


def test_parts_of_an_id_do_not_run_together() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")


def test_region_ids_differ_by_box_and_proposer() -> None:
    two = Boxes([[0, 0, 0.5, 1], [0, 0, 0.5, 0.99]])
    ids = region_ids("f", two, ["moving", "moving"]) + region_ids("f", two, ["grid-4", "grid-4"])
    assert len(set(ids)) == 4


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_every_table_records_its_version(name: str) -> None:
    require_version(schema_of(name, SPACE), lake="here")  # type: ignore[arg-type]


def test_a_table_of_another_version_is_refused_with_the_fix() -> None:
    with pytest.raises(LakeError, match="schema version none"):
        require_version(schema_of("shots", SPACE).remove_metadata(), lake="here")


def test_vector_columns_record_their_space() -> None:
    assert vector_space(schema_of("frames", SPACE)) == SPACE
    assert vector_space(schema_of("regions", SPACE)) == SPACE
    assert vector_space(schema_of("patches", SPACE), "vectors") == SPACE


def test_vectors_of_another_model_are_refused_with_the_fix() -> None:
    with pytest.raises(ModelError, match="use the model that wrote the lake"):
        SPACE.require_same(VectorSpace("clip", "2", 16, "rgb, 224 px"), lake="lake")


def test_normalising_keeps_zero_vectors() -> None:
    unit = normalise(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in vars(errors) if n.endswith("Error")])
def test_errors_survive_pickling(name: str) -> None:
    error = getattr(errors, name)("what, got, fix")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == "what, got, fix"
