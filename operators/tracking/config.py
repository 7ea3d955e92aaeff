"""When a region goes on with a track: every setting of tracking."""

from dataclasses import dataclass, field

from operators.runtime.settings import weights
from schemas import require
from schemas.errors import InvalidValueError
from schemas.regions import WHOLE_FRAME


@dataclass(frozen=True, slots=True)
class ProposerRule:
    """How regions of one kind of proposer are tracked.

    kind: its name up to a number, so that "grid" means "grid-2" and "grid-4".
    tracked: false for windows that lie at the same place whatever is there.
    begin_score: a region that scores less begins no track, though it may go on with one.
    """

    kind: str
    tracked: bool = True
    begin_score: float = 0.0

    def __post_init__(self) -> None:
        if not self.kind:
            raise InvalidValueError("a rule needs the kind of a proposer, e.g. 'moving', got ''")


@dataclass(frozen=True, slots=True)
class PropagationConfig:
    """model: a folder or an id of the hub, of a segmenter with a memory: SAM 2.1, SAM 3 or EdgeTAM as published (model
        types sam2_video, sam3_video, sam3_tracker_video, edgetam_video). "" carries no masks.
    least_iou: a carried mask and a region that overlap less are not the same thing.
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
    """When a region goes on with a track.

    A pair of a track and a region costs the weighted mean of four differences, each in [0, 1]: iou (1 − IoU of the
    predicted and the seen box), appearance (1 − cosine, as a share of how far apart things of the same frame are),
    distance (of the centres, as a share of its gate) and shape (of the sizes, as a share of its gate); further for
    another proposer or label, and for every keyframe that the track was not seen. The one-to-one choice of pairs with
    the least sum goes on.

    iou, appearance, distance, shape: the weights of the mean.
    other_proposer, other_label: added where both name one and not the same.
    other_score: times the difference of scores, added where both are of one proposer. Of the boxes around one thing
        the one that fits best scores best, keyframe for keyframe.
    asleep: added for every keyframe without the track, but never more than three times.
    young: added for a track of one region, and ever less up to five, so that what was followed for long goes on and
        not what began beside it a moment ago.
    link: taken away for a pair that a model of motion links with full score, in proportion for less; gates do not hold
        for it. Above 1 a sure link outweighs all that speaks for other pairs.
    most_cost: a pair that costs this or more is none.
    gate_sides, gate_sides_per_s, most_gate_sides: how far a centre may lie from where it is predicted, in sides of the
        region (square root of its area): so much at once, so much more each second, never more than the last.
    gate_shape: how many times wider or higher it may be.
    gate_cosine: least cosine to the track's vector.
    memory: share of a track's vector, and of its score, that a new region leaves as it was.
    size_gain: share of the difference in size to a new region that a track takes over: boxes around one thing hold now
        more of it and now less, and a track must not slide from one to the other.
    fade_s: a predicted speed falls to 1/e within this time.
    settle_s: of what a box moved within this time, 63 % are taken for motion, the rest for jitter.
    sleep_s, sleep_keyframes: a track ends once it was not seen for longer than both. Both, for keyframes come several
        times a second or, where nothing happens, once in a minute.
    new_sleep_keyframes: the same for a track of a single region, whatever the time.
    rules: of proposers; those without a rule are tracked from any score.
    propagation: what carries masks from keyframe to keyframe and so makes links; nothing unless it names a model.
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
        """The rule of the proposer's kind; one that tracks from any score where there is none."""
        kind, _, number = proposer.rpartition("-")
        name = kind if number.isdigit() else proposer
        return next((rule for rule in self.rules if rule.kind == name), ProposerRule(name))
