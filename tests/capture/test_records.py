"""Records: which fields of a row or a point are text, and what the others say of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ragtrace
from ragtrace.capture import Record, current, judge_records, search
from ragtrace.model import Source

POLICY = """\
version: 1
levels: [public, secret]
audiences: {reader: {clearance: public}, chief: {clearance: secret}}
labels: {level_keys: [level]}
unlabelled: public
rules: [{id: secrets, when: {label: secret, audience: [reader]}, decide: redact}]
"""
SOURCE = Source("store/notes")
SECRET = "The vault behind the painting opens with seven, nine and twelve."


@pytest.fixture(autouse=True)
def _policy(tmp_path: Path) -> Iterator[None]:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    ragtrace.init(str(path), instrument=False)
    yield
    ragtrace.shutdown()


def kept(fields: dict[str, Any], reader: str = "reader", **about: Any) -> Any:
    """What a reader has of a record."""
    with ragtrace.request(reader), search(SOURCE) as step:
        assert step is not None
        (found,) = judge_records(step, SOURCE, [Record(fields, about=about)])
    return found


@pytest.mark.parametrize("name", ["text", "Content", "chunk_text", "notes_body", "content#2"])
def test_a_known_name_is_the_text(name: str) -> None:
    """It is judged by the label beside it, and nothing else is touched."""
    fields = {name: SECRET, "level": "secret", "colour": "red"}
    assert kept(fields) == {**fields, name: "[redacted]"}
    assert kept(fields, "chief") == fields
    assert kept({**fields, "level": "public"}) == {**fields, "level": "public"}


@pytest.mark.parametrize("title", ["title", "summary", "abstract"])
def test_what_stands_beside_a_text_is_text(title: str) -> None:
    """A title is judged with the text; alone it does not say that it is all there is."""
    assert kept({"text": "x", title: SECRET, "level": "secret"})[title] == "[redacted]"
    found = kept({title: "x", "remark": SECRET, "level": "public"})
    assert found == {title: "[redacted]", "remark": "[redacted]", "level": "[redacted]"}


@pytest.mark.parametrize(
    "about",
    [
        {"metadata": {"level": "secret"}},
        {"cmetadata": '{"level": "secret"}'},
        {"langchain_metadata": {"level": "secret"}},
        {"_node_content": '{"metadata": {"level": "secret"}}'},
    ],
    ids=str,
)
def test_a_label_may_stand_in_a_field_that_holds_the_rest(about: dict[str, Any]) -> None:
    """As it is, or written as JSON, which stays as it was written."""
    assert kept({"text": SECRET, **about}) == {"text": "[redacted]", **about}


def test_a_label_may_be_known_from_elsewhere() -> None:
    """What the caller did not ask for labels a text all the same, and is not given."""
    assert kept({"text": SECRET}, level="secret") == {"text": "[redacted]"}
    assert kept({"text": SECRET}, metadata={"level": "secret"}) == {"text": "[redacted]"}


@pytest.mark.parametrize("value", [["a", SECRET], {"de": SECRET}], ids=["list", "dictionary"])
def test_a_text_may_have_parts(value: Any) -> None:
    """Each of them is judged."""
    assert SECRET not in repr(kept({"text": value, "level": "secret"}))


def test_without_strings_nothing_is_judged() -> None:
    """Numbers, vectors and ids are left as they are."""
    fields = {"count": 3, "embedding": [0.1, 0.2], "id": "a", "doc_id": "b", "uuid": "c"}
    assert kept(fields) == fields


def test_a_search_after_shutdown_judges_nothing() -> None:
    """Where ragtrace is shut down there is no step to judge with."""
    ragtrace.shutdown()
    assert current() is None
    with search(SOURCE) as step:
        assert step is None
