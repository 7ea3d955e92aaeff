"""What every proposer offers: settings that build it, and boxes of keyframes."""

from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import Any, ClassVar, Protocol

from schemas.frames import Keyframe
from schemas.regions import Proposals

Proposer = Callable[[Sequence[Keyframe]], list[Proposals]]


class ProposerConfig(Protocol):
    """The settings of a proposer: a frozen dataclass with a default for every field, which a plan can write as TOML.

    name: of lower-case letters, digits and hyphens. A plan has the settings under it, `[proposals.open_set]` for
        "open-set", and remembers regions as made by it.
    makes_masks: whether regions come with masks.

    A field whose metadata is `weights()` names a model: on Ray it gives the proposer a share of a GPU, and the plan's
    identity follows what its files hold. `no_rows()` is for a field that changes no region, such as a batch size; both
    are in `operators.runtime.settings`, with what else a field can say.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    makes_masks: ClassVar[bool]

    def build(self) -> Proposer:
        """What takes keyframes and returns one `Proposals` for each; called in the process where it runs.

        What is heavy to import is imported here. A result with a method `close` has it called when the run ends.
        Raises ModelError where a model is missing or of another kind, PlanError where it cannot do what is asked.
        """
        ...


def one_by_one(propose: Callable[[Keyframe], Proposals]) -> Proposer:
    """A proposer that looks at one keyframe at a time; models take several at once."""
    return lambda keyframes: [propose(keyframe) for keyframe in keyframes]
