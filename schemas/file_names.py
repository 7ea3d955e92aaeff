"""Names of files as they are stored and shown, for names that are not UTF-8.

A file system allows any bytes in a name but `/` and NUL. Python holds bytes that are not UTF-8 as lone surrogates
(PEP 383), which neither Arrow, JSON nor a terminal can represent. Such a path is therefore stored as a URI (RFC 8089),
`file:///videos/caf%E9.ts`, from which the exact bytes follow; every other path is stored as it is.
"""

import os
from urllib.parse import quote, unquote_to_bytes

_FILE_URI = "file:///"


def uri_of_path(path: str) -> str:
    """The name under which an absolute path is stored: itself, or a `file:` URI where it is not UTF-8.

    >>> uri_of_path("/videos/caf\\udce9.ts")
    'file:///videos/caf%E9.ts'
    """
    name = os.fsencode(path)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return f"file://{quote(name)}"


def path_of_uri(uri: str) -> str:
    """The path, or the URL of a remote source, that opens what is stored under `uri`.

    >>> path_of_uri("file:///videos/caf%E9.ts")
    '/videos/caf\\udce9.ts'
    """
    if not uri.startswith(_FILE_URI):
        return uri
    return os.fsdecode(unquote_to_bytes(uri.removeprefix("file://")))


def printable(text: str) -> str:
    """The text with bytes that are not UTF-8 escaped, for messages that quote names: `caf\\xe9.ts`.

    It can be stored and encoded, unlike the text itself.
    """
    try:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte, from JSON
        return text.encode(errors="backslashreplace").decode()
