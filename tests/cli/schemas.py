"""The JSON schemas of docs/cli.md, and a validator for the few words of JSON Schema that they use."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

CLI_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
KNOWN = {"type", "required", "properties", "items", "const", "enum", "minimum", "maximum", "description"}
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


@cache
def documented_schemas() -> dict[str, dict[str, Any]]:
    """The schemas by the name in their fence: ```json schema:NAME."""
    fences = re.findall(r"```json schema:(\S+)\n(.*?)```", CLI_PAGE.read_text("utf-8"), re.DOTALL)
    return {name: json.loads(text) for name, text in fences}


def check(value: Any, name: str) -> None:
    """Fail with a list of what in `value` is not as the documented schema says."""
    problems = list(_problems(value, documented_schemas()[name], "$"))
    assert not problems, f"{name}: {problems}"


def _problems(value: Any, schema: dict[str, Any], at: str) -> list[str]:
    unknown = set(schema) - KNOWN
    assert not unknown, f"the validator does not know {unknown}"
    found = []
    if "type" in schema and not any(_is(value, kind) for kind in _listed(schema["type"])):
        return [f"{at} is {value!r}, not {schema['type']}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{at} is {value!r}, not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is {value!r}, not one of {schema['enum']}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{at} is {value!r}, below {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        found.append(f"{at} is {value!r}, above {schema['maximum']}")
    if isinstance(value, dict):
        found += [f"{at} lacks {key!r}" for key in schema.get("required", []) if key not in value]
        for key, inner in schema.get("properties", {}).items():
            if key in value:
                found += _problems(value[key], inner, f"{at}.{key}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += _problems(item, schema["items"], f"{at}[{i}]")
    return found


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])
