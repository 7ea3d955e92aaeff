"""What a redaction covers."""

from dataclasses import dataclass, field

from operators.redaction.config import CarryConfig, CoverStyle
from schemas import require
from schemas.errors import InvalidValueError

PEOPLE, HITS, OTHERS = "people", "hits", "others"


@dataclass(frozen=True, slots=True)
class RedactionConfig:
    """What is covered, and how.

    what: "people" for regions that may show a person, and all that moves; "hits" for what the query found; "others" for
        everything but that; anything else is words, for regions that may show what they say.
    least_confidence: a region whose chance to show it is at least this is covered. It is low, because a region that is
        covered in vain costs less than a person who can be seen. Where the model has no calibration every region is.
    """

    what: tuple[str, ...]
    style: CoverStyle = "blur"
    least_confidence: float = 0.05
    carry: CarryConfig = field(default_factory=CarryConfig)

    def __post_init__(self) -> None:
        require.within("[0, 1]", least_confidence=self.least_confidence)
        if not self.what or not all(each.strip() for each in self.what):
            raise InvalidValueError(f"a redaction needs what to cover: {PEOPLE}, {HITS}, {OTHERS}, or words")
        if OTHERS in self.what and len(set(self.what)) > 1:
            raise InvalidValueError(f"{OTHERS} covers everything but the hits, {self.what} cannot add to it")

    @property
    def words(self) -> tuple[str, ...]:
        """The words whose regions the model finds."""
        asked = ("a person" if each == PEOPLE else each for each in self.what if each not in (HITS, OTHERS))
        return tuple(dict.fromkeys(asked))
