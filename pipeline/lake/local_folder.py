"""Whether a lake is a folder of this machine; apart from the lake, for those who need not wait for its imports."""

from pathlib import Path


def local_folder(uri: str) -> Path | None:
    """The folder of a local lake, None where the URI has another scheme."""
    if "://" not in uri:
        return Path(uri)
    return Path(uri.removeprefix("file://")) if uri.startswith("file://") else None
