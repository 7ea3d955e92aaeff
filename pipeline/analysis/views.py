"""The views and table functions of SQL: what is seen when and where, from rows and objects.

Each view is a table function with its default arguments, so that `FROM visits` and `FROM visits(zone := '0.5,0 1,1')`
have the same columns.
"""

LIKELY = "coalesce(confidence, 1) >= least_confidence AND keyframes >= least_keyframes"
_LIKELY = "least_confidence := 0.5, least_keyframes := 3"

# `_members` and `_things` are what `pipeline/analysis/objects.py` finds; `share_inside` and `corners_of_line` are
# functions of `pipeline/analysis/sql_functions.py`
SETUP = (
    "CREATE MACRO utc(seconds) AS make_timestamp((seconds * 1e6)::BIGINT)",  # seconds since 1970
    # what people say of most of an object's regions that they looked at
    """CREATE VIEW objects AS
    SELECT t.*, s.feed, said.human_label, said.verdict
    FROM _things t JOIN sources s ON s.id = t.source_id
    LEFT JOIN (
        SELECT m.object, mode(r.human_label) AS human_label,
            CASE WHEN count(r.human_label) > 0 THEN 'right' ELSE 'wrong' END AS verdict
        FROM regions r JOIN _members m ON m.region = r.id WHERE r.verdict IS NOT NULL GROUP BY m.object
    ) said ON said.object = t.object""",
    """CREATE VIEW sightings AS
    SELECT m.object, o.label, o.confidence, o.keyframes, o.feed, r.id AS region, r.* EXCLUDE (id, label)
    FROM regions r JOIN _members m ON m.region = r.id JOIN objects o ON o.object = m.object""",
    # the clock by which sightings of a feed are ordered: UTC over its recordings, or seconds of one source
    f"""CREATE MACRO _seen(zone, min_inside, least_confidence, least_keyframes) AS TABLE
    SELECT *, coalesce(epoch(time), at_s) AS clock_s,
        coalesce(epoch(time), at_s) + greatest(coalesce(until_s, at_s) - at_s, 0) AS clock_until_s,
        CASE WHEN time IS NULL THEN source_id ELSE feed END AS clock
    FROM sightings
    WHERE {LIKELY} AND (zone IS NULL OR share_inside(x0, y0, x1, y1, zone) >= min_inside)""",
    # each region once for every keyframe in which it is valid: where what stands is stored once, these are several
    """CREATE MACRO _sighted(least_confidence, least_keyframes) AS TABLE
    WITH seen AS (FROM _seen(NULL, 0, least_confidence, least_keyframes)),
    following AS (SELECT id, lead(at_s) OVER (PARTITION BY source_id ORDER BY at_s) AS next_s FROM frames),
    standing AS (SELECT s.* FROM seen s JOIN following n ON n.id = s.frame WHERE s.until_s > n.next_s + 1e-6)
    SELECT feed, label, object, frame, at_s, time, clock, clock_s FROM seen
    UNION ALL
    SELECT s.feed, s.label, s.object, f.id, f.at_s, f.time, s.clock, coalesce(epoch(f.time), f.at_s)
    FROM standing s JOIN frames f
        ON f.source_id = s.source_id AND f.at_s > s.at_s AND f.at_s < s.until_s - 1e-6""",
    f"""CREATE MACRO visits(zone := NULL, gap_s := 30, min_inside := 0.5, {_LIKELY}) AS TABLE
    WITH seen AS (FROM _seen(zone, min_inside, least_confidence, least_keyframes)),
    marked AS (
        SELECT *, clock_s - max(clock_until_s) OVER (
            PARTITION BY clock, label ORDER BY clock_s, region ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS gap FROM seen
    ),
    numbered AS (
        SELECT *, sum(CASE WHEN gap < gap_s THEN 0 ELSE 1 END) OVER (
            PARTITION BY clock, label ORDER BY clock_s, region ROWS UNBOUNDED PRECEDING
        ) AS visit FROM marked
    )
    SELECT any_value(feed) AS feed, label, min(time) AS enter,
        CASE WHEN min(time) IS NULL THEN NULL ELSE utc(max(clock_until_s)) END AS leave,
        arg_min(at_s, clock_s) AS enter_s, arg_max(greatest(at_s, coalesce(until_s, at_s)), clock_until_s) AS leave_s,
        max(clock_until_s) - min(clock_s) AS dwell_s, count(DISTINCT object) AS objects, max(confidence) AS confidence,
        arg_max(frame, score) AS frame, arg_max(region, score) AS region
    FROM numbered GROUP BY clock, label, visit ORDER BY feed, coalesce(epoch(enter), enter_s), label""",
    f"""CREATE MACRO stays(zone := NULL, gap_s := 30, min_inside := 0.5, {_LIKELY}) AS TABLE
    WITH seen AS (FROM _seen(zone, min_inside, least_confidence, least_keyframes)),
    marked AS (
        SELECT *, at_s - max(greatest(at_s, coalesce(until_s, at_s))) OVER (
            PARTITION BY object ORDER BY at_s, region ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS gap FROM seen
    ),
    numbered AS (
        SELECT *, sum(CASE WHEN gap < gap_s THEN 0 ELSE 1 END) OVER (
            PARTITION BY object ORDER BY at_s, region ROWS UNBOUNDED PRECEDING
        ) AS stay FROM marked
    )
    SELECT object, any_value(source) AS source, any_value(label) AS label, any_value(confidence) AS confidence,
        min(time) AS enter, CASE WHEN min(time) IS NULL THEN NULL ELSE utc(max(clock_until_s)) END AS leave,
        min(at_s) AS enter_s, max(greatest(at_s, coalesce(until_s, at_s))) AS leave_s,
        max(greatest(at_s, coalesce(until_s, at_s))) - min(at_s) AS dwell_s,
        arg_max(frame, score) AS frame, arg_max(region, score) AS region
    FROM numbered GROUP BY object, stay ORDER BY source, enter_s, object""",
    # a thing that stays at the line would cross it with every keyframe: within the band it keeps its side
    f"""CREATE MACRO crossings(line, band := 0.02, {_LIKELY}) AS TABLE
    WITH placed AS (
        SELECT *, corners_of_line(line) AS c, (x0 + x1) / 2 AS x, (y0 + y1) / 2 AS y
        FROM sightings WHERE {LIKELY}
    ),
    sided AS (
        SELECT *, ((c[3] - c[1]) * (y - c[2]) - (c[4] - c[2]) * (x - c[1]))
                / sqrt((c[3] - c[1]) ** 2 + (c[4] - c[2]) ** 2) AS d,
            ((x - c[1]) * (c[3] - c[1]) + (y - c[2]) * (c[4] - c[2]))
                / ((c[3] - c[1]) ** 2 + (c[4] - c[2]) ** 2) AS along
        FROM placed
    ),
    paired AS (
        SELECT *, lag(d) OVER track AS d0, lag(along) OVER track AS along0, lag(at_s) OVER track AS at0,
            lag(x) OVER track AS px, lag(y) OVER track AS py, lag(time) OVER track AS time0
        FROM sided WHERE abs(d) >= band
        WINDOW track AS (PARTITION BY object ORDER BY at_s, region)
    ),
    met AS (
        SELECT *, abs(d0) / (abs(d0) + abs(d)) AS part FROM paired WHERE d0 IS NOT NULL AND (d0 > 0) <> (d > 0)
    )
    SELECT object, source, label, confidence, CASE WHEN d > 0 THEN 'right' ELSE 'left' END AS direction,
        at0 + part * (at_s - at0) AS at_s, utc(epoch(time0) + part * (at_s - at0)) AS time,
        px + part * (x - px) AS x, py + part * (y - py) AS y, frame, region
    FROM met WHERE along0 + part * (along - along0) BETWEEN 0 AND 1 ORDER BY source, at_s, object""",
    f"""CREATE MACRO counts(step_s := 60, {_LIKELY}) AS TABLE
    WITH seen AS (FROM _sighted(least_confidence, least_keyframes)),
    stepped AS (SELECT *, floor(clock_s / step_s) * step_s AS step FROM seen),
    together AS (SELECT *, count(*) OVER (PARTITION BY frame, label) AS at_once FROM stepped)
    SELECT any_value(feed) AS feed, label,
        CASE WHEN any_value(time) IS NULL THEN NULL ELSE utc(step) END AS time,
        CASE WHEN any_value(time) IS NULL THEN step ELSE min(at_s) END AS at_s,
        count(DISTINCT object) AS objects, max(at_once) AS most_at_once
    FROM together GROUP BY clock, label, step ORDER BY feed, step, label""",
    f"""CREATE MACRO heat(across := 16, down := 9, {_LIKELY}) AS TABLE
    WITH celled AS (
        SELECT *, least(floor((x0 + x1) / 2 * across), across - 1)::INTEGER AS cell_x,
            least(floor((y0 + y1) / 2 * down), down - 1)::INTEGER AS cell_y
        FROM sightings WHERE {LIKELY}
    )
    SELECT feed, label, cell_x, cell_y, cell_x / across AS x0, cell_y / down AS y0, (cell_x + 1) / across AS x1,
        (cell_y + 1) / down AS y1, count(*) AS sightings, count(DISTINCT object) AS objects,
        sum(greatest(coalesce(until_s, at_s) - at_s, 0)) AS seconds
    FROM celled GROUP BY feed, label, cell_x, cell_y ORDER BY feed, label, cell_y, cell_x""",
    "CREATE VIEW visits AS FROM visits()",
    "CREATE VIEW stays AS FROM stays()",
    "CREATE VIEW counts AS FROM counts()",
    "CREATE VIEW heat AS FROM heat()",
)
BASE = ("sources", "shots", "frames", "regions", "labels")
OF_OBJECTS = ("objects", "sightings", "visits", "stays", "crossings", "counts", "heat")
