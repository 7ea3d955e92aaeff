"""The log: catches fields that are lost, lines that programs cannot parse, and passwords in the log."""

import io
import json
import logging
import shlex
import subprocess
from collections.abc import Callable, Iterator

import pytest

from deploy.monitoring.logs import configure_logs
from schemas.errors import InvalidValueError

Lines = Callable[[], list[str]]


@pytest.fixture
def logged() -> Iterator[Callable[..., Lines]]:
    """Sets up the log for an environment; returns a function that gives the lines so far."""
    root = logging.getLogger()
    level, added = root.level, []

    def configure(**environment: str) -> Lines:
        stream, others = io.StringIO(), root.handlers
        root.handlers = []  # basicConfig does nothing while pytest's handlers are installed
        configure_logs(environment, stream=stream)
        added.extend(root.handlers)
        root.handlers = [*others, *added]
        return lambda: stream.getvalue().splitlines()

    yield configure
    for handler in added:
        root.removeHandler(handler)
    root.setLevel(level)


def test_json_is_an_object_a_line_with_the_fields_given(logged: Callable[..., Lines]) -> None:
    lines = logged(REGIONLAKE_LOG_FORMAT="json", REGIONLAKE_LOG="info")
    log = logging.getLogger("pipeline.live")
    log.info("feed %s is %s", "gate", "live", extra={"feed": "gate", "state": "live", "lasted_s": 1.5})
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError:
        log.exception("it broke\nhere", extra={"error": RuntimeError("x")})
    first, second = map(json.loads, lines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "pipeline.live",
        "message": "feed gate is live",
        "feed": "gate",
        "state": "live",
        "lasted_s": 1.5,
    }
    assert second["error"] == "x"
    assert "RuntimeError: two" in second["exception"]


def test_text_is_key_and_value_quoted_where_it_must_be(logged: Callable[..., Lines]) -> None:
    lines = logged(REGIONLAKE_LOG="info")
    fields = {"feed": "gate", "reason": 'no "answer" within = 10 s', "nothing": ""}
    logging.getLogger("a").warning("opened again", extra=fields)
    (line,) = lines()
    shown = dict(word.split("=", 1) for word in shlex.split(line))
    assert shown.pop("time")
    assert shown == {"level": "warning", "logger": "a", "message": "opened again"} | fields


def test_records_below_the_level_are_omitted(logged: Callable[..., Lines]) -> None:
    lines = logged()
    logging.getLogger("a").info("small talk")
    assert lines() == []


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_password_of_an_address_gets_into_a_line(logged: Callable[..., Lines], kind: str) -> None:
    lines = logged(REGIONLAKE_LOG_FORMAT=kind)
    url = "rtsp://admin:p@ss@10.0.0.7:554/main?x=1"
    logging.getLogger("a").warning("cannot open %s", url, extra={"address": url, "other": "rtsp://cam:554/a@b:c"})
    (line,) = lines()
    assert "p@ss" not in line
    assert "ss@" not in line
    assert line.count("rtsp://10.0.0.7:554/main?x=1") == 2
    assert "rtsp://cam:554/a@b:c" in line  # a colon and an @, but no user


@pytest.mark.parametrize(
    "environment", [{"REGIONLAKE_LOG": "loud"}, {"REGIONLAKE_LOG_FORMAT": "xml"}], ids=["level", "format"]
)
def test_a_setting_that_is_none_is_refused_by_name(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(environment.values()))):
        configure_logs(environment)


def test_the_command_refuses_it_as_wrong_usage(
    regionlake: Callable[..., "subprocess.CompletedProcess[str]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONLAKE_LOG_FORMAT", "xml")
    done = regionlake("models")
    assert done.returncode == 2
    assert done.stderr == "regionlake: REGIONLAKE_LOG_FORMAT is text or json, got 'xml'\n"
