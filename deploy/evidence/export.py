"""Writes evidence: the answer to a query with its stills and clips, as a zip whose manifest is signed."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from deploy.evidence.contents import Content, HitFiles, answer_files, described_query
from deploy.evidence.keys import SigningKey
from deploy.evidence.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE, ListedFile, manifest_bytes
from deploy.evidence.readme_text import README, SUMS, readme_text, sums_text
from deploy.evidence.sealed_zip import SealedZip
from deploy.pictures.clips import HitVideos
from deploy.pictures.contact_sheet import title
from operators.runtime.atomic_write import atomic_write
from pipeline.lake.lake import Lake
from pipeline.redaction.covers import Redactor
from schemas.errors import EvidenceError, RegionLakeError
from schemas.query import SearchResult
from schemas.query_json import Json


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. missing: reasons why clips, or stills as their sources have them, are not in it."""

    path: Path
    files: int
    clips: int
    size_bytes: int
    missing: tuple[str, ...]


def export_evidence(
    result: SearchResult,
    *,
    lake: Lake,
    path: Path,
    key: SigningKey,
    at: datetime,
    fetch: Sequence[str] = (),
    redactor: Redactor | None = None,
    on_file: Callable[[str], None] = lambda _: None,
) -> Written:
    """Writes the zip to `path`, complete or not at all.

    at: when, in UTC. fetch: as in `export_clips`. redactor: covers what stills and clips must not show. on_file: called
    with the name of each file that was added.
    Raises EvidenceError where the query has no hits, or the zip cannot be written.
    """
    if not result.hits:
        raise EvidenceError("the query has no hits, so there is nothing to export; ask for something else")
    at = at.replace(microsecond=0)
    missing: list[str] = []
    made_by = f"RegionLake {version('regionlake')}"
    try:
        with (
            atomic_write(path) as part,
            tempfile.TemporaryDirectory(prefix="regionlake-evidence-") as scratch,
            HitVideos(lake, fetch=fetch) as videos,
            SealedZip(part, at=at) as archive,
        ):
            listed: list[ListedFile] = []

            def add(file: Content) -> None:
                listed.append(ListedFile(archive.add(file.name, file.content), file.what))
                on_file(file.name)

            text = readme_text(
                title=title(result.query),
                made_at=at,
                made_by=made_by,
                lake=lake.uri,
                hits=len(result.hits),
                key=key.public,
                redaction=None if redactor is None else redactor.sentence,
            )
            add(Content(README, text.encode(), "what this is, and how to verify it"))
            add(Content(PUBLIC_KEY, key.public.pem, "the key that verifies the signature"))
            for file in answer_files(result):
                add(file)
            make = HitFiles(result, lake, videos, scratch=Path(scratch), on_missing=missing.append, redactor=redactor)
            hits: list[Json] = []
            for hit in result.hits:
                files, about = make.of(hit)
                hits.append(about)
                for file in files:
                    add(file)
                    if isinstance(file.content, Path):
                        file.content.unlink()
            clips = sum(each.member.name.startswith("clips/") for each in listed)
            sums = sums_text([(each.member.name, each.member.sha256) for each in listed])
            add(Content(SUMS, sums.encode(), "the sums of the files above, for sha256sum"))
            content = manifest_bytes(
                made_at=at,
                made_by=made_by,
                key=key.public,
                lake=lake.uri,
                answer={
                    "query": described_query(result),
                    "redaction": None if redactor is None else asdict(redactor.config) | {"says": redactor.sentence},
                    "missing": missing,
                },
                hits=hits,
                files=listed,
            )
            archive.add(MANIFEST, content)
            archive.add(SIGNATURE, key.sign(content))
    except OSError as error:
        if isinstance(error, RegionLakeError):
            raise
        raise EvidenceError(f"the evidence {path} cannot be written: {error.strerror or error}") from error
    return Written(path, len(listed) + 2, clips, path.stat().st_size, tuple(missing))
