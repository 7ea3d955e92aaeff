"""The figures of methods of search, task by task."""

from dataclasses import dataclass

from pipeline.lab.evaluation.metrics import Estimate
from pipeline.lab.evaluation.retrieval.question import Task


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one method on one subset of a task's questions.

    measures: name → mean over the questions. gain: the task's first measure minus that of the first method that
    answered, question by question; None for that method itself.
    """

    method: str
    subset: str
    measures: dict[str, Estimate]
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """questions: subset → number of questions. ms: method → median time of a search. unanswered: method → why it has no
    row."""

    task: Task
    questions: dict[str, int]
    rows: tuple[Row, ...]
    ms: dict[str, float]
    unanswered: dict[str, str]


@dataclass(frozen=True, slots=True)
class RetrievalTable:
    """frames: number of frames that can be found. copies: number of pictures omitted as another has the same bytes.

    plans: method → hash of its plan. bytes_a_frame: method → mean size of its vectors or codes in the lake.
    """

    dataset: str
    layout: str
    frames: int
    copies: int
    model: str
    plans: dict[str, str]
    bytes_a_frame: dict[str, float]
    tasks: tuple[TaskTable, ...]
