"""Escapes: the ways to write a character by others, and which of them a text may end within."""

from __future__ import annotations

import html
from typing import Final
from urllib.parse import unquote

__all__ = ["ESCAPE", "OPEN_ESCAPE", "TRIGGERS", "unescape"]

TAG: Final = 40
"""Longest HTML tag that is taken out. What stands in a longer one is text: an ``alt`` or a
``title`` can hold a document, and a run that went across it would speak for it."""

TRIGGERS: Final = "\\&%<"
"""What an escape begins with; a text without any of these has none."""

ESCAPE: Final = (
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair that is one character
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\x[0-9a-fA-F]{2}|\\U00[01][0-9a-fA-F]{5}"
    r"|\\[\\nrtbf\"'/]"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
    r"|%(?:[0-7][0-9a-fA-F]|[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){1,3})"
    rf"|</?[a-zA-Z][^<>]{{0,{TAG}}}>|<!--"
)
"""Pattern of one: a JSON or other backslash escape, an HTML entity or tag, percent encoding."""

OPEN_ESCAPE: Final = (
    r"\\(?:u[0-9a-fA-F]{0,3}|x[0-9a-fA-F]?|U(?:0(?:0(?:[01][0-9a-fA-F]{0,4})?)?)?)?"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?"
    r"|&(?:#[0-9]{0,7}|#[xX][0-9a-fA-F]{0,6}|[a-zA-Z][a-zA-Z0-9]{0,31})?"
    r"|%(?:[0-7]|[c-fC-F](?:[0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){0,2}(?:%[89abAB]?)?)?)?"
    rf"|<(?:/?[a-zA-Z][^<>]{{0,{TAG}}}|/|!-?)?"
)
"""Pattern of what may become one, or a longer one, with what comes after it."""


def unescape(found: str) -> str:
    """What one escape stands for; markup and layout stand for nothing."""
    if found[0] == "\\":
        if found[1] in "xU":
            return chr(min(int(found[2:], 16), 0x10FFFF))
        if found[1] == "u":
            codes = [int(part, 16) for part in found.split("\\u")[1:]]
            units = b"".join(code.to_bytes(2, "little") for code in codes)
            return units.decode("utf-16-le", "surrogatepass")
        return found[1] if found[1] in "\\\"'/" else " "
    if found[0] == "&":
        return html.unescape(found)
    if found[0] == "%":
        return unquote(found, errors="replace")
    return " "
