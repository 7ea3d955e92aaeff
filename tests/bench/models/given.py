"""Records the inputs of a model, and runs the bare model on them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

Given = Any  # arguments of one call: tuples, lists and dicts of arrays and tensors (N, …), and of constants


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a model in a stage, `owner.name(…)`. bare: the function to measure instead, if it is another."""

    owner: Any
    name: str
    bare: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs of one shape, and the model that receives them in batches."""

    model: Callable[..., Any]
    inputs: Given
    batch: int  # the fastest size
    own: int  # the batches of the stage

    def __len__(self) -> int:
        return len(next(leaves(self.inputs)))

    @property
    def shape(self) -> str:
        """The shape of one picture, which is that of the first input."""
        return "×".join(map(str, next(leaves(self.inputs)).shape[1:]))

    def run(self) -> None:
        for start in range(0, len(self), self.batch):
            args, kwargs = taken(self.inputs, slice(start, start + self.batch))
            self.model(*args, **kwargs)


@dataclass(slots=True)
class Recorder:
    """Calls the model and keeps copies of its inputs."""

    model: Callable[..., Any]
    calls: list[Given] = field(default_factory=list)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        copies = changed((args, kwargs), lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf.clone())
        self.calls.append(copies)  # called from several threads
        return self.model(*args, **kwargs)


def recorded(stage: Callable[[Any], object], packets: Sequence[Any], calls: Sequence[Call]) -> Iterator[Part]:
    """Each bare model with its inputs, for each shape, and their largest batch."""
    recorders = [Recorder(getattr(call.owner, call.name)) for call in calls]
    for call, recorder in zip(calls, recorders, strict=True):
        setattr(call.owner, call.name, recorder)
    stage(packets)
    alike: defaultdict[tuple[Any, ...], list[Given]] = defaultdict(list)
    for call, recorder in zip(calls, recorders, strict=True):
        setattr(call.owner, call.name, recorder.model)
        model = call.bare or recorder.model
        for given in recorder.calls:
            alike[model, *(tuple(leaf.shape[1:]) for leaf in leaves(given))].append(given)
    for (model, *_), batches in alike.items():
        own = max(len(next(leaves(given))) for given in batches)
        yield Part(model, together(batches), own, own)


def leaves(given: Given) -> Iterator[Any]:
    """The arrays and tensors in the arguments, in order."""
    match given:
        case np.ndarray() | torch.Tensor():
            yield given
        case dict():
            yield from (leaf for value in given.values() for leaf in leaves(value))
        case list() | tuple():
            yield from (leaf for value in given for leaf in leaves(value))


def changed(given: Given, change: Callable[[Any], Any]) -> Given:
    """The same arguments, with each array or tensor replaced."""
    match given:
        case np.ndarray() | torch.Tensor():
            return change(given)
        case dict():
            return {name: changed(value, change) for name, value in given.items()}
        case list() | tuple():
            return type(given)(changed(value, change) for value in given)
    return given


def taken(given: Given, rows: slice) -> Given:
    return changed(given, lambda leaf: leaf[rows])


def together(batches: Sequence[Given]) -> Given:
    """All arguments as one batch."""
    columns: Iterable[tuple[Any, ...]] = zip(*map(leaves, batches), strict=True)
    joined = iter(
        [np.concatenate(column) if isinstance(column[0], np.ndarray) else torch.cat(column) for column in columns]
    )
    return changed(batches[0], lambda _: next(joined))
