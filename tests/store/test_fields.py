"""Fields: whatever is asked for arrives, in pieces that a server takes."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ragtrace.store import _fields
from ragtrace.store._fields import in_fields

VALUES = st.lists(st.one_of(st.text(max_size=40), st.integers(0, 2**64 - 1)), max_size=30)


@given(VALUES, st.integers(1, 200))
def test_the_pieces_of_a_list_are_the_list_and_each_fits(values: list[Any], most: int) -> None:
    before, _fields.MOST_BYTES = _fields.MOST_BYTES, most  # type: ignore[misc]
    try:
        query, fields = in_fields("SELECT {a:Array(String)}, {b:UInt8}", {"a": values, "b": 1})
    finally:
        _fields.MOST_BYTES = before  # type: ignore[misc]
    named = re.findall(r"\{(\w+):Array\(String\)\}", query)
    assert [one for name in named for one in fields[name]] == values
    assert fields.keys() == {*named, "b"}
    for name in named:
        piece = fields[name]
        assert len(piece) <= 1 or sum(len(str(one).encode()) + 3 for one in piece) <= most


def test_what_fits_is_asked_as_it_was_written() -> None:
    asked = {"a": ["x"] * 100, "text": "y" * 10**6, "one": 1}
    assert in_fields("SELECT {a:Array(String)}", asked) == ("SELECT {a:Array(String)}", asked)


def test_each_place_that_names_a_long_list_gets_all_of_it() -> None:
    asked = {"a": ["x" * 50_000, "y" * 50_000], "ab": ["z"]}
    query, fields = in_fields("{a:Array(String)} {ab:Array(String)} {a:Array(String)}", asked)
    whole = "arrayConcat({a:Array(String)}, {a__1:Array(String)})"
    assert query == f"{whole} {{ab:Array(String)}} {whole}"
    assert [fields[name] for name in ("a", "a__1", "ab")] == [*([v] for v in asked["a"]), ["z"]]


def test_half_a_character_is_handed_on() -> None:
    """The client says that it cannot be asked for, as a store's error."""
    asked = {"a": ["\ud83d", "x"]}
    assert in_fields("SELECT {a:Array(String)}", asked) == ("SELECT {a:Array(String)}", asked)
