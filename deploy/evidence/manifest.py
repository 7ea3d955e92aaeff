"""The manifest of an evidence zip: what is in it, from which lake and query, and who signed it."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.evidence.keys import PublicKey
from deploy.evidence.sealed_zip import Member
from schemas.errors import EvidenceError
from schemas.query_json import Json
from schemas.visible_text import visible_json

FORMAT = "regionlake-evidence"
VERSION = 1
MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.sig", "public-key.pem"
MOST_BYTES = 64 * 2**20
_NAME = re.compile(r"[^/\\\0:]+(/[^/\\\0:]+)*")
_ABOUT = (
    "What a RegionLake lake answered to the query below. Every other file of this zip is listed under files with its "
    "SHA-256. manifest.sig is the Ed25519 signature of the bytes of this file. README.txt says how to verify both."
)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of the zip. what: a sentence for people."""

    member: Member
    what: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says that verification needs; the rest is for its reader."""

    made_at: datetime
    key: PublicKey
    files: tuple[Member, ...]


def manifest_bytes(
    *,
    made_at: datetime,
    made_by: str,
    key: PublicKey,
    lake: str,
    answer: Json,
    hits: list[Json],
    files: list[ListedFile],
) -> bytes:
    """JSON in UTF-8, indented, in an order that can be read from its beginning."""
    found: Json = {
        "format": FORMAT,
        "version": VERSION,
        "about": _ABOUT,
        "made_at": made_at.isoformat(),
        "made_by": made_by,
        "signed_by": {"algorithm": "Ed25519", "public_key": key.base64, "fingerprint_sha256": key.fingerprint},
        "lake": lake,
        **answer,
        "hits": hits,
        "files": [
            {"name": each.member.name, "what": each.what, "bytes": each.member.size_bytes, "sha256": each.member.sha256}
            for each in files
        ],
    }
    return f"{visible_json(found, indent=2)}\n".encode()


def read_manifest(content: bytes) -> Manifest:
    """Raises EvidenceError where the bytes are no manifest, or one of a newer RegionLake."""
    try:
        found = json.loads(content)
        if found["format"] != FORMAT:
            raise KeyError("format")
        if found["version"] != VERSION:
            raise EvidenceError(
                f"the manifest has version {found['version']}, and this RegionLake reads {VERSION}; "
                "verify it with the release that made it, or a newer one"
            )
        made_at = datetime.fromisoformat(found["made_at"])
        key = PublicKey.from_base64(found["signed_by"]["public_key"])
        files = tuple(Member(str(f["name"]), int(f["bytes"]), str(f["sha256"])) for f in found["files"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, EvidenceError):
            raise
        raise EvidenceError(f"{MANIFEST} is no manifest of evidence") from error
    if made_at.tzinfo is None or not 1980 <= made_at.year <= 2107:  # what a zip can say
        raise EvidenceError(f"{MANIFEST} has no time at which it was made")
    names = [each.name for each in files]
    if len(set(names)) < len(names) or not all(map(is_safe_name, names)):
        raise EvidenceError(f"{MANIFEST} lists a file twice, or one whose name leads out of the zip")
    return Manifest(made_at.astimezone(UTC), key, files)


def is_safe_name(name: str) -> bool:
    """Whether a file of this name is made within the folder into which a zip is unpacked."""
    return _NAME.fullmatch(name) is not None and not set(name.split("/")) & {".", ".."}
