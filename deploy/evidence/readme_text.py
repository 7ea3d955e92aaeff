"""README.txt of an evidence zip: what it is, and how to verify it with and without RegionLake."""

from collections.abc import Sequence
from datetime import datetime

from deploy.evidence.keys import PublicKey
from schemas.visible_text import visible

README, SUMS = "README.txt", "SHA256SUMS"


def readme_text(
    *, title: str, made_at: datetime, made_by: str, lake: str, hits: int, key: PublicKey, redaction: str | None
) -> str:
    """title: the query in one line. redaction: what is covered in pictures and clips; None where nothing is."""
    covered = "Nothing was covered in stills and clips." if redaction is None else f"In stills and clips, {redaction}"
    return visible(
        f"""EVIDENCE FROM A LAKE OF REGIONS

Query      {title}
Hits       {hits}
Lake       {lake}
Made       {made_at:%Y-%m-%d %H:%M:%S} UTC by {made_by}
Signed by  {key.fingerprint}
           (SHA-256 of the public key in public-key.pem)

{covered}

WHAT IS HERE

  clips/          a clip for each hit in a video: its shot, at most two seconds to either side
  stills/         the frame of each hit, and the same frame with the hit's box (_box)
  query.json      the query, with every option
  rows.json       a row for each hit: source, time, box, distance, confidence
  rows.parquet    the same rows for programs
  manifest.json   the list of all files with their SHA-256, and where each hit comes from
  manifest.sig    the signature of manifest.json (Ed25519, 64 bytes)
  public-key.pem  the key that verifies it. Whether it is the key of who claims to have made this,
                  ask them: compare the number after "Signed by" above.
  SHA256SUMS      the sums of the files, for sha256sum

The source_id of a hit in a file is derived from the bytes of that file. Times without a zone are UTC.
Clips are encoded again unless they come from a feed; stills from a source are its frames, pixel by pixel.

HOW TO VERIFY

With RegionLake:     regionlake export verify EVIDENCE.zip --key public-key.pem
Without, in a folder into which the zip was unpacked:
                     openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in manifest.json -sigfile manifest.sig
                     sha256sum --check SHA256SUMS        (and compare its numbers with manifest.json)
""",
        lines=True,
    )


def sums_text(files: Sequence[tuple[str, str]]) -> str:
    """The list that sha256sum checks. files: names and SHA-256."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in files)
