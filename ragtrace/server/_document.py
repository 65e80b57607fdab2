"""Document: the API as OpenAPI describes it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

__all__ = ["describe"]


def describe(app: FastAPI) -> None:
    """Have the document say what is answered: a wrong parameter is a 400, and never a 422."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            document.get("components", {}).get("schemas", {}).pop(name, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI has it done
