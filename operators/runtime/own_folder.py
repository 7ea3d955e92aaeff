"""Folders that one user alone may write: a cache and what waits for a lake are trusted by whoever reads them."""

import os
import stat
from pathlib import Path


def make_own_folder(path: Path) -> None:
    """Makes the folder, which its user alone may enter. Raises PermissionError where others could have filled it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    require_own_folder(path)


def require_own_folder(path: Path) -> None:
    """Raises PermissionError if another user owns the folder or may write to it; it need not exist.

    A folder of the administrator, who may write everywhere, is accepted.
    """
    try:
        about = path.stat()
    except FileNotFoundError:
        return
    user = os.geteuid()
    if about.st_uid not in (user, 0):
        raise PermissionError(
            f"{path} belongs to the user {about.st_uid}, and this is the user {user}: its files are not trusted; "
            "remove it, or take it over with chown"
        )
    if stat.S_IMODE(about.st_mode) & 0o022:
        raise PermissionError(f"{path} can be written by others: its files are not trusted; run: chmod go-w {path}")


def user_cache_folder() -> Path:
    """The folder `regionlake` in the user's cache: in `$XDG_CACHE_HOME`, by default `~/.cache`.

    Files in it can be deleted; they are made again when they are needed.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")  # by the XDG specification a relative path is ignored
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "regionlake"
