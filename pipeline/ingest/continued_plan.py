"""A lake is continued with the plan that made it, although defaults have changed since then."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from operators.encoders.catalogue import DEFAULT_MODEL, ENCODERS, model_of_space, region_mode
from operators.proposals.classical.moving import MovingConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.refine import RefineConfig
from operators.runtime.settings import Setting, identity
from pipeline.lake.lake import Lake
from pipeline.lake.plans import read_plans
from pipeline.lake.plans_in_use import plans_in_use
from pipeline.plan.legacy_hash import is_legacy
from pipeline.plan.plan import Plan
from pipeline.plan.plan_hash import canonical_form
from schemas.errors import LakeError

# the defaults up to RegionLake 0.2.0
FORMER_PROPOSALS = ProposalConfig(
    use=("moving", "selective-search", "grid"),
    settings=(MovingConfig(limit=48, score_factor=1.0),),
    refine=RefineConfig(limit=64, one_scale=(), stand_ins=()),
)

Kept = Mapping[str, Setting]
Config = TypeVar("Config", RefineConfig, MovingConfig)


def continued_plan(plan: Plan, lake: str) -> Plan:
    """The plan with which a run with `plan` continues the lake at `lake`; `plan` itself where there is no lake.

    A lake with vectors of a former revision of the embedded model keeps that revision, and its `regions.mode`. A lake
    that was made with former defaults of proposals keeps those: where the run has today's default of a setting, and the
    lake the former one, the run gets the former one. This happens only where no source of the lake has the run's
    proposals as they are, and some source has those that result, or is too old to say.
    """
    try:
        opened = Lake.open(lake)
        model = _model_of(opened, plan)
        kept, too_old = _kept_proposals(opened)
    except LakeError:  # there is no lake yet, or whoever opens it next says what is wrong with it
        return plan
    if model != plan.model:
        plan = replace(plan, model=model, regions=replace(plan.regions, mode=region_mode(model)))
        too_old = True
    return replace(plan, proposals=_continued(plan.proposals, kept, too_old=too_old))


def _model_of(lake: Lake, plan: Plan) -> str:
    """The plan's model, or the former revision of the embedded model whose vectors the lake holds."""
    if plan.model != DEFAULT_MODEL:
        return plan.model
    model = model_of_space(lake.space)
    # another model altogether: opening the lake with this plan says so
    return model if model in ENCODERS.names() else plan.model


def _kept_proposals(lake: Lake) -> tuple[list[Kept], bool]:
    """The settings of proposals under which the lake has sources, those of most sources first.

    The second value says whether some sources were made by 0.1.0, which stored no plans.
    """
    plans, in_use = read_plans(lake), [hash for hash, _ in plans_in_use(lake)]
    settings = [json.loads(plans[hash].settings)["settings"] for hash in in_use if hash in plans]
    kept: list[Kept] = [
        {key: value for key, value in each.items() if key.startswith("proposals.")} for each in settings
    ]
    return kept, any(is_legacy(hash) and hash not in plans for hash in in_use)


def _continued(today: ProposalConfig, kept: Sequence[Kept], *, too_old: bool) -> ProposalConfig:
    if _settings(today) in kept:
        return today
    for settings in kept:
        former = _with_former_defaults(today, settings)
        if _settings(former) == settings:
            return former
    return _with_former_defaults(today, _settings(FORMER_PROPOSALS)) if too_old else today


def _with_former_defaults(today: ProposalConfig, kept: Kept) -> ProposalConfig:
    """The same proposals, but with the former default of a setting that has today's, where `kept` has the former."""
    default = ProposalConfig()
    moving = MovingConfig()
    use = today.use
    if use == default.use and kept.get("proposals.use") == _settings(FORMER_PROPOSALS)["proposals.use"]:
        use = FORMER_PROPOSALS.use
    others = [each for each in today.settings if not isinstance(each, MovingConfig)]
    own = next((each for each in today.settings if isinstance(each, MovingConfig)), moving)
    former = next(each for each in FORMER_PROPOSALS.settings if isinstance(each, MovingConfig))
    return replace(
        today,
        use=use,
        settings=(*others, _mixed(own, moving, former, "proposals.moving", kept)),
        refine=_mixed(today.refine, default.refine, FORMER_PROPOSALS.refine, "proposals.refine", kept),
    )


def _mixed(config: Config, default: Config, former: Config, name: str, kept: Kept) -> Config:
    """`config` with the settings of `former` that `kept` has as well, where `config` has those of `default`."""
    had = _settings(FORMER_PROPOSALS)
    changes = {
        each.name: getattr(former, each.name)
        for each in fields(config)
        if getattr(config, each.name) == getattr(default, each.name) != getattr(former, each.name)
        # a setting that is missing in both had its neutral value
        and kept.get(f"{name}.{each.name}") == had.get(f"{name}.{each.name}")
    }
    return replace(config, **changes)


def _settings(proposals: ProposalConfig) -> Kept:
    """The settings of proposals as a lake stores them."""
    found: Kept = json.loads(canonical_form(identity(proposals, name="proposals")))["settings"]
    return found
