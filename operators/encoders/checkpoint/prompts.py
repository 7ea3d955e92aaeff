"""Puts a text into the sentences that an image-text model encodes."""

from dataclasses import dataclass

from schemas.errors import InvalidValueError

ARTICLES = ("a", "an", "the")


@dataclass(frozen=True, slots=True)
class Prompts:
    """A text's vector is the mean over the templates, in which `{}` is replaced by the text.

    name_words: templates other than `{}` are used for names of at most so many words, without their article, as a
    sentence within a sentence makes no sense; None uses them for every text. lower: texts are changed to lower case, on
    which the model was trained.
    """

    templates: tuple[str, ...] = ("{}",)
    name_words: int | None = None
    lower: bool = False

    def __post_init__(self) -> None:
        if not self.templates or any(template.count("{}") != 1 for template in self.templates):
            raise InvalidValueError(f"every template needs one {{}} for the text, got {list(self.templates)!r}")
        if self.name_words is not None and "{}" not in self.templates:
            raise InvalidValueError(f"texts that are not names need the template {{}}, got {list(self.templates)!r}")

    def of(self, text: str) -> tuple[str, ...]:
        """The sentences whose mean vector is the text's."""
        words = text.split()
        name = words[1:] if words and words[0].lower() in ARTICLES else words
        templates = self.templates
        if self.name_words is not None and not 1 <= len(name) <= self.name_words:
            templates = ("{}",)
        said = [template.replace("{}", _fitting(template, text, " ".join(name))) for template in templates]
        return tuple(each.lower() if self.lower else each for each in said)


# Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021), section 3.1.4
CLIP_PROMPTS = Prompts(("{}", "a photo of a {}."), name_words=3)
# Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (2023), as in the cards of its checkpoints
SIGLIP_PROMPTS = Prompts(("{}", "this is a photo of {}."), name_words=3, lower=True)


def _fitting(template: str, text: str, name: str) -> str:
    """The text without its article if the template has an article of its own."""
    before = template.partition("{}")[0].split()
    return name if before and before[-1].lower() in ARTICLES and name else text
