"""The JSON API, described as OpenAPI 3.1: written out here, and held against the answers by a test."""

from __future__ import annotations

from typing import Any

from cb_riddles import __version__

_TEXT = {"type": "string"}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}, "additionalProperties": False}
_BRIEF = {
    "id": {"type": "integer"},
    "riddle": _TEXT,
    "published": {"type": "string", "format": "date-time"},
    "url": {"type": "string", "description": "Where the riddle and its options are."},
}
_OPTION = {
    "type": "object",
    "required": ["key", "text"],
    "properties": {"key": {"type": "string", "description": "What an answer names the option by."}, "text": _TEXT},
    "additionalProperties": False,
}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _said(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def document(base: str) -> dict[str, Any]:
    """Return the document; *base* is the address under which the app's own addresses begin, ``/riddles/``."""
    riddle_id = {"name": "riddle_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
    asked = [
        {"name": name, "in": "query", "required": False, "schema": _TEXT, "description": why}
        for name, why in (
            ("q", "Words that must be in the riddle."),
            ("category", "A category's short name."),
            ("before", "The last page's next."),
        )
    ]
    none = _said("There is none, or it is not published.", "Error")
    wait = _said("Too many answers.", "Error")
    wait["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
    answer = {
        "operationId": "answer",
        "summary": "Answer a riddle.",
        "parameters": [riddle_id],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": _said("Right or wrong.", "Outcome"),
            "400": _said("The body is not what is wanted.", "Error"),
            "404": none,
            "415": _said("The body is not JSON.", "Error"),
            "422": _said("Nothing, or no option of the riddle, was chosen.", "Error"),
            "429": wait,
        },
    }
    index = {
        "operationId": "list",
        "summary": "List riddles, the newest first.",
        "parameters": asked,
        "responses": {"200": _said("A page of riddles.", "Riddles"), "404": none},
    }
    detail = {
        "operationId": "show",
        "summary": "Show a riddle and its options, in the caller's order.",
        "parameters": [riddle_id],
        "responses": {"200": _said("The riddle.", "Riddle"), "404": none},
    }
    brief = _object(_BRIEF)
    options = {"type": "array", "items": _OPTION}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Riddles", "version": __version__},
        "servers": [{"url": base}],
        "paths": {
            "/api/riddles/": {"get": index},
            "/api/riddles/{riddle_id}/": {"get": detail},
            "/api/riddles/{riddle_id}/answer/": {"post": answer},
        },
        "components": {
            "schemas": {
                "Error": _ERROR,
                "Riddles": _object(
                    {"riddles": {"type": "array", "items": brief}, "next": {"type": ["string", "null"]}}
                ),
                "Riddle": _object({**_BRIEF, "hint": _TEXT, "several": {"type": "boolean"}, "options": options}),
                "Answer": _object({"options": {"type": "array", "items": _TEXT, "minItems": 1}}),
                "Outcome": _object({"correct": {"type": "boolean"}, "explanation": _TEXT}),
            }
        },
    }
