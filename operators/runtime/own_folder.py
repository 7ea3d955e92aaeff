"""Folders that one user alone may write: a cache and what waits for a lake are trusted by whoever reads them."""

import grp
import os
import pwd
import stat
from pathlib import Path


def make_own_folder(path: Path) -> None:
    """Makes the folder, which its user alone may enter. Raises PermissionError where others could have filled it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    require_own_folder(path)


def require_own_folder(path: Path) -> None:
    """Raises PermissionError if another user owns the folder or may write to it; it need not exist.

    A folder of the administrator, who may write everywhere, is accepted, and so is one that a group may write which
    has the user's name: by convention nobody else is in it, and what the user makes is writable by it.
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
    group_writes = about.st_mode & stat.S_IWGRP and not _is_private_group(about.st_gid, user)
    if group_writes or about.st_mode & stat.S_IWOTH:
        raise PermissionError(f"{path} can be written by others: its files are not trusted; run: chmod go-w {path}")


def _is_private_group(group: int, user: int) -> bool:
    try:
        return grp.getgrgid(group).gr_name == pwd.getpwuid(user).pw_name
    except KeyError:  # in a container, without names
        return False


def user_cache_folder() -> Path:
    """The folder `regionlake` in the user's cache: in `$XDG_CACHE_HOME`, by default `~/.cache`.

    Files in it can be deleted; they are made again when they are needed.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")  # by the XDG specification a relative path is ignored
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "regionlake"
