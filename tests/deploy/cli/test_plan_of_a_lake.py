"""Catches a plan of a lake that runs code or opens files which the lake names, and one that does not make it again."""

import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.plan.lake_plan import read_lake_plan
from pipeline.plan.plan_file import load_plan, plan_toml
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import PlanError
from tests.conftest import Run
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots
from tests.plugins import EDGES, install

HOSTILE = """
model = "os:system"
[read.shots]
detector = "marked:Config"
[read.shots.marked]
least_step = 5.0
[read.limits]
frame_px = 1_000_000_000_000
[proposals]
use = ["grid", "marked:Config", "os:system", "open-set"]
[proposals.grid]
cells = [3]
[proposals.marked]
threshold = 0.75
[proposals.marked.deep]
"a\\nb" = "c\\nmodel = 'os:system'"
[proposals.open_set]
model = "FOLDER"
vocabulary_file = "FOLDER/phrases.txt"
[proposals.box_masks]
by = "sam"
[proposals.box_masks.sam]
model = "FOLDER"
[detail]
model = "FOLDER/phrases.txt"
[codes]
model = "owner/model"
[tracks.propagation]
model = "owner/model"
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plan that names a module which leaves a mark where it is imported, and files which can be opened."""
    (tmp_path / "marked.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\n")
    (tmp_path / "phrases.txt").write_text("a secret\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return HOSTILE.replace("FOLDER", str(tmp_path))


@pytest.fixture
def opened() -> Iterator[set[str]]:
    """The files that are opened from here on."""
    names: set[str] = set()
    watching = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            names.add(str(arguments[0]))

    sys.addaudithook(note)  # hooks cannot be removed
    yield names
    watching = False


def lake_of(folder: Path, *plans: StoredPlan) -> Path:
    """A lake with a source of each plan."""
    lake = Lake.create_or_open(str(folder / "lake"), SPACE)
    for number, plan in enumerate(plans):
        with Committer(lake, plan=plan, fold_shots=fold_shots) as committer:
            committer.register(World(number, plan=plan.hash).source)
    return folder / "lake"


def test_nothing_that_a_lake_names_is_imported_or_opened(tmp_path: Path, hostile: str, opened: set[str]) -> None:
    read = read_lake_plan(hostile)
    assert not (tmp_path / "mark").exists()
    assert "marked" not in sys.modules
    assert not {name for name in opened if name.startswith(str(tmp_path))}
    (tmp_path / "phrases.txt").read_text()
    assert str(tmp_path / "phrases.txt") in opened, "what is opened is noticed"
    # what a stored plan lacks is newer than it
    newer = ["proposals.refine.one_scale=[]", "proposals.refine.stand_ins=[]"]
    assert read.plan == load_plan(overrides=['proposals.use=["grid", "open-set"]', "proposals.grid.cells=[3]", *newer])
    assert read.omitted == {
        "model": "os:system",
        "read.shots.detector": "marked:Config",
        "read.shots.marked.least_step": 5.0,
        "read.limits.frame_px": 10**12,
        "proposals.use": ["grid", "marked:Config", "os:system", "open-set"],
        "proposals.marked.threshold": 0.75,
        'proposals.marked.deep."a\\nb"': "c\nmodel = 'os:system'",
        "proposals.open_set.model": str(tmp_path),
        "proposals.open_set.vocabulary_file": str(tmp_path / "phrases.txt"),
        "proposals.box_masks.by": "sam",
        "proposals.box_masks.sam.model": str(tmp_path),
        "detail.model": str(tmp_path / "phrases.txt"),
        "codes.model": "owner/model",
        "tracks.propagation.model": "owner/model",
    }


@pytest.mark.parametrize("use", ['"marked:Config"', '{"marked:Config" = 1}', "1"])
def test_names_in_a_form_that_no_plan_has_are_not_imported_either(use: str, tmp_path: Path, hostile: str) -> None:
    assert "marked:Config" in hostile
    with pytest.raises(PlanError):
        read_lake_plan(f"[proposals]\nuse = {use}\n")
    assert not (tmp_path / "mark").exists()


def test_the_printed_plan_is_safe_to_use_and_says_what_to_give_again(called: Run, tmp_path: Path, hostile: str) -> None:
    plan = replace(StoredPlan.of(load_plan()), toml=hostile, version="0.2\nmodel = 'os:system'")
    done = called("plan", "--lake", lake_of(tmp_path, plan))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "mark").exists()
    (tmp_path / "plan.toml").write_text(done.stdout)
    assert load_plan(tmp_path / "plan.toml") == read_lake_plan(hostile).plan
    again = done.stdout.splitlines()[2]
    assert "--model os:system" in again
    assert "--proposer grid --proposer marked:Config --proposer os:system --proposer open-set" in again
    assert "--set proposals.marked.threshold=0.75" in again


def test_what_was_omitted_and_is_given_again_makes_the_plan(
    called: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "plugged_lake_edges", {"edges.py": EDGES})))
    own = 'proposals.use=["plugged_lake_edges.edges:EdgesConfig", "grid"]'
    plan = StoredPlan.of(load_plan(overrides=[own, "proposals.edges.threshold=0.75", "proposals.grid.cells=[3]"]))
    lake = lake_of(tmp_path, plan)
    (shown,) = json.loads(called("plan", "--lake", lake, "--json").stdout)["plans"]
    assert (shown["hash"], shown["sources"], shown["version"]) == (plan.hash, 1, plan.version)
    (tmp_path / "plan.toml").write_text(called("plan", "--lake", lake).stdout)
    again = called("plan", "--plan", tmp_path / "plan.toml", *shown["omitted"], "--json")
    assert json.loads(again.stdout)["hash"] == plan.hash


def test_every_plan_of_a_lake_is_printed_as_it_was(called: Run, tmp_path: Path) -> None:
    plans = [load_plan(overrides=[f"thumbnails.quality={quality}"]) for quality in (50, 50, 60)]
    lake = lake_of(tmp_path, *map(StoredPlan.of, plans))
    found = json.loads(called("plan", "--lake", lake, "--json").stdout)["plans"]
    assert [(each["hash"], each["sources"], each["omitted"]) for each in found] == [
        (plans[0].hash, 2, []),
        (plans[2].hash, 1, []),
    ]
    assert found[1]["plan"] == tomllib.loads(plan_toml(plans[2], for_rows=True))
    done = called("plan", "--lake", lake)
    assert done.stdout.count("# plan ") == 2
    assert "has 2 plans" in done.stderr


def test_a_lake_without_a_plan_and_other_options_are_refused(called: Run, tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    done = called("plan", "--lake", lake)
    assert (done.returncode, done.stdout) == (1, "")
    assert "stores no plan" in done.stderr
    assert called("plan", "--lake", lake, "--set", "patches=true").returncode == 2
