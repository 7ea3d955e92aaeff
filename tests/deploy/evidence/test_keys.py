"""The installation's key: catches a key that others can read, two keys made at once, and files that are none."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from deploy.evidence.keys import PublicKey, default_key_path, fingerprint_of, known_public_key, signing_key
from schemas.errors import EvidenceError


def pem_of(key: "ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey", password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


def test_the_key_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "settings" / "regionlake" / "key.pem"
    assert known_public_key(path) is None
    first, made = signing_key(path)
    again, made_again = signing_key(path)
    assert (made, made_again) == (True, False)
    assert first.public == again.public == known_public_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["key.pem"]


def test_processes_that_make_it_at_once_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: signing_key(tmp_path / "key.pem"), range(32)))
    assert len({key.public for key, _ in found}) == 1
    assert sum(made for _, made in found) == 1


def test_it_is_among_the_settings_of_its_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_key_path({}) == tmp_path / ".config" / "regionlake" / "evidence-key.pem"
    assert default_key_path({"XDG_CONFIG_HOME": "/etc/own"}) == Path("/etc/own/regionlake/evidence-key.pem")
    assert default_key_path({"XDG_CONFIG_HOME": "relative"}) == default_key_path({})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_use_signs_nothing(tmp_path: Path, mode: int) -> None:
    signing_key(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(EvidenceError, match=r"can be used by others.*chmod 600"):
        signing_key(tmp_path / "key.pem")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no private key"),
        (b"words", "no private key"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "no private key"),
        (pem_of(ed25519.Ed25519PrivateKey.generate(), b"secret"), "has a password"),
    ],
)
def test_another_file_is_no_key(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=reason):
        signing_key(path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvidenceError, match=r"the key .*key\.pem cannot be used"):
        signing_key(tmp_path / "file" / "key.pem")


def test_public_keys_are_written_and_read(tmp_path: Path) -> None:
    key, _ = signing_key(tmp_path / "key.pem")
    assert PublicKey.from_pem(key.public.pem, name="key") == PublicKey.from_base64(key.public.base64) == key.public
    assert key.public.verifies(key.sign(b"content"), b"content")
    assert not key.public.verifies(key.sign(b"content"), b"Content")
    assert not PublicKey(bytes(32)).verifies(bytes(64), b"")  # a point of small order must verify nothing
    with pytest.raises(EvidenceError, match="no public key"):
        PublicKey.from_pem((tmp_path / "key.pem").read_bytes(), name="key.pem")  # the private one


def test_numbers_are_read_as_people_write_them() -> None:
    number = "0123456789abcdef" * 4
    assert fingerprint_of(number.upper()) == fingerprint_of(" ".join([number[:32], number[32:]])) == number
    assert fingerprint_of(":".join(number[i : i + 2] for i in range(0, 64, 2))) == number
    assert fingerprint_of(number[:-1]) is fingerprint_of("public-key.pem") is None
