"""Alerts, the dashboard and the runbook. Catches a metric that was renamed, which would silence an alert for ever, an
expression that Prometheus does not read, and an alert about which nobody wrote what to do.

Names and labels are compared with what the collectors really export, expressions read by a parser of PromQL.
"""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from deploy.monitoring.disk_metrics import DiskCollector, disks_of
from deploy.monitoring.metrics import FollowCollector
from deploy.server.search_times import SearchTimes, ServiceCollector
from pipeline.lake.upkeep.holds import Held
from pipeline.live.feeds.feed_status import FEED_STATES
from pipeline.ring.config import VideoStatus
from pipeline.runtime.threads import ThreadStatus
from tests.conftest import ROOT
from tests.deploy.monitoring.test_metrics import GATE, NOON, STATUS

MONITORING = ROOT / "deploy" / "hosting" / "monitoring"
ALERTS = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
OF_PROMETHEUS = {"up": set[str]()}  # which it makes itself
OF_EVERY_SCRAPE = {"job", "instance"}
HELD = Held("gate", "share", 1, 2, 3, 4)


class _Searches:
    running = 0
    waiting = 0


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of every series that a follower and a service export."""
    feed = replace(GATE, video=VideoStatus(bytes=1, dropped=1))
    thread = ThreadStatus("sink", "running", NOON)
    status = replace(STATUS, feeds=(feed,), held=(HELD,), threads=(thread,))
    registry = CollectorRegistry()
    registry.register(FollowCollector(lambda: status))
    registry.register(ServiceCollector(SearchTimes(), _Searches()))  # type: ignore[arg-type]
    registry.register(DiskCollector(disks_of(str(tmp_path_factory.mktemp("lake")))))
    ProcessCollector(registry=registry)
    found: dict[str, set[str]] = defaultdict(set)
    for metric in registry.collect():
        for sample in metric.samples:
            found[sample.name] |= set(sample.labels)
    return {**found, **OF_PROMETHEUS}


def selectors(node: object) -> Iterator[Any]:
    """Every selector of series in a parsed expression."""
    if type(node).__name__ == "VectorSelector":
        yield node
        return
    for name in ("lhs", "rhs", "expr", "args", "vector_selector"):
        below = getattr(node, name, None)
        for each in below if isinstance(below, list) else [below]:
            if each is not None:
                yield from selectors(each)


def expressions() -> list[tuple[str, str]]:
    """Every expression, with where it stands."""
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    of_panels = [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]
    return [(rule["alert"], rule["expr"]) for rule in ALERTS] + of_panels


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=lambda value: str(value)[:40])
def test_every_series_is_exported_with_the_labels_that_select_it(
    where: str, expression: str, exported: dict[str, set[str]]
) -> None:
    found = list(selectors(promql_parser.parse(expression)))
    assert found
    for selector in found:
        assert selector.name in exported, f"{where}: {selector.name} is exported by nothing"
        for matcher in selector.matchers.matchers:
            assert matcher.name in exported[selector.name] | OF_EVERY_SCRAPE, f"{where}: {matcher.name}"
            if matcher.name == "state":
                assert set(matcher.value.split("|")) <= set(FEED_STATES), where


def test_a_renamed_metric_would_be_noticed(exported: dict[str, set[str]]) -> None:
    nested = (
        "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m]))) > 2 * (b{state='x'} or predict_linear(c[6h], 60))"
    )
    assert {each.name for each in selectors(promql_parser.parse(nested))} == {"a_bucket", "b", "c"}
    assert not {"a_bucket", "b", "c"} & set(exported)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    made_up = MONITORING / "alerts_test.yaml"
    assert subprocess.run(["promtool", "test", "rules", made_up], capture_output=True, check=False).returncode == 0
    silent = (MONITORING / "alerts.yaml").read_text().replace("== 0", "== 2")
    (tmp_path / "alerts.yaml").write_text(silent)
    (tmp_path / made_up.name).write_text(made_up.read_text())
    command = ["promtool", "test", "rules", tmp_path / made_up.name]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    sections = re.findall(r"^## (\w+)$", (MONITORING / "runbook.md").read_text(), flags=re.MULTILINE)
    assert sorted(sections) == sorted(names)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")
        file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / file) == MONITORING / "runbook.md"
        assert anchor == rule["alert"].lower()
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


def test_labels_of_a_summary_are_those_that_its_expression_keeps(exported: dict[str, set[str]]) -> None:
    for rule in ALERTS:
        kept = (
            set.union(*(exported[each.name] for each in selectors(promql_parser.parse(rule["expr"])))) | OF_EVERY_SCRAPE
        )
        removed = {
            name for names in re.findall(r"without \((.*?)\)", rule["expr"]) for name in re.findall(r"\w+", names)
        }
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert shown <= kept - removed, rule["alert"]


def test_panels_of_the_dashboard_do_not_overlap_and_ask_the_chosen_prometheus() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${prometheus}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used == variables


def test_prometheus_scrapes_what_compose_runs() -> None:
    scraped = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    services = yaml.safe_load((MONITORING.parent / "container" / "compose.yaml").read_text())["services"]
    for job in scraped["scrape_configs"]:
        assert job["job_name"].startswith("regionlake")  # which alerts and panels select
        for target in (each for static in job["static_configs"] for each in static["targets"]):
            name, _, port = target.partition(":")
            assert any(published.endswith(f":{port}") for published in services[name]["ports"])
    for file in scraped["rule_files"]:
        assert (MONITORING / Path(file)).is_file()
