"""Which hits of a watch are reported: those that stayed long enough, and none within the cooldown of another.

What is remembered for this is in two tables of SQLite: `told` has the hits that were reported, `stays` the times during
which a watch had hits. Times are seconds of `place_and_moment`, and hits may come in any order.
"""

import sqlite3

from pipeline.watch.cooldown import place_and_moment
from pipeline.watch.watch import Watch
from schemas.query import Hit

# `stays` is not in files of 0.2.0, which get it when they are opened
STAYS = """
CREATE TABLE IF NOT EXISTS stays (
    watch TEXT NOT NULL, place TEXT NOT NULL, began REAL NOT NULL, last REAL NOT NULL, reported INTEGER NOT NULL,
    PRIMARY KEY (watch, place, began)
) WITHOUT ROWID
"""
TOLD = """
CREATE TABLE IF NOT EXISTS told (
    watch TEXT NOT NULL, place TEXT NOT NULL, moment REAL NOT NULL, PRIMARY KEY (watch, place, moment)
) WITHOUT ROWID
"""
GAP_S = 30.0  # hits that are further apart belong to different stays; a short stay allows no longer gap than itself
# how long before a feed's newest hit, by the feed's clock, its hits are remembered: segments may come out of order
_REMEMBERED_S = 86400.0


def is_due(file: sqlite3.Connection, watch: Watch, hit: Hit) -> bool:
    """Whether the hit is to be reported; it is then remembered as reported."""
    place, moment = place_and_moment(hit)
    key = (watch.name, place)
    began = None
    if watch.stay_s:
        until_s = hit.place.until_s  # known where what stands is stored once: such a hit is all there is of its stay
        stands_s = 0.0 if until_s is None else max(0.0, until_s - hit.pts_s)
        began, last, reported = _stay(file, key, moment, stands_s, gap_s=min(GAP_S, watch.stay_s))
        if reported or last - began < watch.stay_s:
            return False
    if watch.cooldown_s and _was_near(file, key, moment, within_s=watch.cooldown_s):
        return False
    if watch.cooldown_s:
        file.execute("INSERT OR IGNORE INTO told VALUES (?, ?, ?)", (*key, moment))
        _forget_old(file, "told", "moment", key, max(_REMEMBERED_S, watch.cooldown_s))
    if began is not None:
        file.execute("UPDATE stays SET reported = 1 WHERE watch = ? AND place = ? AND began = ?", (*key, began))
    return True


def _was_near(file: sqlite3.Connection, key: tuple[str, str], moment: float, *, within_s: float) -> bool:
    found = file.execute(
        "SELECT 1 FROM told WHERE watch = ? AND place = ? AND moment > ? AND moment < ?",
        (*key, moment - within_s, moment + within_s),
    )
    return found.fetchone() is not None


def _stay(
    file: sqlite3.Connection, key: tuple[str, str], moment: float, stands_s: float, *, gap_s: float
) -> tuple[float, float, bool]:
    """The stay to which a hit belongs, with the hit: its begin, its end, and whether it was reported.

    stands_s: for how long after its moment the hit is valid.

    A hit between two stays joins them."""
    near = "watch = ? AND place = ? AND began <= ? AND last >= ?"
    at = (*key, moment + stands_s + gap_s, moment - gap_s)
    rows = file.execute(f"SELECT began, last, reported FROM stays WHERE {near}", at).fetchall()
    file.execute(f"DELETE FROM stays WHERE {near}", at)
    began = min([moment, *(row[0] for row in rows)])
    last = max([moment + stands_s, *(row[1] for row in rows)])
    reported = any(row[2] for row in rows)
    file.execute("INSERT INTO stays VALUES (?, ?, ?, ?, ?)", (*key, began, last, reported))
    _forget_old(file, "stays", "last", key, _REMEMBERED_S)
    return began, last, reported


def _forget_old(file: sqlite3.Connection, table: str, column: str, key: tuple[str, str], long_ago_s: float) -> None:
    file.execute(
        f"DELETE FROM {table} WHERE watch = ? AND place = ? AND {column} < "
        f"(SELECT max({column}) FROM {table} WHERE watch = ? AND place = ?) - ?",
        (*key, *key, long_ago_s),
    )
