"""The hash of a plan: a digest of its settings in a canonical form."""

import json
from collections.abc import Mapping, Sequence

from operators.runtime.settings import Setting
from schemas.errors import PlanError
from schemas.ids import digest

FORM = 1  # of the canonical form; another number makes every hash another


def plan_hash(settings: Mapping[str, Setting]) -> str:
    """32 hexadecimal digits of an identity (operators/runtime/settings.py)."""
    return form_hash(canonical_form(settings))


def form_hash(form: str) -> str:
    """Of an identity in its canonical form, as a lake keeps it."""
    return digest("plan", form)


def canonical_form(settings: Mapping[str, Setting]) -> str:
    """An identity as JSON that equal ones share, whatever the order of their settings.

    Raises PlanError for a number that is not finite.
    """
    content = {"form": FORM, "settings": {name: _canonical(value) for name, value in settings.items()}}
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise PlanError(f"a setting of the plan is no finite number: {error}") from error


def _canonical(value: Setting) -> Setting:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 2 and 2.0 are equal, and so are the rows
    if isinstance(value, Mapping):
        return {key: _canonical(below) for key, below in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(below) for below in value]
    return value
