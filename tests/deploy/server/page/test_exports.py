"""Moments as files. Catches an export of other moments than the page shows, or in another order, and a report that
needs the service."""

import csv
import json
from pathlib import Path

from tests.deploy.server.page.conftest import VisitPage


def test_moments_are_exported_in_the_order_that_is_shown(visit: VisitPage, tmp_path: Path) -> None:
    seen = visit("?q=box&group=none")
    seen.until(seen.moments)
    for kind in ("CSV table", "JSON"):
        seen.page.get_by_role("button", name="Export…").click()
        with seen.page.expect_download() as download:
            seen.page.get_by_role("menuitem", name=kind).click()
        download.value.save_as(tmp_path / kind)
    with (tmp_path / "CSV table").open(newline="") as file:
        rows = list(csv.DictReader(file))
    hits = json.loads((tmp_path / "JSON").read_text())["hits"]
    assert [row["frame_id"] for row in rows] == [hit["frame_id"] for hit in hits]
    assert [key.partition(".")[0] for key in seen.moments()[:8]] == [row["frame_id"] for row in rows[:8]]


def test_a_report_is_one_file_with_its_pictures(visit: VisitPage, tmp_path: Path) -> None:
    seen = visit("?q=a+%3Cwhite%3E+box&box=0.05,0.3,0.45,0.9&group=none")
    seen.until(seen.moments)
    seen.page.get_by_role("button", name="Export…").click()
    with seen.page.expect_download() as download:
        seen.page.get_by_role("menuitem", name="HTML report").click()
    download.value.save_as(tmp_path / "moments.html")
    text = (tmp_path / "moments.html").read_text()
    assert "<script" not in text
    assert "http:" not in text
    report = visit("moments.html", url=tmp_path.as_uri())
    assert report.page.get_by_role("heading").inner_text() == "RegionLake: a <white> box"
    shown = report.page.locator(".hits li small").all_inner_texts()
    assert [key.partition(".")[0] for key in seen.moments()[:8]] == [each.split("\n")[-1] for each in shown[:8]]
    widths = report.page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) == len(shown) + 1  # and the still with the box
    assert min(widths) > 100
