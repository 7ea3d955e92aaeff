"""Doctor: catches a broken installation that passes, findings without a fix, and a check that stops the others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.monitoring.health import Finding, check_sandbox, examine
from tests.conftest import Run


def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and findings by subject."""
    command = [sys.executable, "-m", "deploy.cli.main", "doctor", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return done.returncode, {check["subject"]: check for check in report["checks"]}


def install(folder: Path, name: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the metadata of a package in front of those that are installed."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(folder))


def findings_by_subject() -> dict[str, Finding]:
    return {each.subject: each for each in examine(lake=None, model="everyday", with_ray=False)}


def test_this_machine_can_run_regionlake() -> None:
    code, found = doctor()
    assert code == 0, found
    assert {"python", "packages", "opencv", "decoders", "sandbox", "cpu", "memory", "gpu", "model"} <= set(found)
    assert "everyday" in found["model"]["found"]


def test_a_package_of_another_version_fails_with_the_version_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "lancedb", "0.1", monkeypatch)
    found = findings_by_subject()
    assert found["lancedb"].state == "fail"
    assert "0.1" in found["lancedb"].found
    assert "lancedb==0.40.*" in found["lancedb"].fix
    assert found["model"].state == "ok", "the other checks continue"


def test_a_second_opencv_is_a_warning_that_says_how_to_get_rid_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "opencv-python", "5.0", monkeypatch)
    found = findings_by_subject()
    assert found["opencv"].state == "warn"
    assert "opencv-python" in found["opencv"].found
    assert "uninstall" in found["opencv"].fix


def test_a_lake_that_is_not_there_fails(tmp_path: Path, called: Run) -> None:
    findings = {f.subject: f for f in examine(lake=str(tmp_path / "nowhere"), model="everyday", with_ray=False)}
    assert findings["lake"].state == "fail"
    assert "regionlake ingest" in findings["lake"].found
    assert called("doctor", "--lake", tmp_path / "nowhere").returncode == 1


def test_a_kernel_that_confines_nothing_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.sandbox.confinement.landlock_version", lambda: 0)
    monkeypatch.setattr("operators.sandbox.landlock.landlock_version", lambda: 0)
    [finding] = check_sandbox()
    assert finding.state == "warn"
    assert finding.found.startswith("Landlock none")
    assert "no Landlock: Linux 5.13 or later" in finding.found
    assert "read.limits.sandbox=require" in finding.fix


def test_an_unknown_model_fails_and_names_the_known() -> None:
    findings = {f.subject: f for f in examine(lake=None, model="nope", with_ray=False)}
    assert findings["model"].state == "fail"
    assert "everyday" in findings["model"].found


@pytest.mark.ray
def test_ray_starts() -> None:
    code, found = doctor("--ray")
    assert code == 0
    assert found["ray"]["state"] == "ok"
