"""All settings of tracking."""

from dataclasses import dataclass, field

from operators.runtime.settings import weights
from schemas import require
from schemas.errors import InvalidValueError
from schemas.regions import WHOLE_FRAME


@dataclass(frozen=True, slots=True)
class ProposerRule:
    """How regions of one kind of proposer are tracked.

    kind: the proposer's name without its number: "grid" means "grid-2" and "grid-4".
    tracked: false for windows whose place does not depend on the picture.
    begin_score: a region with a lower score begins no track, but it may continue one.
    """

    kind: str
    tracked: bool = True
    begin_score: float = 0.0

    def __post_init__(self) -> None:
        if not self.kind:
            raise InvalidValueError("a rule needs the kind of a proposer, e.g. 'moving', got ''")


@dataclass(frozen=True, slots=True)
class PropagationConfig:
    """How masks are propagated from keyframe to keyframe.

    model: a folder or a hub id of a segmenter with a memory: SAM 2.1, SAM 3 or EdgeTAM as published (model types
        sam2_video, sam3_video, sam3_tracker_video, edgetam_video). With "", no masks are propagated.
    least_iou: least IoU of a propagated mask and a region for them to be linked.
    """

    model: str = field(default="", metadata=weights())
    least_iou: float = 0.5

    def __post_init__(self) -> None:
        require.within("(0, 1]", least_iou=self.least_iou)

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which tracks depend."""
        return ("model", "least_iou") if self.model else ()


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """When a region continues a track.

    The cost of a pair of a track and a region is the weighted mean of four differences, each in [0, 1]: iou (1 − IoU of
    the predicted and the seen box), appearance (1 − cosine, relative to the usual difference between things of one
    frame), distance (of the centres, relative to its gate) and shape (of the sizes, relative to its gate). Further
    costs are added for a different proposer or label, and for every keyframe in which the track was not seen. Tracks
    are assigned to regions one to one, with the least total cost.

    iou, appearance, distance, shape: the weights of the mean.
    other_proposer: added if the proposers differ. other_label: added if both have a label and the labels differ.
    other_score: times the difference of the scores, added if both are of one proposer. Among several boxes around one
        thing, the best-fitting one has the best score in every keyframe.
    asleep: added for every keyframe in which the track was not seen, at most three times.
    young: added for a track of one region, and less for each further region up to five, so that a long track wins
        against one that has just begun next to it.
    link: subtracted for a pair that a model of motion links with a score of 1, and in proportion for lower scores. The
        gates do not apply to linked pairs. Above 1, a certain link outweighs all evidence for other pairs.
    most_cost: a pair with this cost or more is never assigned.
    gate_sides, gate_sides_per_s, most_gate_sides: the largest distance of a centre from its prediction, in sides of the
        region (square root of its area): `gate_sides`, plus `gate_sides_per_s` for each second since the track was
        seen, and at most `most_gate_sides`.
    gate_shape: largest ratio of the widths, and of the heights.
    gate_cosine: least cosine of a region's vector and the track's.
    memory: share of a track's vector and score that is kept when a region is added to it.
    size_gain: share of the difference in size that a track adopts from a new region. Boxes around one thing contain
        sometimes more and sometimes less of it, and a track must not slide from one such box to another.
    fade_s: time in which a predicted speed falls to 1/e.
    settle_s: 63 % of the movement of a box within this time is considered motion, the rest jitter.
    sleep_s, sleep_keyframes: a track ends once it was not seen for longer than both. Both are needed because keyframes
        come several times a second, or only once a minute where nothing happens.
    new_sleep_keyframes: the same limit for a track of a single region, whatever the time.
    rules: rules for proposers. Regions of proposers without a rule are tracked whatever their score.
    propagation: how masks are propagated from keyframe to keyframe, which yields links; needs a model.
    """

    iou: float = 0.3
    appearance: float = 0.35
    distance: float = 0.25
    shape: float = 0.1
    other_proposer: float = 0.05
    other_label: float = 0.2
    other_score: float = 1.0
    asleep: float = 0.03
    young: float = 0.05
    link: float = 1.5
    most_cost: float = 0.75
    gate_sides: float = 1.0
    gate_sides_per_s: float = 1.5
    most_gate_sides: float = 3.0
    gate_shape: float = 2.5
    gate_cosine: float = 0.0
    memory: float = 0.8
    size_gain: float = 0.35
    fade_s: float = 4.0
    settle_s: float = 0.7
    sleep_s: float = 3.0
    sleep_keyframes: int = 4
    new_sleep_keyframes: int = 1
    rules: tuple[ProposerRule, ...] = (
        ProposerRule("grid", tracked=False),
        ProposerRule("cover", tracked=False),
        ProposerRule(WHOLE_FRAME, tracked=False),
    )
    propagation: PropagationConfig = field(default_factory=PropagationConfig)

    def __post_init__(self) -> None:
        require.at_least(0, iou=self.iou, appearance=self.appearance, distance=self.distance, shape=self.shape)
        require.not_all_zero(iou=self.iou, appearance=self.appearance, distance=self.distance, shape=self.shape)
        require.at_least(0, other_proposer=self.other_proposer, other_label=self.other_label)
        require.at_least(0, other_score=self.other_score, asleep=self.asleep, young=self.young, link=self.link)
        require.within("(0, 1]", most_cost=self.most_cost, size_gain=self.size_gain)
        require.at_least(0, gate_sides=self.gate_sides, gate_sides_per_s=self.gate_sides_per_s)
        require.above(0, most_gate_sides=self.most_gate_sides)
        require.above(1, gate_shape=self.gate_shape)
        require.within("[-1, 1]", gate_cosine=self.gate_cosine)
        require.within("[0, 1)", memory=self.memory)
        require.above(0, fade_s=self.fade_s, settle_s=self.settle_s)
        require.at_least(0, sleep_s=self.sleep_s, sleep_keyframes=self.sleep_keyframes)
        require.at_least(0, new_sleep_keyframes=self.new_sleep_keyframes)
        require.distinct(rules=[rule.kind for rule in self.rules])

    def rule_of(self, proposer: str) -> ProposerRule:
        """The rule for the proposer's kind; if there is none, a rule that tracks regions of any score."""
        kind, _, number = proposer.rpartition("-")
        name = kind if number.isdigit() else proposer
        return next((rule for rule in self.rules if rule.kind == name), ProposerRule(name))
