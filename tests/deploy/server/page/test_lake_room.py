"""The lake room. Catches an ingest whose progress or failures are not shown, pins that are lost, sizes and counts other
than the lake's, and upkeep that says nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.server.ingesting.ingest_runs import IngestRuns
from pipeline.lake.audit.lake_status import status
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.holds import Held
from pipeline.lake.upkeep.upkeep_status import PassReport, UpkeepStatus, write_upkeep_status
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan
from tests.deploy.server.page.browsing import PHONE, findings
from tests.deploy.server.page.conftest import VisitPage
from tests.deploy.server.serving import running
from tests.integration.clips import make_clip


def test_a_folder_is_ingested_and_a_pinned_shot_is_listed(visit: VisitPage, own: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    make_clip(tmp_path / "archive" / "gate.mp4", seed=12, seconds=3)
    (tmp_path / "archive" / "broken.mp4").write_bytes(b"no video")
    ingests = IngestRuns(str(own), Plan(), {"archive": tmp_path / "archive"})
    with running(own, clips=tmp_path / "clips", ingests=ingests) as url:
        seen = visit("lake", url=url)
        seen.page.get_by_role("button", name="Ingest archive").click()
        seen.page.get_by_text("archive is being ingested").wait_for()
        seen.page.locator(".ingest-run li", has_text="broken.mp4").wait_for()
        assert "keyframes" in seen.page.locator(".ingest-run [role=status]").inner_text()
        seen.page.get_by_role("button", name="gate.mp4").wait_for(timeout=120_000)  # in the table of sources

        def newest() -> list[str | None]:
            sources = seen.page.request.get(f"{url}/api/sources").json()["sources"]
            return [each["newest_frame"] for each in sources if each["name"] == "gate.mp4"]

        seen.until(lambda: any(newest()), within_s=120)
        assert seen.page.request.post(f"{url}/api/pins", data={"frame": newest()[0]}).status == 201
        seen.page.reload()
        seen.page.get_by_text("Pinned for ever").wait_for()
        refused = seen.page.get_by_role("region", name="Could not be read")
        assert "broken.mp4" in refused.inner_text()
        assert str(tmp_path) not in seen.page.content()
        seen.settle()
        assert findings(seen) == []
        seen.page.get_by_role("button", name="Unpin: gate.mp4").click()
        seen.page.locator(".kept").wait_for(state="hidden")


def test_it_shows_what_the_lake_holds_and_where(visit: VisitPage, town: Path) -> None:
    seen = visit("lake", size=PHONE, dark=True)
    seen.page.get_by_role("region", name="Storage").wait_for()
    held = status(Lake.open(str(town)))
    head = seen.page.locator(".lake-head").inner_text()
    assert f"{held.tables['frames'].rows:,} keyframes, {held.tables['regions'].rows:,} regions" in head
    rows = seen.page.locator(".source-list tbody tr")
    shown = {row.locator("th").inner_text(): int(row.locator("td").nth(2).inner_text()) for row in rows.all()}
    listed = seen.page.request.get(f"{seen.url}/api/sources").json()["sources"]
    assert shown == {each["name"]: each["keyframes"] for each in listed}
    kept = seen.page.get_by_role("region", name="Storage").inner_text()
    assert f"{held.tables['regions'].rows:,} rows" in kept
    assert "None has run" in seen.page.get_by_role("region", name="Upkeep").inner_text()
    assert "search and see" in seen.page.get_by_role("region", name="Service").inner_text()
    seen.settle()
    assert findings(seen) == []
    seen.page.get_by_role("button", name="north.mp4").click()  # its lane
    seen.page.get_by_role("group", name="north.mp4").wait_for()
    assert "/timeline" in seen.page.url


def test_it_says_what_upkeep_did_and_what_it_holds_back(visit: VisitPage, own: Path, tmp_path: Path) -> None:
    state = StateFolder.of(str(own))
    state.make_own()
    now = datetime.now(UTC)
    held = Held("gate", "share", recordings=3, bytes=30, of_recordings=4, of_bytes=40)
    report = PassReport(
        now - timedelta(seconds=3), now, (), 0, removed=2, trimmed=1, removed_bytes=5_000_000, indexed=(), put_off=4,
        errors=("the disk is full",), held=(held,),
    )  # fmt: skip
    write_upkeep_status(
        state.upkeep,
        UpkeepStatus(now, now - timedelta(hours=1), None, 17, 1, 6, 12_000_000, report, "the disk is full"),
    )
    with running(own, clips=tmp_path / "clips") as url:
        upkeep = visit("lake", url=url).page.get_by_role("region", name="Upkeep")
        upkeep.get_by_text("17 passes").wait_for()
        said = upkeep.inner_text()
    for part in (
        "6 recordings or files removed in them (12 MB)",
        "It removed 2 recordings or files (5.0 MB), and all but the pinned shots of 1",
        "The next pass joins 4 fragments",
        "3 of 4 recordings or files of gate",
        f"regionlake upkeep --lake {own.name} --release gate",
        "the disk is full",
    ):
        assert part in said
