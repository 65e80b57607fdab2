"""Own files: the style sheet, the script and the icon of the pages, from the package."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import HTTPException
from starlette.responses import Response

__all__ = ["OWN_FILES", "own_file", "own_url"]

OWN_FILES: Final = "/_ragtrace/"
"""Where they are served; a path goes on with a digest, so that browsers may keep them."""

_KINDS: Final = {
    "look.css": "text/css; charset=utf-8",
    "look.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def own_url(name: str) -> str:
    """The address of a file, another one whenever its content is."""
    return f"{OWN_FILES}{hashlib.sha256(_content(name)).hexdigest()[:12]}/{name}"


def own_file(path: str) -> Response:
    """The file at ``path``.

    Raises:
        HTTPException: 404, there is none.
    """
    name = path.rpartition("/")[2]
    if name not in _KINDS:
        raise HTTPException(404)
    kept = "public, max-age=31536000, immutable" if path == own_url(name) else "no-cache"
    return Response(_content(name), media_type=_KINDS[name], headers={"cache-control": kept})


@cache
def _content(name: str) -> bytes:
    return (files("ragtrace.server.dashboard") / "files" / name).read_bytes()
