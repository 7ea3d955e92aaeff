"""Units of systemd. Catches a directive that systemd does not know, a timer without its service, and a watchdog that
the service would not satisfy."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.monitoring.service_manager import ServiceManager
from tests.conftest import ROOT

UNITS = sorted((ROOT / "deploy" / "hosting" / "systemd").glob("*.*"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    program = "/opt/regionlake/bin/regionlake"
    for unit in UNITS:
        assert unit.suffix == ".timer" or program in unit.read_text()
        (tmp_path / unit.name).write_text(unit.read_text().replace(program, "/bin/true"))  # it must be on this machine
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    of_ours = [line for line in done.stderr.splitlines() if "regionlake" in line]
    assert (done.returncode, of_ours) == (0, [])
    broken = tmp_path / UNITS[0].name
    broken.write_text(broken.read_text().replace("[Service]", "[Service]\nWatchdogSecs=1"))
    done = subprocess.run([*command[:3], broken], capture_output=True, text=True, check=False)
    assert "WatchdogSecs" in done.stderr


def test_each_timer_starts_a_service_that_is_there() -> None:
    names = {unit.name for unit in UNITS}
    timers = [unit for unit in UNITS if unit.suffix == ".timer"]
    assert timers
    assert all(f"{timer.stem}.service" in names for timer in timers)


def test_the_service_reports_often_enough_for_its_watchdog() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / "hosting" / "systemd" / "regionlake.service")
    service = unit["Service"]
    assert service["Type"] == "notify"
    deadline_s = float(service["WatchdogSec"].removesuffix("s"))
    assert ServiceManager("@nowhere", deadline_s=deadline_s).pause_s * 3 <= deadline_s
    assert service["NotifyAccess"] == "main"  # a decoder of a hostile file must not report in its place
