"""The file of the audit log. Catches entries that a rotation, a crash or two threads lose or tear, a log that grows for
ever, and a link that leads elsewhere."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from deploy.server.auditing.audit_log import AuditLog, chosen, former, read_audit
from deploy.server.auditing.audited import shortened
from schemas.errors import LakeError


def entry(number: int, who: str = "anna") -> dict[str, object]:
    at = f"2026-05-01T12:00:{number % 60:02}+00:00"
    return {"at": at, "who": who, "from": "10.0.0.9", "action": "search", "what": {"number": number}, "status": 200}


def numbers(folder: Path) -> list[int]:
    return [each["what"]["number"] for each in read_audit(folder)]


def test_entries_of_many_threads_are_whole_and_none_is_missing_over_rotations(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, most_bytes=2000, most_files=1000)
    threads = [
        threading.Thread(target=lambda first=first: [log.write(entry(first + n), sync=n % 9 == 0) for n in range(50)])
        for first in range(0, 200, 50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(numbers(tmp_path)) == list(range(200))
    assert len(former(tmp_path)) >= 5
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_the_oldest_files_are_removed(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, most_bytes=500, most_files=3)
    for number in range(60):
        log.write(entry(number))
    log.close()
    assert len([*tmp_path.glob("*.jsonl")]) == 3
    kept = numbers(tmp_path)
    assert kept == list(range(kept[0], 60))


def test_a_line_that_a_crash_tore_spoils_no_other(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write(entry(1))
    log.close()
    with (tmp_path / "audit.jsonl").open("a") as file:
        file.write('{"at": "2026-05-01T12:00:00+00:00", "who": "an')
    log = AuditLog(tmp_path)
    log.write(entry(2))
    log.close()
    assert numbers(tmp_path) == [1, 2]


def test_a_line_that_a_full_disk_tore_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path)
    log.write(entry(1))
    write, room = os.write, [20, 0]  # bytes, for each write until there is space again

    def short(file: int, content: bytes) -> int:
        if not room or not Path(f"/proc/self/fd/{file}").samefile(tmp_path / "audit.jsonl"):
            return write(file, content)
        most = room.pop(0)
        if not most:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, content[:most])

    opened = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(os, "write", short)
    for number in (2, 3):
        with pytest.raises(LakeError, match="cannot be recorded"):
            log.write(entry(number))
    assert len(list(Path("/proc/self/fd").iterdir())) <= opened
    for number in (4, 5):
        log.write(entry(number))
    log.close()
    assert numbers(tmp_path) == [1, 4, 5]


def test_it_is_for_its_user_alone(tmp_path: Path) -> None:
    AuditLog(tmp_path / "audit").close()
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "audit" / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    with pytest.raises(LakeError, match="cannot be recorded"):
        AuditLog(tmp_path)


def test_entries_are_chosen_by_user_action_time_and_content(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    for number in range(4):
        log.write(entry(number, who="anna" if number % 2 else "ben") | ({"action": "pin"} if number == 3 else {}))
    log.close()
    found = list(read_audit(tmp_path))

    def of(**filters: object) -> list[int]:
        return [each["what"]["number"] for each in chosen(found, **filters)]  # type: ignore[arg-type]

    from datetime import datetime

    assert of(who="anna") == [1, 3]
    assert of(actions=["pin", "clip"]) == [3]
    assert of(since=datetime.fromisoformat(found[1]["at"]), until=datetime.fromisoformat(found[3]["at"])) == [1, 2]
    assert of(contains='"number": 2') == [2]


def test_what_is_recorded_is_bounded_and_has_no_token() -> None:
    token = "rl_" + "x" * 43
    given = {"text": "y" * 4096, "not": ["z" * 4096] * 256, "box": [0.1, 0.2, 0.3, 0.4], "title": f"is {token} it?"}
    made = json.dumps(shortened(given))
    assert len(made) < 12_000
    assert token not in made
    deep: object = token
    for _ in range(5000):
        deep = {"not": [deep]}
    assert json.dumps(shortened(deep), ensure_ascii=False).count("…") == 1
    assert shortened({"box": [0.1, 0.2, 0.3, 0.4], "k": 3}) == {"box": [0.1, 0.2, 0.3, 0.4], "k": 3}
