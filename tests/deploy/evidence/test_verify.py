"""Verification of evidence: catches a change of any byte that is not found or is blamed on another file, files that
were added or removed, another signer who passes for the expected one, and zips that harm whoever verifies them."""

import errno
import io
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.evidence.keys import SigningKey, signing_key
from deploy.evidence.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE, ListedFile, manifest_bytes
from deploy.evidence.sealed_zip import SealedZip
from deploy.evidence.verify import verify
from schemas.errors import EvidenceError

AT = datetime(2026, 5, 1, 12, 0, 8, tzinfo=UTC)
CLIP, STILL = "clips/01_gate_0-04.52.mp4", "stills/01_gäte.png"
Files = dict[str, bytes]
Key = SigningKey


def contents(key: Key) -> Files:
    return {PUBLIC_KEY: key.public.pem, CLIP: bytes(range(256)) * 3, STILL: b"\x89PNG still", "rows.json": b"{}\n"}


def write(path: Path, key: Key, files: Files) -> Path:
    with SealedZip(path, at=AT) as archive:
        listed = [ListedFile(archive.add(name, content), "a file") for name, content in files.items()]
        manifest = manifest_bytes(
            made_at=AT, made_by="a test", key=key.public, lake="lake", answer={}, hits=[], files=listed
        )
        archive.add(MANIFEST, manifest)
        archive.add(SIGNATURE, key.sign(manifest))
    return path


def packed(path: Path, files: "list[tuple[str, bytes]]", method: int = zipfile.ZIP_STORED) -> Path:
    """A zip as any program writes it."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def unpacked(path: Path) -> "list[tuple[str, bytes]]":
    with zipfile.ZipFile(path) as archive:
        return [(each.filename, archive.read(each)) for each in archive.infolist()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="module")
def key(folder: Path) -> Key:
    return signing_key(folder / "key.pem")[0]


@pytest.fixture(scope="module")
def other(folder: Path) -> Key:
    return signing_key(folder / "other.pem")[0]


@pytest.fixture(scope="module")
def sound(folder: Path, key: Key) -> Path:
    return write(folder / "sound.zip", key, contents(key))


def test_what_was_not_changed_is_sound(sound: Path, key: Key) -> None:
    for expected in (key.public, key.public.fingerprint, None):
        verdict = verify(sound, expected=expected)
        assert (verdict.state, verdict.changes, verdict.signer) == ("sound", (), key.public)
        assert (verdict.made_at, verdict.files) == (AT, 4)


def test_the_same_files_make_the_same_bytes(folder: Path, sound: Path, key: Key) -> None:
    assert write(folder / "again.zip", key, contents(key)).read_bytes() == sound.read_bytes()


@pytest.mark.parametrize("name", [PUBLIC_KEY, CLIP, STILL, "rows.json", MANIFEST, SIGNATURE])
@pytest.mark.parametrize("repacked", [False, True])
def test_the_file_that_was_changed_is_named(folder: Path, sound: Path, key: Key, name: str, repacked: bool) -> None:
    """Both by who changes a byte of the zip, and by who packs it again with all of a zip's own sums right."""
    at = {PUBLIC_KEY: 40, MANIFEST: 60}.get(name, 1)
    files = unpacked(sound)
    [content] = [held for held_name, held in files if held_name == name]
    changed = bytearray(content)
    changed[at] ^= 1
    path = folder / "changed.zip"
    if repacked:
        packed(path, [(each, bytes(changed) if each == name else held) for each, held in files])
    else:
        path.write_bytes(sound.read_bytes().replace(content, bytes(changed), 1))
    for expected in (key.public, key.public.fingerprint, None):
        verdict = verify(path, expected=expected)
        assert verdict.state == "changed"
        assert [name in each.name for each in verdict.changes] == [True]


@given(st.data())
def test_whatever_byte_is_changed_it_is_found(sound: Path, key: Key, folder: Path, data: st.DataObject) -> None:
    original = sound.read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[at] ^= data.draw(st.integers(1, 255))
    path = folder / "any.zip"
    path.write_bytes(changed)
    verdict = verify(path, expected=key.public)
    assert verdict.state == "changed"
    assert verdict.changes


@given(st.data())
def test_a_zip_that_was_cut_short_is_changed(sound: Path, key: Key, folder: Path, data: st.DataObject) -> None:
    original = sound.read_bytes()
    path = folder / "short.zip"
    path.write_bytes(original[: data.draw(st.integers(0, len(original) - 1))])
    assert verify(path, expected=key.public).state == "changed"


@pytest.mark.parametrize("more", [b"\0", b"PK\x05\x06", b"after"])
def test_bytes_before_and_after_the_zip_are_found(folder: Path, sound: Path, key: Key, more: bytes) -> None:
    for content in (sound.read_bytes() + more, more + sound.read_bytes()):
        (folder / "more.zip").write_bytes(content)
        assert verify(folder / "more.zip", expected=key.public).state == "changed"


def test_files_that_were_added_removed_or_doubled_are_named(folder: Path, sound: Path, key: Key) -> None:
    files = unpacked(sound)
    added = verify(packed(folder / "added.zip", [*files, ("clips/02.mp4", b"another")]), expected=key.public)
    assert [(each.name, each.how) for each in added.changes] == [("clips/02.mp4", "added")]
    removed = verify(packed(folder / "less.zip", [each for each in files if each[0] != CLIP]), expected=key.public)
    assert [(each.name, each.how) for each in removed.changes] == [(CLIP, "missing")]
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = packed(folder / "doubled.zip", [(CLIP, b"another"), *files])
    assert [each.name for each in verify(doubled, expected=key.public).changes] == [CLIP]
    for name in (MANIFEST, SIGNATURE):
        less = packed(folder / "less.zip", [each for each in files if each[0] != name])
        assert [(each.name, each.how) for each in verify(less, expected=key.public).changes] == [(name, "missing")]


def test_files_in_another_zip_are_sound_and_the_zip_is_not(folder: Path, sound: Path, key: Key) -> None:
    files = unpacked(sound)
    for again in (packed(folder / "packed.zip", files), packed(folder / "deflated.zip", files, zipfile.ZIP_DEFLATED)):
        [change] = verify(again, expected=key.public).changes
        assert (change.name, "each file in it is sound" in change.how) == (again.name, True)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "clips/../../evil", "C:\\evil", "a\\..\\evil", "evil/"])
def test_a_name_that_leads_out_of_the_zip_is_named_and_never_written(
    folder: Path, sound: Path, key: Key, other: Key, name: str
) -> None:
    added = packed(folder / "slip.zip", [*unpacked(sound), (name, b"evil")])
    [change] = verify(added, expected=key.public).changes
    assert change.name == name
    assert ("leads out of the zip" in change.how) == (name != "evil/")
    signed = write(folder / "signed.zip", other, contents(other) | {name: b"evil"})  # by who made the manifest, too
    assert verify(signed).state == "changed"
    assert not (folder.parent / "evil").exists()


def test_another_signer_is_told_from_a_change(folder: Path, key: Key, other: Key, sound: Path) -> None:
    """A forger changes a clip, and signs everything again with a key of their own, which they put in the zip."""
    forged = write(folder / "forged.zip", other, contents(other) | {CLIP: b"another clip"})
    for expected in (key.public, key.public.fingerprint):
        verdict = verify(forged, expected=expected)
        assert (verdict.state, verdict.changes, verdict.signer) == ("signed by another", (), other.public)
    assert verify(forged).state == "sound"  # of one hand: whose it is only --key can say
    assert verify(forged).signer == other.public
    assert verify(sound, expected=other.public).state == "signed by another"
    pretended = write(folder / "pretended.zip", other, contents(key))  # with the expected key beside the signature
    assert verify(pretended, expected=key.public).state == "signed by another"
    # and one who also names the expected key in the manifest has no signature of it
    files = dict(unpacked(forged))
    files[MANIFEST] = files[MANIFEST].replace(other.public.base64.encode(), key.public.base64.encode())
    claimed = packed(folder / "claimed.zip", list(files.items()))
    assert verify(claimed, expected=key.public).state == "changed"


def test_a_signature_of_another_and_a_change_are_both_said(folder: Path, key: Key, other: Key) -> None:
    files = dict(unpacked(write(folder / "forged.zip", other, contents(other)))) | {CLIP: b"later"}
    verdict = verify(packed(folder / "both.zip", list(files.items())), expected=key.public)
    assert (verdict.state, [each.name for each in verdict.changes]) == ("signed by another", [CLIP])


def signed(path: Path, key: Key, manifest: bytes) -> Path:
    return packed(path, [(MANIFEST, manifest), (SIGNATURE, key.sign(manifest)), (PUBLIC_KEY, key.public.pem)])


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"format": 3}', b"[" * 100_000, b'{"format": "regionlake-evidence"}'],
)
def test_a_signed_file_that_is_no_manifest_is_refused(folder: Path, key: Key, manifest: bytes) -> None:
    verdict = verify(signed(folder / "none.zip", key, manifest), expected=key.public)
    assert (verdict.state, [each.name for each in verdict.changes]) == ("changed", [MANIFEST])


def test_a_manifest_of_a_newer_release_says_so(folder: Path, key: Key, sound: Path) -> None:
    manifest = dict(unpacked(sound))[MANIFEST].replace(b'"version": 1', b'"version": 2')
    [change] = verify(signed(folder / "newer.zip", key, manifest), expected=key.public).changes
    assert "newer" in change.how


def test_no_more_is_unpacked_than_the_manifest_lists(
    folder: Path, sound: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    take: Callable[..., bytes] = zipfile.ZipExtFile.read

    def counted(file: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        content = take(file, n)
        read.append(len(content))
        return content

    files = [each for each in unpacked(sound) if each[0] != "rows.json"] + [("rows.json", bytes(300 * 2**20))]
    path = packed(folder / "bomb.zip", files, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    [change] = verify(path, expected=key.public).changes
    assert change.name == "rows.json"
    assert sum(read) < 4 * 2**20


def test_a_zip_whose_directory_lies_is_changed(folder: Path, sound: Path, key: Key) -> None:
    content = bytearray(sound.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    for offset, field in ((8, "<H"), (10, "<H"), (12, "<I"), (16, "<I")):  # counts, size and place of the directory
        for value in (0, 1, 0xFFFF if field == "<H" else 0xFFFFFFFF):
            lying = content.copy()
            struct.pack_into(field, lying, end + offset, value)
            if lying != content:
                (folder / "lying.zip").write_bytes(lying)
                assert verify(folder / "lying.zip", expected=key.public).state == "changed"


def test_a_file_that_may_not_be_read_is_not_said_to_be_changed(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:  # a file's mode does not stop root, who may run the tests
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(io, "open", denied)  # as zipfile opens it
    with pytest.raises(EvidenceError, match=r"cannot be read: Permission denied"):
        verify(sound)


def test_a_file_that_is_not_there_is_wrong_usage(folder: Path) -> None:
    with pytest.raises(EvidenceError, match="there is no file"):
        verify(folder / "absent.zip")
    with pytest.raises(EvidenceError, match="there is no file"):
        verify(folder)
