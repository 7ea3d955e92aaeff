"""What the service answers and takes, as types of TypeScript: the page's scripts are checked against its OpenAPI.

    python -m tests.deploy.server.page.types.openapi_types    writes api.d.ts anew

A script says `Api.Hit` in its JSDoc and needs no import. A field that the service renames is an error in each script
that reads it.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TYPES = Path(__file__).with_name("api.d.ts")
_HEAD = """// The service's OpenAPI, as python -m tests.deploy.server.page.types.openapi_types writes it.

declare namespace Api {
"""
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def described() -> dict[str, Any]:
    """The OpenAPI of a service, which is the same for every lake."""
    from deploy.server.app import make_app
    from deploy.server.guard import Access
    from deploy.server.service import Service
    from pipeline.lake.lake import Lake
    from tests.pipeline.lake.synthetic import SPACE

    with tempfile.TemporaryDirectory() as folder:
        service = Service.of(Lake.create_or_open(f"{folder}/lake", SPACE), clips=Path(folder) / "clips")
        try:
            return dict(make_app(service, access=Access(), version="0").openapi())
        finally:
            service.close()


def declarations(openapi: Mapping[str, Any]) -> str:
    """The text of api.d.ts: one interface for each schema, by name."""
    schemas = openapi["components"]["schemas"]
    return _HEAD + "\n".join(_interface(name, schemas[name]) for name in sorted(schemas)) + "}\n"


def _interface(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" not in schema:
        return f"  type {name} = {_type_of(schema)};\n"
    required = set(schema.get("required", ()))
    fields = "".join(
        f"    {field}{'' if field in required else '?'}: {_type_of(each)};\n"
        for field, each in schema["properties"].items()
    )
    return f"  interface {name} {{\n{fields}  }}\n"


def _type_of(schema: Mapping[str, Any]) -> str:
    """Raises ValueError for a schema that has no type here yet."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_type_of, schema["anyOf"])))
    if "enum" in schema:
        return " | ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    kind = schema.get("type")
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(map(_type_of, schema['prefixItems']))}]"
        inner = _type_of(schema.get("items", {}))
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if kind == "object":
        extra = schema.get("additionalProperties")
        return f"Record<string, {_type_of(extra) if isinstance(extra, Mapping) else 'any'}>"
    if kind is None and not set(schema) - {"title", "description", "default"}:
        return "any"
    raise ValueError(f"no type is known for the schema {schema}; teach it to {__name__}")


if __name__ == "__main__":
    TYPES.write_text(declarations(described()), encoding="utf-8")
