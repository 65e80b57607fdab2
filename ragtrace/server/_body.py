"""Body: a question that is asked in one; read after it is known who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fastapi import HTTPException, Request
from pydantic import BaseModel, ValidationError

from ragtrace.server._inbound import RefusedError, short_body

__all__ = ["asked_in_body", "body_of"]

NAME: Final = 200
"""Characters of the name of what is wrong in a body."""

M = TypeVar("M", bound=BaseModel)


async def asked_in_body(
    request: Request, model: type[M], most: int, expected: str | None = None
) -> M:
    """Read what is asked in the body of ``request``.

    Args:
        request: Of who may ask.
        model: What the body is to be.
        most: Bytes of it.
        expected: The same in words; without, what is wrong is named by its place.

    Raises:
        HTTPException: 400 where a web page could have sent this (browsers ask before they send JSON
            to another site), or it says no such thing, 408 or 413 where it does not end.
    """
    said = request.headers.get("content-type", "").partition(";")[0]
    if said.strip().lower() != "application/json":
        raise HTTPException(400, "content-type: expected application/json")
    try:
        return model.model_validate_json(await short_body(request, most))
    except RefusedError as refused:
        raise HTTPException(refused.status, str(refused)) from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))[:NAME]
        raise HTTPException(
            400, expected or f"{where or 'body'}: expected as the document has it"
        ) from None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """What the API's document says of such a body, whatever other models are in it."""
    schema = model.model_json_schema()
    whole = _in_place(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole}}}}


def _in_place(tree: Any, defined: Mapping[str, Any]) -> Any:
    """A schema with what it refers to in the place of the reference."""
    if isinstance(tree, list):
        return [_in_place(one, defined) for one in tree]
    if not isinstance(tree, dict):
        return tree
    if "$ref" in tree:
        return _in_place(defined[tree["$ref"].rpartition("/")[2]], defined)
    return {name: _in_place(one, defined) for name, one in tree.items()}
