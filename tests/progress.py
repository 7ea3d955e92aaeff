"""What a long run has done, in a file, so that it goes on where it was stopped."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path


class Progress:
    """Cases that were run, each with its problems. file: a line of JSON for each case, which may be cut anywhere."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.problems: dict[str, list[str]] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                case, problems = json.loads(line)
            except ValueError:  # the run was killed while it wrote the line
                continue
            self.problems[case] = problems

    def left(self, cases: Iterable[str]) -> Iterator[str]:
        """The cases that were not run yet."""
        return (case for case in cases if case not in self.problems)

    def add(self, case: str, problems: Iterable[str]) -> None:
        self.problems[case] = list(problems)
        with self._file.open("a") as file:
            file.write("\n" + json.dumps([case, self.problems[case]]))

    def report(self) -> Iterator[str]:
        """Lines for a person: what was wrong, and how many cases were run."""
        wrong = {case: problems for case, problems in self.problems.items() if problems}
        for case, problems in wrong.items():
            yield from (f"{case}: {problem}" for problem in problems)
        yield f"{len(self.problems)} cases were run, {len(wrong)} of them with problems"
