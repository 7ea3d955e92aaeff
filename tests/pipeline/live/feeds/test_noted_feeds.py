"""The note of followed feeds: catches a feed that counts as removed by mistake, and files that belong to no feed."""

from pathlib import Path

from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.noted_feeds import NotedFeeds

GATE, YARD = FeedEntry("rtsp://10.0.0.5/gate"), FeedEntry("rtsp://10.0.0.5/yard")


def test_a_feed_is_removed_once_it_has_left_its_file_and_one_that_was_named_never_is(tmp_path: Path) -> None:
    folder, file = UpkeepFolder(tmp_path / "state"), tmp_path / "cameras.toml"
    noted = NotedFeeds(folder, file, ["door"])
    removed: tuple[str, ...]
    for entries, removed in (
        ({"gate": GATE, "yard": YARD, "door": GATE}, ()),
        ({"gate": GATE, "door": GATE}, ("yard",)),
        ({"door": GATE}, ("gate", "yard")),
        ({"gate": GATE}, ("yard",)),
    ):
        assert noted.note(entries) is None
        assert folder.followed().removed == removed
    assert NotedFeeds(folder, None, ["rtsp://10.0.0.5/yard"]).note({"rtsp://10.0.0.5/yard": YARD}) is None
    assert folder.followed().removed == ("yard",)  # another follower changes nothing of it


def test_a_folder_is_noted_by_its_path_and_a_disk_that_is_full_ends_nothing(tmp_path: Path) -> None:
    folder = UpkeepFolder(tmp_path / "state")
    noted = NotedFeeds(folder, None, ["drop"])
    (tmp_path / "state").write_text("a file where the folder should be")
    trouble = noted.note({"drop": FeedEntry(str(tmp_path / "drop"))})
    assert trouble is not None
    assert "cannot be written" in trouble
    (tmp_path / "state").unlink()
    assert noted.note({"drop": FeedEntry(str(tmp_path / "drop"))}) is None
    assert folder.followed().folders == {str(tmp_path / "drop"): "drop"}
