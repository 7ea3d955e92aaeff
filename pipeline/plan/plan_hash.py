"""The hash of a plan: a digest of the canonical form of its settings."""

import json
from collections.abc import Mapping, Sequence

from operators.runtime.settings import Setting
from schemas.errors import PlanError
from schemas.ids import digest

FORM = 1  # version of the canonical form; changing it changes every hash


def plan_hash(settings: Mapping[str, Setting]) -> str:
    """The hash of an identity (operators/runtime/settings.py), as 32 hexadecimal digits."""
    return form_hash(canonical_form(settings))


def form_hash(form: str) -> str:
    """The hash of an identity in its canonical form, as stored in a lake."""
    return digest("plan", form)


def canonical_form(settings: Mapping[str, Setting]) -> str:
    """An identity as JSON; equal identities have equal JSON, whatever the order of their settings.

    Raises PlanError for a number that is not finite.
    """
    content = {"form": FORM, "settings": {name: _canonical(value) for name, value in settings.items()}}
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise PlanError(f"a setting of the plan is not a finite number: {error}") from error


def _canonical(value: Setting) -> Setting:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 2 and 2.0 give equal rows
    if isinstance(value, Mapping):
        return {key: _canonical(below) for key, below in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(below) for below in value]
    return value
