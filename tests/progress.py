"""What a long run has done, in a file, so that it continues where it was stopped."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path


class Progress:
    """Cases that were run. file: a line of JSON for each case; the last one may be cut anywhere.

    problems: of each case.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._events: dict[str, int] = {}
        self.problems: dict[str, list[str]] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                case, problems, events = json.loads(line)
            except ValueError:  # empty, or the run was killed while it wrote the line
                continue
            self.problems[case], self._events[case] = problems, events

    def left(self, cases: Iterable[str]) -> Iterator[str]:
        """The cases that were not run yet."""
        return (case for case in cases if case not in self.problems)

    def add(self, case: str, problems: Iterable[str], *, events: int = 1) -> None:
        """events: number of what the case did, for example of kills."""
        self.problems[case], self._events[case] = list(problems), events
        with self._file.open("a") as file:
            file.write("\n" + json.dumps([case, self.problems[case], events]))

    def events(self, kind: str) -> int:
        """Number of events of the cases whose names begin so."""
        return sum(events for case, events in self._events.items() if case.startswith(kind))

    def report(self) -> Iterator[str]:
        """Lines for a person: what was wrong, and how many cases were run."""
        wrong = {case: problems for case, problems in self.problems.items() if problems}
        for case, problems in wrong.items():
            yield from (f"{case}: {problem}" for problem in problems)
        for kind in dict.fromkeys(case.partition(",")[0] for case in self.problems):
            cases = [case for case in self.problems if case.startswith(kind)]
            bad = sum(case in wrong for case in cases)
            yield f"{kind}: {self.events(kind)} in {len(cases)} cases, {bad} of them with problems"
