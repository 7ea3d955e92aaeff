"""The figures of the methods of search, task by task."""

from dataclasses import dataclass

from pipeline.lab.evaluation.metrics import Estimate
from pipeline.lab.evaluation.retrieval.question import Task


@dataclass(frozen=True, slots=True)
class Row:
    """What one method reaches on one subset of a task's questions.

    measures: name → mean over the questions. gain: of the task's first measure over the first method that answered,
    question by question; None for that method itself.
    """

    method: str
    subset: str
    measures: dict[str, Estimate]
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """questions: subset → how many. ms: method → median time of a search. unanswered: method → why it has no row."""

    task: Task
    questions: dict[str, int]
    rows: tuple[Row, ...]
    ms: dict[str, float]
    unanswered: dict[str, str]


@dataclass(frozen=True, slots=True)
class RetrievalTable:
    """frames: that can be found. copies: pictures left out because another has the same bytes.

    plans: method → hash of its plan. bytes_a_frame: method → what its vectors or codes take in the lake.
    """

    dataset: str
    layout: str
    frames: int
    copies: int
    model: str
    plans: dict[str, str]
    bytes_a_frame: dict[str, float]
    tasks: tuple[TaskTable, ...]
