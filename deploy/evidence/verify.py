"""Verifies an evidence zip: whether it is sound, was changed, or was signed by another key than the expected one."""

import hashlib
import lzma
import struct
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from deploy.evidence.keys import PublicKey
from deploy.evidence.manifest import (
    MANIFEST,
    MOST_BYTES,
    PUBLIC_KEY,
    SIGNATURE,
    Manifest,
    is_safe_name,
    read_manifest,
)
from deploy.evidence.sealed_zip import Member, is_as_written
from schemas.errors import EvidenceError

State = Literal["sound", "changed", "signed by another"]
_BLOCK = 1 << 20
_MOST_SHOWN = 100
# what damaged and hostile zips raise: an unknown method, a password, sizes beyond the file, names of no encoding
_UNREADABLE = (
    *(zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError),
    *(zlib.error, lzma.LZMAError, struct.error),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What was found about a file of the zip. how: "changed", "missing", "added", or a reason."""

    name: str
    how: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found.

    signer: the key that signed the manifest; None where no key in the zip, and not the expected one, did.
    made_at: as the manifest says; None where it cannot be trusted.
    files: how many files the manifest lists.
    """

    state: State
    changes: tuple[Change, ...]
    signer: PublicKey | None = None
    made_at: datetime | None = None
    files: int = 0


def verify(path: Path, *, expected: PublicKey | str | None = None) -> Verdict:
    """Verifies the zip without unpacking it.

    expected: the key that must have signed it, or that key's fingerprint; without one the key in the zip is taken, and
    the verdict says which that is. A zip that cannot be read as one was changed, too: it may be cut short.
    Raises EvidenceError where there is no such file, or it may not be read.
    """
    try:
        file = path.open("rb") if path.is_file() else None
    except OSError as error:  # which says nothing about the content
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from None
    if file is None:
        raise EvidenceError(f"there is no file {path}; give the zip that `regionlake export evidence` made")
    try:
        with file, zipfile.ZipFile(file) as archive:
            return _verify(archive, path, expected)
    except _UNREADABLE as error:
        return Verdict("changed", (Change(path.name, f"it cannot be read as a zip, or was cut short ({error})"),))


def _verify(archive: zipfile.ZipFile, path: Path, expected: PublicKey | str | None) -> Verdict:
    content, signature = _small(archive, MANIFEST), _small(archive, SIGNATURE)
    lost = [Change(name, how) for name, how in ((MANIFEST, content), (SIGNATURE, signature)) if isinstance(how, str)]
    if isinstance(content, str) or isinstance(signature, str):
        return Verdict("changed", tuple(lost))
    manifest: Manifest | None = None
    unread = ""
    try:
        manifest = read_manifest(content)
    except EvidenceError as error:
        unread = str(error)
    own = [] if manifest is None else [manifest.key]
    with suppress(EvidenceError):
        own += [PublicKey.from_pem(_bytes(_small(archive, PUBLIC_KEY)), name=PUBLIC_KEY)]
    trusted = [expected] if isinstance(expected, PublicKey) else own
    if isinstance(expected, str):
        trusted = [key for key in own if key.fingerprint == expected]
    signer = next((key for key in [*trusted, *own] if key.verifies(signature, content)), None)
    if signer is None:
        reason = "the signature does not match the manifest: one of the two was changed"
        return Verdict("changed", (Change(f"{MANIFEST} or {SIGNATURE}", reason),))
    if manifest is None:
        return Verdict("changed", (Change(MANIFEST, unread),), signer)
    changes = _changes(archive, path, manifest)
    state: State = "changed" if changes else "sound"
    if signer not in trusted:
        state = "signed by another"
    return Verdict(state, tuple(changes), signer, manifest.made_at, len(manifest.files))


def _changes(archive: zipfile.ZipFile, path: Path, manifest: Manifest) -> list[Change]:
    names = [each.filename for each in archive.infolist()]
    listed = [each.name for each in manifest.files]
    expected = {*listed, MANIFEST, SIGNATURE}
    changes = []
    for member in manifest.files:
        how = "missing" if member.name not in names else _difference(archive, member)
        if how:
            changes.append(Change(member.name, how))
    for name in dict.fromkeys(names):
        if name not in expected:
            unsafe = "" if is_safe_name(name.rstrip("/")) else ", and its name leads out of the zip: do not unpack it"
            changes.append(Change(name, f"added{unsafe}"))
        elif names.count(name) > 1:
            changes.append(Change(name, "added a second time"))
    if changes:
        return changes[:_MOST_SHOWN]
    same = is_as_written(path, [*listed, MANIFEST, SIGNATURE], at=manifest.made_at)
    if not same:
        return [Change(path.name, "each file in it is sound, and the zip around them was changed or packed again")]
    return []


def _difference(archive: zipfile.ZipFile, member: Member) -> str:
    """How the file differs from what the manifest says of it; "" where it does not."""
    hashed, size = hashlib.sha256(), 0
    try:
        with archive.open(member.name) as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
                size += len(block)
                if size > member.size_bytes:  # it may unpack to any size
                    return f"changed: it has more than its {member.size_bytes:,} bytes"
    except _UNREADABLE:
        return "changed"
    if size != member.size_bytes:
        return f"changed: it has {size:,} bytes, and had {member.size_bytes:,}"
    return "" if hashed.hexdigest() == member.sha256 else "changed"


def _small(archive: zipfile.ZipFile, name: str) -> bytes | str:
    """The content of a file of a few kilobytes; what is wrong with it, in a word, where it cannot be read."""
    if name not in archive.namelist():
        return "missing"
    try:
        with archive.open(name) as file:
            content = file.read(MOST_BYTES + 1)
    except _UNREADABLE:
        return "changed"
    return content if len(content) <= MOST_BYTES else "changed: it is too large"


def _bytes(content: bytes | str) -> bytes:
    return content if isinstance(content, bytes) else b""
