"""The page that explains the API, made from its own OpenAPI description; nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_CODES = {
    "200": "done", "403": "not allowed from here", "413": "body too large", "415": "not JSON",
    "422": "wrong shape, with one sentence", "503": "not ready, with the reason",
}  # fmt: skip


class Parameter(NamedTuple):
    """One parameter of an operation."""

    name: str
    place: str
    kind: str
    default: str
    description: str


class Operation(NamedTuple):
    """One method on one path, with an example that can be pasted into a terminal."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[Parameter]
    curl: str
    request: str | None
    answers: list[tuple[str, str, str]]


def operations(schema: Mapping[str, Any], base: str) -> Iterator[Operation]:
    """Yield what the OpenAPI `schema` describes, with examples against the server at `base`."""
    models = schema.get("components", {}).get("schemas", {})
    for path, methods in schema["paths"].items():
        for method, entry in methods.items():
            content = entry.get("requestBody", {}).get("content", {}).get("application/json", {})
            yield Operation(
                method=method.upper(),
                path=path,
                summary=entry.get("summary", ""),
                description=entry.get("description", "").replace("`", ""),
                parameters=[_parameter(one) for one in entry.get("parameters", ())],
                curl=_curl(method, base + path, content.get("example")),
                request=_pretty(content["schema"]) if "schema" in content else None,
                answers=[_answer(code, answer, models) for code, answer in sorted(entry["responses"].items())],
            )


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    kind = entry["schema"]
    bounds = [f"{words} {kind[key]:,}" for key, words in (("minimum", "from"), ("maximum", "to")) if key in kind]
    default = "required" if entry.get("required") else str(kind.get("default", ""))
    return Parameter(
        entry["name"], entry["in"], " ".join([kind.get("type", "any"), *bounds]), default, entry.get("description", "")
    )


def _curl(method: str, url: str, example: object) -> str:
    key = ' \\\n  -H "Authorization: Bearer $KEY"' if "/v1/" in url else ""
    if example is None:
        return f"curl {shlex.quote(url)}{key}"
    body = f"-H 'Content-Type: application/json' \\\n  -d {shlex.quote(json.dumps(example))}"
    return f"curl {shlex.quote(url)}{key} \\\n  {body}"


def _answer(code: str, entry: Mapping[str, Any], models: Mapping[str, Any]) -> tuple[str, str, str]:
    schema = entry.get("content", {}).get("application/json", {}).get("schema", {})
    named = models.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    return code, _CODES.get(code, entry.get("description", "")), _pretty(named)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
