"""Catches identities that depend on the layout of a class, and configs that share one but make different rows."""

from collections.abc import Mapping
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.runtime.settings import Metadata, identity, neutral, no_rows, stored_as, weights
from schemas.errors import InvalidValueError, ModelError

NAMES = st.sampled_from(["limit", "model", "max_iou", "use", "least_area", "batch"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3).map(tuple),
    lambda below: st.dictionaries(NAMES, below, min_size=1, max_size=3).map(lambda values: config(values)),
    max_leaves=6,
)
SETTINGS = st.dictionaries(NAMES, VALUES, max_size=4)


def config(values: Mapping[str, object], metadata: Mapping[str, Metadata] | None = None, **methods: Any) -> Any:
    """A frozen dataclass with these fields, in this order, and these values."""
    made = [(name, object, field(metadata=(metadata or {}).get(name))) for name in values]
    return make_dataclass("Config", made, frozen=True, namespace=methods)(**values)


@given(SETTINGS, st.randoms())
def test_the_order_of_fields_changes_nothing(values: dict[str, object], random: Any) -> None:
    shuffled = list(values.items())
    random.shuffle(shuffled)
    assert identity(config(dict(shuffled))) == identity(config(values))


@given(SETTINGS, SETTINGS)
def test_equal_identities_come_from_equal_settings_alone(a: dict[str, object], b: dict[str, object]) -> None:
    def nested(value: Any) -> object:
        known = hasattr(value, "__dataclass_fields__")
        return {f.name: nested(getattr(value, f.name)) for f in fields(value)} if known else value

    assert (identity(config(a)) == identity(config(b))) == (nested(config(a)) == nested(config(b)))


@given(SETTINGS, VALUES)
def test_a_newer_setting_counts_at_any_value_but_its_neutral_one(values: dict[str, object], value: object) -> None:
    before = identity(config(values))
    grown = {**values, "newer": value}
    assert identity(config(grown, {"newer": neutral(value)})) == before
    assert identity(config(grown, {"newer": neutral("another")})) == identity(config(grown)) != before


@given(SETTINGS, VALUES)
def test_a_setting_counts_by_the_name_it_is_stored_as(values: dict[str, object], value: object) -> None:
    before = identity(config({**values, "old": value}))
    assert identity(config({"new": value, **values}, {"new": stored_as("old")})) == before
    inside = config({"new": value}, {"new": stored_as("/old")})
    assert identity(config({**values, "elsewhere": inside})) == before


@given(SETTINGS, VALUES, VALUES)
def test_what_makes_no_rows_or_is_out_of_use_does_not_count(values: dict[str, object], a: object, b: object) -> None:
    def made(value: object, **kept: Any) -> dict[str, Any]:
        return identity(config({**values, "batch": value}, **kept))

    assert made(a, metadata={"batch": no_rows()}) == made(b, metadata={"batch": no_rows()})
    in_use = tuple(name for name in values if name != "batch")
    assert made(a, fields_in_use=lambda _: in_use) == made(b, fields_in_use=lambda _: in_use)


def test_of_a_model_the_weights_count_and_not_the_place(tmp_path: Path) -> None:
    def made(path: Path) -> dict[str, Any]:
        return identity(config({"model": str(path)}, {"model": weights()}), name="proposals.detector")

    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.pt").write_bytes(content)
    a, b, c = (made(tmp_path / folder / "model.pt") for folder in "abc")
    assert a == b != c
    assert a.keys() == {"proposals.detector.model"}
    with pytest.raises(ModelError, match="gone"):
        made(tmp_path / "gone.pt")
    assert identity(config({"model": ""}, {"model": weights()})) == {"model": ""}
    assert identity(config({"model": "x"}, {"model": weights(lambda name: name * 3)})) == {"model": "xxx"}


@given(SETTINGS, SETTINGS)
def test_a_config_may_say_itself_what_counts(values: dict[str, object], others: dict[str, object]) -> None:
    made = config({"what": 1, "ever": 2}, counted=lambda _: others)
    assert identity(config({**values, "own": made})) == identity(config({**values, "own": config(others)}))


def test_names_of_a_mapping_stay_apart() -> None:
    a = identity(config({"own": {"edges:Edges": config({"limit": 1})}}))
    assert a == {'own."edges:Edges".limit': 1}
    assert identity(config({"own": {"a.b": 1}})) != identity(config({"own": {"a": config({"b": 1})}}))


def test_what_is_no_setting_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="what = <object"):
        identity(config({"what": object()}))
    with pytest.raises(InvalidValueError, match="'old'"):
        identity(config({"old": 1, "new": 2}, {"new": stored_as("old")}))
