"""Stores the reduction of a plan in the lake, before any row that needs it, and finds it there for a plan without."""

from dataclasses import replace

from operators.encoders.card import ModelCard
from operators.encoders.catalogue import model_card
from operators.encoders.reduction import Reduction, is_reduced, reduction_name
from pipeline.lake.lake import Lake
from pipeline.lake.reductions import keep_reduction, kept_reductions, reduction_place
from pipeline.plan.plan import Plan
from schemas.errors import LakeError, ModelError


def with_kept_reduction(plan: Plan, lake: str, *, only_own: bool = True) -> Plan:
    """The plan with its reduction in the lake, where it is stored first: what reads the lake then needs no other file.

    A plan with `regions.dimensions` alone gets the reduction that the lake has for its model. lake: URI; it may not
    exist yet. only_own: whether vectors of another space than the lake's are refused, as for an ingest.
    Raises ModelError where they are or the file is not a reduction of the model, LakeError if the storage fails.
    """
    settings = plan.regions
    if not settings.dimensions:
        return plan
    if not settings.reduction:
        place = _kept_for(model_card(plan.model, class_paths=True), lake)
        return plan if place is None else replace(plan, regions=replace(settings, reduction=place))
    reduction = plan.reduction
    assert reduction is not None
    if only_own:
        _require_own(reduction, lake, file=settings.reduction)
    place = keep_reduction(lake, settings.reduction, name=reduction.name)
    return replace(plan, regions=replace(settings, reduction=place))


def _require_own(reduction: Reduction, lake: str, *, file: str) -> None:
    try:
        space = Lake.open(lake).space
    except LakeError:
        return  # there is none yet, or the writer that opens it next says what is wrong
    if not space.comparable(reduction.space):
        own = reduction_name(space)
        has = "are not shortened" if own is None else f"were shortened to {space.dimension} dimensions by {own}"
        advice = (
            "omit regions.dimensions and regions.reduction"
            if own is None
            else f"omit regions.reduction and set regions.dimensions={space.dimension}"
        )
        raise ModelError(
            f"the vectors of {lake} {has}; {file} is {reduction.name} to {reduction.dimensions}, and their vectors "
            f"cannot be compared: {advice}, or ingest into another lake"
        )


def _kept_for(card: ModelCard, lake: str) -> str | None:
    """The file of the lake's reduction for a model: that of its own vectors, if it has several."""
    places = {name: reduction_place(lake, name) for name in kept_reductions(lake)}
    fitting = {name: place for name, place in places.items() if Reduction.load(place).full.comparable(card.space)}
    if not fitting or (len(fitting) == 1 and not card.nested):
        return next(iter(fitting.values()), None)
    in_use = [reduction_name(space) for space in Lake.open(lake).spaces().values() if is_reduced(space, card.space)]
    return fitting.get(in_use[0] or "") if in_use else None
