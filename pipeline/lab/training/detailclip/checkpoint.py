"""Where a training run stands, in one file: what it needs to go on as if it had never stopped."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from operators.runtime.atomic_write import atomic_write
from schemas.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Epoch:
    """A point of the learning curve. loss: mean over the training pictures during the epoch; held_out_loss: mean over
    the others after it, None where there are none."""

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
    """Writes the file whole or not at all. fingerprint: of all that the run depends on."""
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
    """Puts modules and optimiser where the run stood and returns its curve, empty where there is no file.

    Raises InvalidValueError where the file is of another run, or no checkpoint.
    """
    if not path.exists():
        return []
    try:
        state = torch.load(path, weights_only=True)
        if state["fingerprint"] != fingerprint:
            raise InvalidValueError(
                f"{path} is of a run with other pictures, classes or settings: delete it, or write to another file"
            )
        modules.load_state_dict(state["modules"])
        optimiser.load_state_dict(state["optimiser"])
        return [Epoch(**epoch) for epoch in state["curve"]]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise InvalidValueError(f"{path} is no checkpoint, delete it: {error}") from error
