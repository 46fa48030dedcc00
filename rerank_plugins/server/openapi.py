"""What `/openapi.json` and `/docs` say of the routes; the page needs nothing from elsewhere."""

import json
import shlex
from collections.abc import Mapping
from html import escape
from typing import Any

from rerank_plugins.server.routes import ROUTES, examples_of

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>rerank serve</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }}
body {{ max-width: 60rem; margin: 0 auto; padding: 1rem }}
pre {{ overflow-x: auto; padding: .75rem; border: 1px solid; border-radius: .25rem }}
</style>
<h1>rerank serve</h1>
<p><a href="openapi.json">openapi.json</a> says this for programs.</p>
{routes}
</html>
"""


def body_of(route: str) -> dict[str, Any]:
    """The body of a route in OpenAPI: what each of its dialects takes, with an example."""
    examples = {name: {"value": body} for name, body in examples_of(route).items()}
    schema = {"anyOf": [_schema_of(body) for body in examples_of(route).values()]}
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"content": content, "required": True}}


def _schema_of(value: Any) -> dict[str, Any]:
    """The schema of values like this one; a key without a value in it may be left out."""
    if isinstance(value, Mapping):
        keys = {name: _schema_of(one) for name, one in value.items()}
        needed = [name for name, one in value.items() if one is not None]
        return {"type": "object", "properties": keys, "required": needed}
    if isinstance(value, list | tuple):
        return {"type": "array", "items": _schema_of(value[0]), "minItems": 1}
    if value is None:
        return {"type": ["string", "null"]}
    return {"type": "integer" if isinstance(value, int) else "string"}


def docs_page(base: str) -> str:
    """A page with each route, and a request of each of its dialects.

    Args:
        base: The address of the server.
    """
    parts = []
    for route in ROUTES:
        parts.append(f"<h2>POST {route}</h2>")
        for name, body in examples_of(route).items():
            known = {key: value for key, value in body.items() if value is not None}
            line = f"curl {base}{route} \\\n    -d {shlex.quote(json.dumps(known))}"
            parts.append(f"<h3>{name}</h3>\n<pre>{escape(line)}</pre>")
    return _PAGE.format(routes="\n".join(parts))
