"""Scale on paper. Catches a table in the README that the constants do not give any more, a constant without a command
that measures it, and arithmetic that does not follow the demand."""

import re
import shlex
import tomllib

import pytest

from tests.bench.scale import CONSTANTS, Estimate, of_archive, of_cameras, read_constants, report
from tests.conftest import ROOT

TABLES = tomllib.loads(CONSTANTS.read_text())
HOSTING = (ROOT / "deploy" / "hosting" / "README.md").read_text()


def test_the_readme_has_what_the_constants_give() -> None:
    assert report(1000, 1_000_000, read_constants()) in HOSTING


@pytest.mark.parametrize("name", TABLES["measured"])
def test_each_constant_says_what_measures_it_again(name: str) -> None:
    row = TABLES["measured"][name]
    words = shlex.split(row["command"])
    assert words[0] == "python"
    path = ROOT / (words[2].replace(".", "/") + ".py" if words[1] == "-m" else words[1])
    assert path.is_file(), row["command"]
    assert re.match(r"20\d\d-\d\d", row["seen"])


@pytest.mark.parametrize("estimate", [of_cameras, of_archive])
def test_twice_the_work_needs_twice_as_much_and_costs_the_same_for_each(estimate: object) -> None:
    c = read_constants()
    once, twice = (estimate(count, c) for count in (100_000, 200_000))  # type: ignore[operator]
    for one, two in zip(once.demands, twice.demands, strict=True):
        assert two.of_one == pytest.approx(2 * one.of_one, rel=0.05), one.resource  # machines are whole
    assert twice.usd_per_unit == pytest.approx(once.usd_per_unit, rel=0.05)


def test_what_saturates_first_follows_the_constants() -> None:
    assert of_cameras(1000, read_constants({"kept_days": 30.0})).first.resource == "search of all rows"
    of_one_day = read_constants({"kept_days": 0.01, "keyframe_every_s": 60.0})
    assert of_cameras(1000, of_one_day).first.resource == "decoding"
    with pytest.raises(KeyError, match="no constant cores"):
        read_constants({"cores": 1.0})


def test_figures_are_those_that_one_computes_by_hand() -> None:
    c = read_constants()
    demands = {demand.resource: demand for demand in of_cameras(1000, c).demands}
    cores = 1000 * 15 * 4.26e-3  # cameras, frames a second, seconds of a core for each
    assert demands["decoding"].of_one == pytest.approx(cores / (32 * 0.7))
    regions = 1000 / 4 * 32 * 86_400 * 30
    assert demands["search of all rows"].of_one == pytest.approx(regions * 436 / 1e9 / (128 * 0.7))
    archive: Estimate = of_archive(1_000_000, c)
    core_hours = 1e6 * 3600 * (15 * 2.8e-3 + 87e-3 / 4) / 3600
    assert archive.usd["ingest"] == pytest.approx(core_hours / 0.7 * 0.05)
