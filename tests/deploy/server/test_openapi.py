"""Asks the service whatever its OpenAPI allows, and what it does not. Catches a request by which it fails instead of
refusing it, and answers that are not as they are described."""

import shutil
from contextlib import nullcontext, suppress
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.server.feeding.feed_access import FeedAccess
from deploy.server.ingesting.ingest_runs import IngestRuns
from pipeline.plan.plan import Plan
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_no_request_makes_it_fail(world: World, tmp_path: Path) -> None:
    lake = shutil.copytree(world.lake, tmp_path / "lake")  # requests change it
    (tmp_path / "videos").mkdir()
    feeds = FeedAccess(tmp_path / "cameras.toml", ["*"])
    ingests = IngestRuns(str(lake), Plan(), {"videos": tmp_path / "videos"})
    with running(lake, clips=tmp_path / "clips", feeds=feeds, ingests=ingests) as url:
        ask_everything(url)


def ask_everything(url: str) -> None:
    described = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) >= 30
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            def ask(case: schemathesis.Case) -> None:
                case.call_and_validate(checks=CHECKS, timeout=60)

            # what takes anything, such as the bytes of a picture, has no request that its description forbids
            with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
                ask()
