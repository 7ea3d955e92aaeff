"""The hash that RegionLake 0.1.0 gave to a plan, so that lakes of 0.1.0 can be continued.

0.1.0 hashed the `repr` of its plan as nested dictionaries, so the hash depended on the order of the fields. That order
is written down here and does not follow today's classes. A plan with a setting that 0.1.0 did not have has no such
hash.
"""

import json
from collections.abc import Mapping

from operators.runtime.settings import Setting
from schemas.ids import digest

# in the order of 0.1.0: a section, and those of its settings that were hashed
_FORM = (
    ("", "patches detail"),
    ("representatives", "method count threshold"),
    ("read.shots", "detector threshold min_shot_s weights kernel_size filter_mode min_content window_frames"),
    ("read.shots", "fade_bias min_fade_s cut_at_final_fade bins hash_size lowpass"),
    ("read.keyframes", "candidate_interval_s longest_interval_s refresh_interval_s settle_s change near_duplicate"),
    ("read", "background"),  # None: no background
    ("read.background", "sample_interval_s back_s ahead_s min_samples"),
    ("read", "max_side_px"),
    ("proposals", "use"),
    ("proposals.moving", "still moving aspects least_height height_step stride least_fill thresholds closing_px"),
    ("proposals.moving", "max_iou least_score limit"),
    ("proposals.selective_search", "long_side_px max_iou limit"),
    ("proposals.grid", "cells"),
    ("proposals.complete_cover", "k"),
    ("proposals.segments", "long_side_px least_area most_area max_iou limit"),
    ("proposals.segments.merge", "piece_contrast piece_px colour texture edge size fill motion small_first"),
    ("proposals.segments.merge", "long_border_first"),
    ("proposals.masks", "model points_per_side least_predicted_iou least_stability stability_offset max_iou"),
    ("proposals.masks", "min_area limit"),
    ("proposals.detector", "model least_score classes limit"),
    ("proposals.open_set", "model vocabulary vocabulary_file least_score least_text_score limit"),
    ("proposals.fastsam", "model input_px least_score max_iou limit"),
    ("proposals.refine", "max_iou min_side limit reserve"),
    ("proposals.box_masks", "by"),
    ("proposals.box_masks.grabcut", "side_px margin sure rounds least_fill most_fill"),
    ("proposals.box_masks.sam", "model least_predicted_iou stability_offset"),
    ("regions", "mode context crop_px"),
    ("thumbnails", "max_side_px quality"),
    ("tracks", "iou appearance distance shape other_proposer other_label other_score asleep young link most_cost"),
    ("tracks", "gate_sides gate_sides_per_s most_gate_sides gate_shape gate_cosine memory size_gain fade_s settle_s"),
    ("tracks", "sleep_s sleep_keyframes new_sleep_keyframes rules"),
    ("tracks.propagation", "model least_iou"),
    ("codes", "model regions_per_frame"),
)
_RULE = ("kind", "tracked", "begin_score")  # of tracks.rules
LEGACY_DIGITS = 12  # newer hashes have 32


def is_legacy(plan_hash: str) -> bool:
    """Whether a hash in a lake was computed by 0.1.0, which stored no plans."""
    return len(plan_hash) == LEGACY_DIGITS


def legacy_hash(settings: Mapping[str, Setting]) -> str | None:
    """The hash that 0.1.0 gave to a plan with this identity; None for a plan that 0.1.0 could not express."""
    left = dict(settings)
    model = left.pop("model")
    if not isinstance(model, Mapping) or model.keys() != {"revision", "dimension", "preprocessing"}:
        return None
    if "detail.model" in left:
        left["detail"] = left.pop("detail.model")
    if "proposals.open_set.model" in left:
        left["proposals.open_set.vocabulary_file"] = None  # 0.1.0 had replaced it by its phrases
    rules = left.get("tracks.rules")
    if isinstance(rules, tuple):
        left["tracks.rules"] = tuple(_in_order(rule) for rule in rules)
    content: dict[str, object] = {}
    for section, names in _FORM:
        for name in names.split():
            path = f"{section}.{name}" if section else name
            if path in left:
                _put(content, path.split("."), left.pop(path))
    if left:
        return None
    return digest("plan", repr(content), json.dumps({**model, "model": ""}, sort_keys=True))[:LEGACY_DIGITS]


def _in_order(rule: Setting) -> Setting:
    if isinstance(rule, Mapping) and rule.keys() == set(_RULE):
        return {name: rule[name] for name in _RULE}
    return rule


def _put(content: dict[str, object], path: list[str], value: Setting) -> None:
    below = content
    for section in path[:-1]:
        found = below.setdefault(section, {})
        assert isinstance(found, dict)
        below = found
    below[path[-1]] = value
