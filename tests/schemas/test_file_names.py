"""Catches names of files that come back as other files, or that cannot be stored."""

import os

from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SourceError
from schemas.file_names import path_of_uri, printable, uri_of_path

NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name)


@given(NAMES)
def test_whatever_the_bytes_a_path_can_be_stored_and_comes_back(name: bytes) -> None:
    path = os.fsdecode(b"/videos/" + name)
    uri = uri_of_path(path)
    uri.encode()  # what Arrow, JSON and a terminal do
    assert path_of_uri(uri) == path
    assert os.fsencode(path_of_uri(uri)) == b"/videos/" + name


@given(NAMES, NAMES)
def test_two_files_never_share_a_stored_name(one: bytes, other: bytes) -> None:
    stored = {uri_of_path(os.fsdecode(b"/" + name)) for name in (one, other)}
    assert len(stored) == len({one, other})


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_message_can_be_stored_whatever_it_quotes(text: str) -> None:
    printable(text).encode()
    str(SourceError(text)).encode()
    assert printable(printable(text)) == printable(text)


def test_names_are_stored_as_they_are_where_that_is_possible() -> None:
    for name in ('/videos/it\'s a "café".ts', "/videos/100%.ts", "/videos/a\nb.ts"):
        assert uri_of_path(name) == name
    assert uri_of_path(os.fsdecode(b"/videos/caf\xe9 1.ts")) == "file:///videos/caf%E9%201.ts"
    assert printable(os.fsdecode(b"caf\xe9.ts")) == r"caf\xe9.ts"
    assert printable("café.ts") == "café.ts"
