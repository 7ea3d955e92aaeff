"""Completes each source under the plan that made its rows, which may be that of an earlier writer."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from pipeline.lake.lake import Lake
from pipeline.lake.plans import read_plans
from pipeline.lake.writing.completion import Completion
from pipeline.lake.writing.ledger_state import LedgerState
from pipeline.plan.stored_plan import StoredPlan

CompletionOf = Callable[[StoredPlan], Completion | None]


class Completions:
    """The completions of a writer's own plan and of the others that it meets.

    own: for the writer's plan, and for plans that the lake does not store (those of 0.1.0). plan: the writer's.
    completion_of: for any other plan; None where it cannot be followed: its sources stay open. By default, `own`.
    """

    def __init__(
        self, own: Completion, completion_of: CompletionOf | None, *, plan: StoredPlan | None, lake: Lake
    ) -> None:
        self._own = own
        self._plan = plan
        self._completion_of = completion_of
        self._lake = lake
        self._plans: dict[str, StoredPlan] = {}  # by hash, those that are not the writer's
        self._others: dict[str, Completion | None] = {}  # by hash

    def learn(self, plan: StoredPlan | None) -> None:
        """Remembers a plan that the lake may not store yet."""
        if plan is not None:
            self._plans[plan.hash] = plan

    def plan_of(self, hash: str) -> StoredPlan | None:
        """The plan with this hash: the writer's, one that it learned, or one that the lake stores."""
        if self._plan is not None and self._plan.is_of(hash):
            return self._plan
        if hash not in self._plans:
            self._plans |= read_plans(self._lake)
        return self._plans.get(hash)

    def complete(self, state: LedgerState, source_ids: Iterable[str]) -> None:
        """Completes those of the sources that are covered; the others stay open."""
        by_plan: defaultdict[str, list[str]] = defaultdict(list)
        with state.reading() as sources:
            for name in source_ids:
                by_plan[sources[name].plan].append(name)
            for plan, names in by_plan.items():
                completion = self._of(plan)
                if completion is not None:
                    completion.complete(state, names)

    def _of(self, hash: str) -> Completion | None:
        if self._completion_of is None:
            return self._own
        if hash not in self._others:
            plan = self.plan_of(hash)
            if plan is None or plan is self._plan:
                self._others[hash] = self._own if self._plan is not None else None
            else:
                self._others[hash] = self._completion_of(plan)
        return self._others[hash]
