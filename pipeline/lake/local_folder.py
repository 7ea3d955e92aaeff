"""Whether a lake is a folder of this machine; in a module of its own, as importing the lake takes time."""

from pathlib import Path


def local_folder(uri: str) -> Path | None:
    """The folder of a local lake; None if the URI has another scheme."""
    if "://" not in uri:
        return Path(uri)
    return Path(uri.removeprefix("file://")) if uri.startswith("file://") else None
