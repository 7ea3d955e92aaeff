"""The container file and the Compose file. Catches a file that no builder reads, packages without a hash, a wheel that
lacks what the image copies, a Compose file that Compose refuses, and health checks that are always content.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.conftest import ROOT

CONTAINER = ROOT / "deploy" / "hosting" / "container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text()


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [linter, "--failure-threshold", "info", CONTAINER / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_every_package_is_locked_with_its_hash() -> None:
    installs = re.findall(r"pip install (.*?)(?:;;|&&|\n(?=[A-Z]))", DOCKERFILE, flags=re.DOTALL)
    locks = [name for words in installs for name in re.findall(r"-r (\S+)", words)]
    assert {Path(name).name for name in locks} == {
        *("requirements.lock", "requirements-cluster.lock", "requirements-torch.lock"),
        *("requirements-torch-cpu.lock", "requirements-cuda.lock"),
    }
    for words in installs:
        assert "--require-hashes" in words or "--no-index" in words, words
    for name in locks:
        pins = (ROOT / name).read_text()
        assert pins.count("==") <= pins.count("--hash=sha256:"), name


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {
        line[1:] for line in (CONTAINER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE):
        for name in words.split()[:-1]:
            assert list(ROOT.glob(name)), name
            assert name.split("/")[0] in kept, name


def test_it_does_not_run_as_root() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 1000:1000$", last, flags=re.MULTILINE)
    assert "useradd --uid 1000" in last


def test_compose_reads_its_file_and_finds_what_it_names() -> None:
    text = (CONTAINER / "compose.yaml").read_text()
    compose = PyCompose.from_yaml(text)
    compose.validate()
    for service in yaml.safe_load(text)["services"].values():
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            assert not source.startswith(".") or (CONTAINER / source).is_file(), source
        if "build" in service:
            assert (CONTAINER / service["build"]["context"]).resolve() == ROOT
    for wrong in ("restart: unless-stopped", "secrets: [users.toml"):
        broken = text.replace(wrong, wrong.replace("unless-stopped", "sometimes").replace("users.toml", "user.toml"))
        with pytest.raises(ValueError, match=r"sometimes|user\.toml"):
            PyCompose.from_yaml(broken).validate()


class _Answer(BaseHTTPRequestHandler):
    body = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def answering() -> Iterator[tuple[type[_Answer], str]]:
    handler: type[_Answer] = type("Answer", (_Answer,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def healthy(url: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(CONTAINER / "healthy.py"), url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_service_is_healthy_while_it_answers(answering: tuple[type[_Answer], str]) -> None:
    handler, url = answering
    assert healthy(f"{url}/healthz").returncode == 0
    handler.status = 503
    done = healthy(f"{url}/healthz")
    assert done.returncode == 1
    assert "503" in done.stderr
    assert healthy("http://127.0.0.1:1/healthz").returncode == 1


@pytest.mark.parametrize(("age_s", "code"), [(2, 0), (60, 1), (None, 1)], ids=["now", "a minute ago", "never"])
def test_a_follower_is_healthy_while_it_reports(
    answering: tuple[type[_Answer], str], age_s: int | None, code: int
) -> None:
    handler, url = answering
    if age_s is not None:
        handler.body = f"regionlake_follower_status_time_seconds {time.time() - age_s}\n".encode()
    assert healthy(f"{url}/metrics").returncode == code
