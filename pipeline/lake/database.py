"""The LanceDB database of a lake. LanceDB is imported at the first use, without the REST client that comes with it."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import lancedb

_CLIENT = "lance_namespace_urllib3_client"


def connect(uri: str | Path, *, cache_bytes: int | None = None) -> "lancedb.DBConnection":
    """Connects to the database in a folder or a bucket, which need not exist yet.

    cache_bytes: how much of indexes, and as much of file footers and manifests, is kept in memory; LanceDB chooses by
    default.
    """
    _postpone_rest_client()
    import lancedb

    session = lancedb.Session(index_cache_size_bytes=cache_bytes, metadata_cache_size_bytes=cache_bytes)
    return lancedb.connect(uri, session=session)


def _postpone_rest_client() -> None:
    """Saves 1.1 s of the 1.9 s that the import of lancedb takes.

    lancedb names some data classes of a client for a REST catalogue, and their package imports the whole client, whose
    functions pydantic compiles one by one. Here that package runs its own `__init__` when something asks for what is
    defined there, which a lake in a folder or a bucket never does.
    """
    if "lancedb" not in sys.modules and _CLIENT not in sys.modules:
        spec = find_spec(_CLIENT)
        if spec is not None:
            sys.modules[_CLIENT] = _postponed(spec)


def _postponed(spec: ModuleSpec) -> ModuleType:
    """A package whose submodules can be imported, and which runs its `__init__` at the first other name asked of it."""
    package = module_from_spec(spec)

    def lookup(name: str) -> Any:
        if name.startswith("__"):  # the import system asks for optional ones, such as `__all__`
            raise AttributeError(f"module {spec.name!r} has no attribute {name!r}")
        package.__dict__.pop("__getattr__", None)
        assert spec.loader is not None
        spec.loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = lookup
    return package
