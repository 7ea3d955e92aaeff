"""Saves the state of a training run in one file, from which it resumes as if it had never stopped."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from operators.runtime.atomic_write import atomic_write
from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Epoch:
    """A point of the learning curve.

    loss: mean over the training pictures during the epoch. held_out_loss: mean over held-out pictures after the epoch,
        None if there are none.
    """

    number: int
    learning_rate: float
    loss: float
    held_out_loss: float | None


def save_checkpoint(
    path: Path,
    *,
    fingerprint: str,
    modules: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    curve: list[Epoch],
) -> None:
    """Writes the file atomically. fingerprint: hash of everything on which the run depends."""
    state = {
        "fingerprint": fingerprint,
        "modules": modules.state_dict(),
        "optimiser": optimiser.state_dict(),
        "curve": [asdict(epoch) for epoch in curve],
    }
    with atomic_write(path) as made:
        torch.save(state, made)


def load_checkpoint(
    path: Path, *, fingerprint: str, modules: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> list[Epoch]:
    """Restores modules and optimiser and returns the learning curve, which is empty if there is no file.

    Raises InvalidValueError if the file belongs to another run or is not a checkpoint.
    """
    if not path.exists():
        return []
    try:
        state = torch.load(path, weights_only=True)
        if state["fingerprint"] != fingerprint:
            raise InvalidValueError(
                f"{path} belongs to a run with other pictures, classes or settings: delete it, or write to another file"
            )
        modules.load_state_dict(state["modules"])
        optimiser.load_state_dict(state["optimiser"])
        return [Epoch(**epoch) for epoch in state["curve"]]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise InvalidValueError(f"{path} is not a checkpoint, delete it: {error}") from error
