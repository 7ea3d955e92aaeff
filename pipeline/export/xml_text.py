"""Text that XML 1.0 allows (https://www.w3.org/TR/xml/#charsets)."""

import re

from schemas.visible_text import visible

_NONE = re.compile("[\ufffe\uffff]")  # signs that are none, which XML has no form for


def xml_text(text: str) -> str:
    r"""The text with control characters as `\x1b`, as they are shown elsewhere, and signs that are none as "�"."""
    return _NONE.sub("\ufffd", visible(text))
