"""The log on standard error: one line for each record, `key=value` or JSON, with the fields of `extra=`."""

import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from schemas.errors import InvalidValueError
from schemas.visible_text import visible, visible_json

_OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}  # all others come from `extra=`
_USER_IN_URL = re.compile(r"(\w://)[^/\s]*@")  # also in quoted errors: a log is read by many
_BARE = re.compile(r"[^\s\"=]+")


def configure_logs(environment: Mapping[str, str], *, stream: TextIO | None = None) -> None:
    """Sets up the log of this process: REGIONLAKE_LOG is the lowest level that is shown (by default warning),
    REGIONLAKE_LOG_FORMAT is `text` or `json`. Raises InvalidValueError for other values."""
    level = environment.get("REGIONLAKE_LOG", "warning")
    if level.upper() not in logging.getLevelNamesMapping():
        raise InvalidValueError(f"REGIONLAKE_LOG is debug, info, warning or error, got {level!r}")
    kind = environment.get("REGIONLAKE_LOG_FORMAT", "text")
    if kind not in ("text", "json"):
        raise InvalidValueError(f"REGIONLAKE_LOG_FORMAT is text or json, got {kind!r}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else KeyValueLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class JsonLines(logging.Formatter):
    """Writes each record as one JSON object; `exception` is its traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        return _without_users(visible_json(_fields(self, record), default=str))


class KeyValueLines(logging.Formatter):
    """`time=… level=info logger=… message="feed gate is live" feed=gate state=live`; a traceback follows on
    further lines."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(self, record)
        trace = fields.pop("exception", None)
        line = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        return _without_users(line if trace is None else f"{line}\n{visible(str(trace), lines=True)}")


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, object]:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    fields: dict[str, object] = {
        "time": f"{seconds}.{int(record.msecs):03}Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
    }
    known = _OF_EVERY_RECORD | fields.keys()
    # Ray adds fields of its own to every record, with names that begin with _
    fields |= {key: value for key, value in vars(record).items() if key not in known and not key.startswith("_")}
    if record.exc_info:
        fields["exception"] = formatter.formatException(record.exc_info)
    return fields


def _quoted(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) and visible(text) == text else visible_json(text)


def _without_users(text: str) -> str:
    return _USER_IN_URL.sub(r"\1", text)
