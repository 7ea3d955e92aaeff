"""Calls of Ray actors that fail as a call in this process would."""

from typing import Any

import ray


def call(actor: Any, method: str, *args: object, **options: object) -> Any:
    """Calls a method of an actor and waits for what it returns. Raises what it raised there, not Ray's wrapper."""
    try:
        return ray.get(getattr(actor, method).remote(*args, **options))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
