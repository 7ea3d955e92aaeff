"""The interface of every proposer: settings that build it, and boxes of keyframes."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field
from typing import Any, ClassVar, Protocol, runtime_checkable

from schemas.frames import Keyframe
from schemas.regions import Proposals
from schemas.vectors import FeatureMap

Proposer = Callable[[Sequence[Keyframe]], list[Proposals]]


class ProposerConfig(Protocol):
    """The settings of a proposer: a frozen dataclass with a default for every field, which a plan can write as TOML.

    name: lower-case letters, digits and hyphens. It names the table of settings in a plan, `[proposals.open_set]` for
        "open-set". Regions state their `Proposals.proposer`, which may say more: "grid-2".
    makes_masks: whether regions have masks.

    A field with the metadata `weights()` names a model: on Ray the proposer then requests a share of a GPU, and the
    identity of the plan depends on the contents of the model's files. `no_rows()` marks a field that changes no region,
    such as a batch size. Both are in `operators.runtime.settings`, with the other kinds of metadata.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    makes_masks: ClassVar[bool]

    def build(self) -> Proposer:
        """Makes the function that returns one `Proposals` for each keyframe; called in the process that runs it.

        Heavy packages are imported here. If the result has a method `close`, it is called when the run ends.
        Raises ModelError if a model is missing or of another type, PlanError if the settings do not fit the model.
        """
        ...


@runtime_checkable
class SharesPass(Protocol):
    """Settings of a proposer that reads the feature maps of an encoder, which are made anyway for vectors of regions.

    What `build` makes has the method `of_maps`, see `ReadsMaps`.

    map_model: name of the encoder. map_px: the size of its maps, as `regions.map_px`.
    """

    map_model: ClassVar[str]
    map_px: int


@runtime_checkable
class ReadsMaps(Protocol):
    """A proposer that finds the same in the maps of keyframes as in the keyframes, without a pass of its own."""

    def of_maps(self, maps: Sequence[FeatureMap]) -> list[Proposals]:
        """maps: one for each keyframe, of the encoder and the size that the settings name."""
        ...


def one_by_one(propose: Callable[[Keyframe], Proposals]) -> Proposer:
    """A proposer that calls `propose` for one keyframe at a time; models take several at once."""
    return lambda keyframes: [propose(keyframe) for keyframe in keyframes]


class SideBySide:
    """A proposer that calls `propose` for several keyframes at once, on one thread per core that this process may use.

    propose: may be called by several threads at once. NumPy and OpenCV release the GIL in long calls, so that two
        threads take little more than half of the time.
    """

    def __init__(self, propose: Callable[[Keyframe], Proposals]) -> None:
        self._propose = propose
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "proposer")

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        return list(self._threads.map(self._propose, keyframes))

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
