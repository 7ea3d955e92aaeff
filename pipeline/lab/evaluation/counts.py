"""Measures the views `counts` and `crossings` of SQL against the people in a video: how many, and over which line.

Each is compared with two others: every track as a thing, and every track that is likely a person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from operators.tracking.same_thing import SameThingConfig
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.sql import SqlLimits, run_sql
from pipeline.analysis.sql_functions import ends_of
from pipeline.ingest.progress import Progress
from pipeline.ingest.run import ingest
from pipeline.lab.datasets.mot import MotSequence, read_sequence
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from schemas import require
from schemas.errors import SourceError
from schemas.file_names import path_of_uri

PERSON = "person"
BAND = 0.02  # of the views: nearer to a line, a thing keeps its side
LINES = (*(f"{x},0 {x},1" for x in (0.25, 0.5, 0.75)), *(f"0,{y} 1,{y}" for y in (0.35, 0.5, 0.65)))
AS_THEY_ARE = SameThingConfig(double_iou=1.0, most_gap_s=0.0)  # no track continues another
Path2D = Sequence[tuple[float, float, float]]  # seconds, x and y of a centre, in order of time


@dataclass(frozen=True, slots=True)
class CountsEvaluation:
    """steps_s: lengths of the steps in which people are counted. lines: as `crossings` takes them."""

    steps_s: tuple[float, ...] = (60.0, 10.0)
    lines: tuple[str, ...] = LINES

    def __post_init__(self) -> None:
        require.above(0, steps_s=self.steps_s)
        require.not_empty(steps_s=self.steps_s, lines=self.lines)
        for line in self.lines:
            ends_of(line)


@dataclass(frozen=True, slots=True)
class CountsRow:
    """How far counts are from the truth. counted: what is taken for a person.

    people: of each step length, the mean absolute error of the number of different people in a step.
    crossings: mean absolute error of the crossings of a line in one direction.
    things: number of all that was counted.
    """

    counted: str
    things: int
    people: tuple[float, ...]
    crossings: float


@dataclass(frozen=True, slots=True)
class CountsTable:
    """people, crossings: the true means that the errors of rows are about. identities: number of people."""

    video: str
    keyframes: int
    identities: int
    steps_s: tuple[float, ...]
    people: tuple[float, ...]
    crossings: float
    rows: tuple[CountsRow, ...]


def evaluate_counts(
    folder: Path,
    plan: Plan,
    evaluation: CountsEvaluation,
    *,
    lake: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> CountsTable:
    """Ingests the video in `folder` (MOT Challenge format) into `lake`, and compares what SQL counts with its truth.

    Raises SourceError if the folder holds no such data, or the video cannot be read.
    """
    sequence = read_sequence(folder)
    report = ingest([sequence.source.uri], str(lake), plan, on_progress=on_progress)
    if not report.ok:
        raise SourceError("; ".join(f.error for f in (*report.quarantined, *report.failed)))
    rows = LakeRows(Lake.open(str(lake)), allowed=frozenset({sequence.source.id}))
    paths = paths_of(sequence)
    true_people = [people_in_steps(paths, step_s) for step_s in evaluation.steps_s]
    true_crossings = {
        (line, side): sum(crossed(path, line).count(side) for path in paths.values())
        for line in evaluation.lines
        for side in ("left", "right")
    }
    kinds = (
        ("every track", AS_THEY_ARE, "least_confidence := 0, least_keyframes := 1", 0.0, "true"),
        ("tracks of people", AS_THEY_ARE, "least_keyframes := 1", 0.0, f"label = '{PERSON}'"),
        ("people in `counts` and `crossings`", SameThingConfig(), "least_keyframes := 3", BAND, f"label = '{PERSON}'"),
    )
    made = []
    for name, config, options, band, condition in kinds:
        found = run_sql(rows, _query(evaluation, options, band, condition), limits=SqlLimits(), config=config)
        values = {(row["what"], row["part"]): row["n"] for row in found.to_pylist()}
        errors = []
        for step_s, truth in zip(evaluation.steps_s, true_people, strict=True):
            counted = [values.get((f"{step_s:g}", str(at)), 0) for at in range(len(truth))]
            errors.append(float(np.abs(np.subtract(counted, truth)).mean()))
        across = [abs(values.get(each, 0) - truth) for each, truth in true_crossings.items()]
        made.append(CountsRow(name, values["things", ""], tuple(errors), float(np.mean(across))))
    return CountsTable(
        video=Path(path_of_uri(sequence.source.uri)).name,
        keyframes=rows.frames().num_rows,
        identities=len(paths),
        steps_s=evaluation.steps_s,
        people=tuple(float(np.mean(each)) for each in true_people),
        crossings=float(np.mean(list(true_crossings.values()))),
        rows=tuple(made),
    )


def paths_of(sequence: MotSequence) -> dict[int, Path2D]:
    """The centre of each person's boxes, in every frame of the video."""
    found: dict[int, list[tuple[float, float, float]]] = {}
    for pts in sorted(sequence.boxes):
        at_s = sequence.source.clock.seconds(pts)
        for person, (x0, y0, x1, y1) in zip(
            sequence.identities[pts].tolist(), sequence.boxes[pts].xyxy.tolist(), strict=True
        ):
            found.setdefault(person, []).append((at_s, (x0 + x1) / 2, (y0 + y1) / 2))
    return dict(found)


def people_in_steps(paths: Mapping[int, Path2D], step_s: float) -> list[int]:
    """The number of different people in each step, from the first one to the last that shows somebody."""
    steps = [{int(at_s // step_s) for at_s, _, _ in path} for path in paths.values()]
    last = max((max(each) for each in steps), default=-1)
    return [sum(at in each for each in steps) for at in range(last + 1)]


def crossed(path: Path2D, line: str, *, band: float = BAND) -> list[str]:
    """The sides, "left" or "right", to which a path crosses a line, as `crossings` of SQL describes it."""
    ax, ay, bx, by = ends_of(line)
    length = np.hypot(bx - ax, by - ay)
    placed = []
    for _, x, y in path:
        across = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length
        if abs(across) >= band:
            placed.append((across, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length**2))
    sides = []
    for (before, along_before), (after, along_after) in pairwise(placed):
        if (before > 0) != (after > 0):
            part = abs(before) / (abs(before) + abs(after))
            if 0 <= along_before + part * (along_after - along_before) <= 1:
                sides.append("right" if after > 0 else "left")
    return sides


def _query(evaluation: CountsEvaluation, options: str, band: float, condition: str) -> str:
    """One query for all figures, as objects are found again for each: rows of what, part and n."""
    parts = [
        f"SELECT '{step_s:g}' AS what, (at_s / {step_s})::INTEGER::VARCHAR AS part, sum(objects)::INTEGER AS n "
        f"FROM counts(step_s := {step_s}, {options}) WHERE {condition} GROUP BY at_s"
        for step_s in evaluation.steps_s
    ]
    parts += [
        f"SELECT '{line}', direction, count(*)::INTEGER FROM crossings('{line}', band := {band}, {options}) "
        f"WHERE {condition} GROUP BY direction"
        for line in evaluation.lines
    ]
    # a step longer than any video: everything that was counted
    everything = f"counts(step_s := 1e9, {options}) WHERE {condition}"
    parts.append(f"SELECT 'things', '', coalesce(sum(objects), 0)::INTEGER FROM {everything}")
    return " UNION ALL ".join(parts)
