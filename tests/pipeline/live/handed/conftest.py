"""Fixtures of handed work."""

from tests.pipeline.lake.conftest import lake

__all__ = ["lake"]
