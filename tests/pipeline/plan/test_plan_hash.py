"""Catches plans that make different rows under one hash, and a hash that changes with the layout of the code."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.masks.config import MaskConfig
from operators.proposals.catalogue import PROPOSERS
from operators.proposals.config import ProposalConfig
from operators.readers.limits import ReadLimits
from operators.runtime.registry import settings_key
from operators.runtime.settings import identity
from operators.shots.catalogue import SHOT_DETECTORS
from pipeline.plan.legacy_hash import LEGACY_DIGITS, is_legacy, legacy_hash
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from pipeline.plan.plan_hash import canonical_form, plan_hash
from schemas.errors import PlanError, RegionLakeError

FIXTURE = Path(__file__).parents[2] / "fixtures" / "lake-0.1.0"
EVERYTHING = Plan(proposals=ProposalConfig(use=tuple(PROPOSERS.built_in), box_masks=MaskConfig(by="grabcut")))
# of 0.1.0 and 0.2.0: the only model, and the defaults of proposals
FORMER_DEFAULTS = [
    "model=everyday-1",
    'proposals.use=["moving", "selective-search", "grid"]',
    "proposals.moving.limit=48",
    "proposals.moving.score_factor=1.0",
    "proposals.refine.limit=64",
    "proposals.refine.one_scale=[]",
    "proposals.refine.stand_ins=[]",
]
OUTSIDE = ("run.", "live.")
# other tests change these
BY_A_FILE = {"model", "codes.model", "detail.model", "proposals.open_set.vocabulary_file", "regions.reduction"}

FLAT = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
        lambda below: st.lists(below, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=3), below, max_size=3),
        max_leaves=5,
    ),
    max_size=5,
)


@given(FLAT, FLAT)
def test_equal_hashes_come_from_equal_settings_alone(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (plan_hash(a) == plan_hash(b)) == (a == b)
    assert plan_hash(dict(reversed(a.items()))) == plan_hash(a)


def test_the_form_never_changes() -> None:
    # hashes lie in lakes: whoever must change the form gives it another number
    settings = {"b.c": (1.0, 0.5, "é", None, True), "a": {"kind": "grid"}}
    form = '{"form":1,"settings":{"a":{"kind":"grid"},"b.c":[1,0.5,"\\u00e9",null,true]}}'
    assert canonical_form(settings) == form
    assert plan_hash(settings) == "0693e7eb2bcd7b5ee0ab4ede192efb67"


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(PlanError, match="not a finite number"):
        plan_hash({"a": float("nan")})


def test_every_setting_counts_but_those_known_not_to() -> None:
    counted = EVERYTHING.hash
    uncounted = {name for name, path in leaves(EVERYTHING) if changed(EVERYTHING, path).hash == counted}
    assert uncounted == {
        "read.decode_threads",
        *(f"read.limits.{each.name}" for each in fields(ReadLimits)),
        "proposals.masks.points_per_batch",
        "proposals.masks.frames_per_batch",
        "proposals.detector.batch",
        "proposals.open_set.batch",
        "proposals.fastsam.batch",
        "proposals.fastsam.execute_pickle",
        # of what is off
        "proposals.box_masks.sam.model",
        "proposals.box_masks.sam.boxes_per_batch",
        "proposals.box_masks.sam.frames_per_batch",
        "proposals.box_masks.sam.least_predicted_iou",
        "proposals.box_masks.sam.stability_offset",
        "codes.regions_per_frame",
        "representatives.count",
        "representatives.threshold",
        "tracks.propagation.least_iou",
    }


def parts(config: Any) -> dict[str, Any]:
    """The fields of a config by their names, and of proposers their settings by those of the plan's tables."""
    made = {each.name: getattr(config, each.name) for each in fields(config) if each.name != "settings"}
    if isinstance(config, ProposalConfig):
        made |= {settings_key(each.name): each for each in config.in_use}
    return made


def leaves(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every setting of a plan by its dotted name, less those on how the work is spread."""
    for key, value in parts(config).items():
        here = (*path, key)
        name = ".".join(here)
        if is_dataclass(value):
            yield from leaves(value, here)
        elif name not in BY_A_FILE and not name.startswith(OUTSIDE):
            yield name, here


def changed(config: Any, path: tuple[str, ...]) -> Any:
    """The config with another value of one setting, whichever it takes."""
    name, *rest = path
    value = parts(config)[name]
    if rest:
        below = changed(value, tuple(rest))
        known = name in {each.name for each in fields(config)}
        return replace(config, **({name: below} if known else {"settings": (below,)}))
    for other in others(value, get_type_hints(type(config))[name]):
        with suppress(RegionLakeError):
            if other != value:
                return replace(config, **{name: other})
    raise AssertionError(f"no other value found for {path}, now {value!r}")


def others(value: Any, hint: Any) -> Iterator[Any]:
    """Values that a setting might take in place of this one."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value + 32, value * 0.99, value + 0.01)
    elif isinstance(value, str):
        yield from (value + "x", *SHOT_DETECTORS.built_in)
    elif isinstance(value, tuple):
        yield from (value[:-1], (*value, "x"), tuple(x * 0.99 for x in value if isinstance(x, float)))
    else:
        yield from (0.5, 77)


def test_the_hash_of_0_1_0_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURE)
    made = json.loads(Path("hashes.json").read_text())
    assert len({entry["hash"] for entry in made}) > 20
    for entry in made:
        plan = load_plan(overrides=[*FORMER_DEFAULTS, *entry["overrides"]])
        assert legacy_hash(identity(plan)) == entry["hash"], entry["overrides"]
        assert is_legacy(entry["hash"])
        assert not is_legacy(plan.hash)


def test_of_what_0_1_0_did_not_know_there_is_no_hash_of_it() -> None:
    known = identity(load_plan(overrides=FORMER_DEFAULTS))
    legacy = legacy_hash(known)
    assert legacy is not None
    assert len(legacy) == LEGACY_DIGITS
    assert legacy_hash({**known, "proposals.grid.newer": 1}) is None
    assert legacy_hash(dict(reversed(known.items()))) == legacy
    assert legacy_hash(identity(Plan())) is None  # it has objects
