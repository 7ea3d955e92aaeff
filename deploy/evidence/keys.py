"""The installation's key (Ed25519, RFC 8032), which signs evidence, and the public keys that verify it."""

import base64
import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from operators.runtime.file_sync import make_folder, sync_files, sync_folder
from operators.runtime.own_folder import require_own_folder
from schemas.errors import EvidenceError

FILE = "evidence-key.pem"
_MOST_BYTES = 16 * 1024
_FINGERPRINT = 64  # hexadecimal digits of a SHA-256


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures.

    raw: its 32 bytes, as RFC 8032 defines them.
    """

    raw: bytes

    @classmethod
    def from_base64(cls, text: str) -> "PublicKey":
        """Raises EvidenceError for anything but the base64 of 32 bytes."""
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise EvidenceError(f"an Ed25519 public key is 32 bytes in base64, got {text[:60]!r}")
        return cls(raw)

    @classmethod
    def from_pem(cls, pem: bytes, *, name: str) -> "PublicKey":
        """name: of the file, for the error. Raises EvidenceError where it holds no public key of this kind."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise EvidenceError(
                f"{name} is no public key (Ed25519, PEM); give the public-key.pem of whoever made the evidence"
            )
        return cls(key.public_bytes_raw())

    @property
    def base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> bytes:
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the 32 bytes, 64 hexadecimal digits: short enough to read to each other over the phone."""
        return hashlib.sha256(self.raw).hexdigest()

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Whether the owner of this key signed the content."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):  # 32 bytes that are no point of the curve
            return False
        return True


class SigningKey:
    """A private key. It does not leave this object."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """The signature: 64 bytes, the same for the same content."""
        return self._key.sign(content)


def default_key_path(environment: Mapping[str, str]) -> Path:
    """`regionlake/evidence-key.pem` in the user's folder of settings: `$XDG_CONFIG_HOME`, by default `~/.config`."""
    home = environment.get("XDG_CONFIG_HOME", "")  # by the XDG specification a relative path is ignored
    return (Path(home) if home.startswith("/") else Path.home() / ".config") / "regionlake" / FILE


def signing_key(path: Path) -> tuple[SigningKey, bool]:
    """The key in the file, and whether it was made now, because there was no file.

    The file can be read by its user alone (mode 0600); of two processes that make it at once, both get the same key.
    Raises EvidenceError where it cannot be made or read, others may read it, or it holds another kind of key.
    """
    made = False
    try:
        if not path.exists():
            made = _make(path)
        return _load(path), made
    except OSError as error:
        if isinstance(error, EvidenceError):
            raise
        raise EvidenceError(f"the key {path} cannot be used: {error.strerror or error}") from error


def known_public_key(path: Path) -> PublicKey | None:
    """The public key of the installation; None where it has not signed anything yet."""
    if not path.exists():
        return None
    return signing_key(path)[0].public


def fingerprint_of(text: str) -> str | None:
    """The fingerprint that somebody wrote, with spaces or colons; None where the text is none."""
    found = "".join(text.split()).replace(":", "").lower()
    return found if len(found) == _FINGERPRINT and set(found) <= set("0123456789abcdef") else None


def _load(path: Path) -> SigningKey:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise EvidenceError(f"the key {path} is no file")
        if about.st_uid not in (os.geteuid(), 0) or about.st_mode & 0o077:
            raise EvidenceError(
                f"the key {path} can be used by others, who could sign in your name: "
                f"run: chmod 600 {path}, or name another with --signing-key"
            )
        content = os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise EvidenceError(f"the key {path} has a password; name one without, with --signing-key") from None
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceError(f"{path} is no private key (Ed25519, PEM); name another file with --signing-key")
    return SigningKey(key)


def _make(path: Path) -> bool:
    """Makes the key; False where another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    require_own_folder(path.parent)
    make_folder(path.parent)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # its mode is 0600
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        sync_files([made])
        with suppress(FileExistsError):
            os.link(made, path)  # fails where there is one already, as a rename would not
            sync_folder(path.parent)
            return True
        return False
    finally:
        made.unlink(missing_ok=True)
