"""Catches plugins that are imported before they are named, names that hide built-in ones, and errors that do not say
which package to repair."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operators.encoders.catalogue import ENCODERS
from operators.proposals.catalogue import PROPOSERS
from operators.runtime.registry import Registry, is_class_path
from operators.shots.catalogue import SHOT_DETECTORS
from schemas.errors import PlanError
from tests.plugins import EDGES, install

Install = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package for one test: `installed("package", {"edges.py": …}, points="[group]\\n…")`."""
    before = set(sys.modules)

    def put(package: str, modules: dict[str, str], *, points: str = "") -> None:
        monkeypatch.syspath_prepend(str(install(tmp_path / package, package, modules, points=points)))

    yield put
    for name in set(sys.modules) - before:
        if name.startswith("plugged"):
            del sys.modules[name]


@pytest.mark.parametrize("registry", [PROPOSERS, SHOT_DETECTORS, ENCODERS], ids=lambda registry: registry.kind)
def test_what_is_built_in_calls_itself_as_the_table_does(registry: Registry) -> None:
    for name, path in registry.built_in.items():
        found = registry.resolve(name)
        assert found.name == name
        assert f"{found.__module__}:{found.__qualname__}" == path
        assert registry.name_of(found) == name


def test_an_entry_point_adds_a_name_and_is_imported_when_it_is_asked_for(installed: Install) -> None:
    installed("plugged", {"edges.py": EDGES}, points="[regionlake.proposers]\nedges = plugged.edges:EdgesConfig\n")
    assert PROPOSERS.names() == (*PROPOSERS.built_in, "edges")
    assert PROPOSERS.knows("edges")
    assert PROPOSERS.resolve("grid").name == "grid"
    assert "plugged.edges" not in sys.modules
    found = PROPOSERS.resolve("edges")
    assert (found.name, found.__module__) == ("edges", "plugged.edges")
    assert PROPOSERS.name_of(found) == "edges"


def test_a_class_path_needs_no_registration(installed: Install) -> None:
    installed("plugged", {"edges.py": EDGES})
    found = PROPOSERS.resolve("plugged.edges:EdgesConfig")
    assert (found.name, PROPOSERS.name_of(found)) == ("edges", "plugged.edges:EdgesConfig")
    assert not PROPOSERS.knows("edges")


def test_a_class_path_that_nobody_here_wrote_is_not_imported(installed: Install) -> None:
    installed("plugged", {"edges.py": EDGES})
    with pytest.raises(PlanError, match=r"plugged\.edges:EdgesConfig is a class path"):
        PROPOSERS.resolve("plugged.edges:EdgesConfig", class_paths=False)
    assert "plugged" not in sys.modules
    assert PROPOSERS.resolve("grid", class_paths=False).name == "grid"


def test_an_unknown_name_is_answered_with_the_known_ones_and_where_they_come_from(installed: Install) -> None:
    installed("plugged", {"edges.py": EDGES}, points="[regionlake.proposers]\nedges = plugged.edges:EdgesConfig\n")
    with pytest.raises(PlanError) as error:
        PROPOSERS.resolve("edgy")
    said = str(error.value)
    assert "unknown proposer 'edgy'; known proposers: objects, moving" in said
    assert "edges (of the package plugged 1.5)" in said
    assert "package.module:Class" in said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere", "cannot be imported from plugged.edges:EdgesConfig: ModuleNotFoundError: .*'nowhere'"),
        ("1 / 0", "cannot be imported .* ZeroDivisionError"),
        ("", "cannot be imported .* has no attribute 'EdgesConfig'"),
        ("EdgesConfig = 3", "which is no dataclass; see operators.proposals.proposer.ProposerConfig"),
        ("class EdgesConfig: ...", "which is no dataclass"),
        (EDGES.replace("def build", "def make"), "has no build; see operators.proposals.proposer.ProposerConfig"),
        (EDGES.replace("threshold: float = 0.5", "threshold: float"), "whose settings need a default each"),
        (EDGES.replace('"edges"', '"borders"'), "calls itself 'borders': both names must be equal"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_with_its_package(installed: Install, source: str, said: str) -> None:
    installed("plugged", {"edges.py": source}, points="[regionlake.proposers]\nedges = plugged.edges:EdgesConfig\n")
    with pytest.raises(PlanError, match=f"the proposer edges of the package plugged 1.5 .*{said}"):
        PROPOSERS.resolve("edges")


def test_a_class_cannot_call_itself_as_one_that_is_built_in(installed: Install) -> None:
    for name in ("grid", "My Edges"):
        package = f"plugged_{len(name)}"
        installed(package, {"edges.py": EDGES.replace('"edges"', f'"{name}"')})
        with pytest.raises(PlanError, match=f"calls itself '{name}': it needs a name of lower-case letters"):
            PROPOSERS.resolve(f"{package}.edges:EdgesConfig")


def test_a_name_that_two_packages_register_is_refused_with_both(installed: Install) -> None:
    for package in ("plugged", "plugged_too"):
        installed(package, {"edges.py": EDGES}, points=f"[regionlake.proposers]\nedges = {package}.edges:EdgesConfig\n")
    with pytest.raises(PlanError, match=r"registered twice, by the package plugged 1.5 and by the package plugged_too"):
        PROPOSERS.resolve("edges")


def test_a_package_cannot_take_a_name_that_is_built_in(installed: Install) -> None:
    installed("plugged", {"edges.py": EDGES}, points="[regionlake.proposers]\ngrid = plugged.edges:EdgesConfig\n")
    assert PROPOSERS.resolve("grid").__module__ == "operators.proposals.windows.grid"
    assert PROPOSERS.names() == tuple(PROPOSERS.built_in)


@pytest.mark.parametrize("name", ["a.b:C", "edges:EdgesConfig"])
def test_class_paths_are_told_from_names_of_models_and_files(name: str) -> None:
    assert is_class_path(name)
    assert not any(map(is_class_path, ("grid", "owner/model", "./a:b", "a/b:C", "C:\\models", "a.b:", ":C", "a b:C")))
