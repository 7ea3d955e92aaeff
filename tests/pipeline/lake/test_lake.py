"""Creating and opening lakes: catches folders that are no lakes, other versions, and other vectors being accepted."""

from dataclasses import replace
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest

from pipeline.lake.lake import Lake, lake_errors
from schemas.errors import LakeError, ModelError
from schemas.tables import TABLE_NAMES, schema_of, vector_space
from tests.pipeline.lake.synthetic import SPACE


@pytest.mark.parametrize("make", [lambda _: None, lambda p: p.mkdir()], ids=["missing", "empty folder"])
def test_a_folder_that_is_no_lake_is_refused_with_the_command_that_makes_one(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "lake")
    with pytest.raises(LakeError, match="regionlake ingest"):
        Lake.open(str(tmp_path / "lake"))


def test_a_half_made_lake_names_what_it_lacks_and_is_finished_by_the_next_ingest(lake: Lake) -> None:
    lancedb.connect(lake.uri).drop_table("regions")
    with pytest.raises(LakeError, match="lacks the tables regions"):
        Lake.open(lake.uri)
    assert Lake.create_or_open(lake.uri, SPACE).count("regions") == 0


def test_schemas_come_back_from_storage_with_version_and_vector_space(lake: Lake) -> None:
    opened = Lake.open(lake.uri)
    assert opened.space == SPACE
    for name in TABLE_NAMES:
        assert opened.dataset(name).schema.equals(schema_of(name, SPACE), check_metadata=True)
    assert vector_space(opened.dataset("frames").schema) == SPACE
    assert vector_space(opened.dataset("patches").schema, "vectors") == SPACE


def test_another_version_is_refused(lake: Lake) -> None:
    schema = schema_of("shots", SPACE)
    metadata = dict.fromkeys(schema.metadata, b"999")
    lancedb.connect(lake.uri).create_table("shots", schema=schema.with_metadata(metadata), mode="overwrite")
    with pytest.raises(LakeError, match="version 999"):
        Lake.open(lake.uri)


def test_vectors_of_another_model_are_refused(lake: Lake) -> None:
    with pytest.raises(ModelError, match="synthetic@2"):
        Lake.create_or_open(lake.uri, replace(SPACE, revision="2"))


def test_a_table_whose_files_are_broken_is_a_lake_error(lake: Lake) -> None:
    for manifest in (Path(lake.uri) / "frames.lance" / "_versions").iterdir():
        manifest.write_bytes(b"garbage")
    with pytest.raises(LakeError, match="opening the lake"):
        Lake.open(lake.uri)


def test_a_place_that_cannot_be_written_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LakeError, match="making the lake"):
        Lake.create_or_open(str(tmp_path / "file" / "lake"), SPACE)


def test_two_first_writers_make_one_lake(tmp_path: Path) -> None:
    first, second = (Lake.create_or_open(str(tmp_path / "lake"), SPACE) for _ in range(2))
    row = {
        "id": "s",
        "source_id": "x",
        "source": "u",
        "start": 0,
        "stop": 1,
        "start_s": 0.0,
        "stop_s": 1.0,
        "kind": "cut",
    }
    first.table("shots").add(pa.Table.from_pylist([row], schema=schema_of("shots", SPACE)))
    assert second.count("shots") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "free space, then run again"),
        (PermissionError(13, "Permission denied"), "the right to read and write there"),
        (ValueError("No object store provider found for scheme: 'foo'"), "scheme: 'foo'"),
    ],
)
def test_the_advice_fits_the_error_of_the_storage(error: Exception, said: str) -> None:
    with pytest.raises(LakeError, match="opening it failed") as caught, lake_errors("opening it"):
        raise error
    assert str(caught.value).endswith(said)


def test_an_address_that_is_no_lake_is_reported_without_lines_of_lance() -> None:
    with pytest.raises(LakeError) as caught:
        Lake.open("foo://x")
    assert "foo" in str(caught.value)
    assert ".rs:" not in str(caught.value)
    assert "free space" not in str(caught.value)
