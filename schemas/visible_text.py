"""Text that can be shown: signs with which a name could command a terminal, or reorder what is read, become escapes."""

import json
import re

# Control characters (C0, DEL, C1), separators of lines, marks that change the direction of text (Unicode UAX #9), and
# surrogates, by which Python represents bytes of a name that are not UTF-8.
_SIGNS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_HIDDEN = re.compile(f"[{_SIGNS}]")
_HIDDEN_IN_LINES = re.compile(f"(?![\n\t])[{_SIGNS}]")


def visible(text: str, *, lines: bool = False) -> str:
    r"""The text with such signs written as `\x1b`, `\u202e`, and bytes that are not UTF-8 as `\xe9`.

    lines: keeps line breaks and tabs, for text of several lines.
    """
    return (_HIDDEN_IN_LINES if lines else _HIDDEN).sub(lambda sign: _escape(sign[0]), text)


def visible_json(value: object, *, default: "type[str] | None" = None, indent: int | None = None) -> str:
    r"""The value as JSON, in which such signs are `\u009b`: a reader of the JSON gets them exactly.

    indent: spaces for each level; by default all is in one line.
    """
    text = json.dumps(value, ensure_ascii=False, default=default, indent=indent)
    hidden = _HIDDEN if indent is None else _HIDDEN_IN_LINES  # within strings, line breaks are escaped already
    return hidden.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _escape(sign: str) -> str:
    code = ord(sign)
    if sign in "\n\r\t":
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}[sign]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
