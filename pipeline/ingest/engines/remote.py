"""Calls of Ray actors that raise the same errors as calls in this process."""

from typing import Any

import ray


def call(actor: Any, method: str, *args: object, **options: object) -> Any:
    """Calls a method of an actor and returns its result. Raises the method's own error instead of Ray's wrapper."""
    try:
        return ray.get(getattr(actor, method).remote(*args, **options))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
