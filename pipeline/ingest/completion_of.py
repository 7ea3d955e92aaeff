"""How sources of a plan that is stored in a lake, or beside it, are completed: by its settings for shots and tracks."""

import logging
from functools import partial

from operators.shots.cuts import fold_shots
from operators.tracking.tracker import Tracker
from pipeline.lake.writing.completion import Completion
from pipeline.plan.lake_plan import read_lake_plan
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import PlanError

_MASKS = "tracks.propagation.model"
_log = logging.getLogger(__name__)


def completion_of(stored: StoredPlan) -> Completion | None:
    """The completion under a stored plan; None where its sources must wait for an ingest with that plan.

    Nothing that the plan names is imported or opened. Its tracks are made without a model that carries masks.
    """
    try:
        read = read_lake_plan(stored.toml)
    except PlanError as error:
        _log.warning("recordings of plan %s stay open: %s", stored.hash, error, extra={"plan": stored.hash})
        return None
    named = sorted(key for key in read.omitted if key.startswith(("read.shots.", "tracks.")) and key != _MASKS)
    if named:
        text = "recordings of plan %s stay open until the lake is written with that plan: it names %s"
        _log.warning(text, stored.hash, ", ".join(named), extra={"plan": stored.hash})
        return None
    if _MASKS in read.omitted:
        text = "tracks of plan %s are made without carrying masks: its model is not loaded for an earlier plan"
        _log.warning(text, stored.hash, extra={"plan": stored.hash})
    shots = partial(fold_shots, config=read.plan.read.shots)
    tracker = partial(Tracker, read.plan.tracks)
    validity = read.plan.validity
    return Completion(shots, new_tracker=tracker, linker=None, grid_s=validity.grid_s, store_once=validity.store_once)
