"""What stands is stored once: catches repeats that depend on segments, lost regions, and kills that lose count."""

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.writing import completion, repeats
from pipeline.lake.writing.table_writer import TableWriter
from tests.pipeline.lake.still_street import WORLD, Street, filled, writer
from tests.pipeline.lake.synthetic import SPACE


def kept(lake: Lake) -> list[tuple[int, int, float]]:
    """PTS, `until` and left side of each region, in order."""
    rows = lake.read("regions", columns=["pts", "until", "x0"]).to_pylist()
    return sorted((row["pts"], row["until"], round(row["x0"], 1)) for row in rows)


def test_what_stands_is_stored_once_until_it_changes_or_the_grid_ends_it(lake: Lake) -> None:
    filled(lake, WORLD.segments())
    assert kept(lake) == [
        (0, 600, 0.1),
        (0, 600, 0.7),
        (250, 400, 0.4),  # what arrives, until it leaves
        (600, 900, 0.1),
        (600, 900, 0.7),
        (900, 1200, 0.1),  # the light is another
        (900, 1200, 0.7),
        (1200, 1500, 0.1),
        (1200, 1500, 0.7),
    ]
    assert lake.count("frames") == 30  # time is a fact
    assert check(lake).problems == ()
    assert lake.read("segments", columns=["regions", "error"]).to_pylist() == [{"regions": 9, "error": None}]


@pytest.mark.parametrize("pieces", [2, 7, 30])
def test_what_is_kept_depends_on_no_segment_and_no_order_of_commits(
    pieces: int, lake: Lake, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = Lake.create_or_open(str(tmp_path_factory.mktemp("whole") / "lake"), SPACE)
    filled(whole, WORLD.segments())
    filled(lake, list(reversed(WORLD.segments(pieces))))
    columns = ["id", "until", "track"]
    assert lake.read("regions", columns=columns).sort_by("id") == whole.read("regions", columns=columns).sort_by("id")
    assert check(lake).problems == ()


class KilledError(Exception):
    pass


_STEPS = {
    "before the validity": (repeats, "write_column"),
    "before the ledger": (TableWriter, "replace"),
    "before the source is complete": (completion, "sources_table"),
    "before the deletion": (TableWriter, "delete_where"),
    "before the mark goes": (TableWriter, "update"),
}


@pytest.mark.parametrize("step", _STEPS)
def test_a_kill_between_two_steps_is_made_good_by_the_next_writer(
    step: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name = _STEPS[step]
    real = getattr(where, name)
    killed = []

    def kill(*given: object, **named: object) -> object:
        if name == "update" and named.get("error", "") is not None:  # the end of the commit itself
            return real(*given, **named)
        killed.append(True)
        raise KilledError

    with monkeypatch.context() as patch:
        committer = writer(lake)
        patch.setattr(where, name, kill)
        patch.setattr(committer._state, "_recover", lambda: None)  # the dead repair nothing
        with pytest.raises(KilledError):
            committer.commit([Street().rows(WORLD.segments()[0])])
        committer.lease.release()
    assert any(killed)
    writer(lake).close()
    assert len(kept(lake)) == 9
    assert kept(lake)[0] == (0, 600, 0.1)
    assert check(lake).problems == ()
    assert lake.read("sources", columns=["state"])["state"].to_pylist() == ["complete"]
