"""``ragtrace policy explain``: why a chunk is given its decision, rule by rule."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ragtrace.cli import _options
from ragtrace.cli._documents import Raw, Reading
from ragtrace.cli._explained import as_json as explanation_as_json
from ragtrace.cli._explained import show
from ragtrace.errors import CorpusIndexError, PolicyFileError
from ragtrace.model import Passage, Source
from ragtrace.policy import UNNAMED_SOURCE, Policy, explain, label_as, read_policy

__all__ = ["command"]


@click.command("explain")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--audience", required=True, help="For whom it is retrieved.")
@click.option("--principal", help="The reader's own id.")
@click.option("--tenant", help="The reader's tenant.")
@click.option("--group", "groups", multiple=True, help="A group the reader is in.")
@click.option("--document", metavar="ID", help="Of this document.")
@click.option("--source", help="From this source, as chroma/bank_knowledge.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="With this in its metadata.")
@click.option("--level", help="With this level in its metadata.")
@click.option("--text", metavar="FILE|-", help="With this text; of Markdown, its front matter too.")
@_options.as_json
def command(
    file: Path,
    audience: str,
    principal: str | None,
    tenant: str | None,
    groups: tuple[str, ...],
    as_json: bool,
    **said: Any,
) -> None:
    """Say what the policy in FILE decides about a chunk at retrieval, and why.

    The chunk is described by one or more of --document, --source, --metadata, --level, --text.
    """
    if not any(said.values()):
        raise click.UsageError(
            "expected one or more of --document, --source, --metadata, --level and --text"
        )
    policy = read_policy(file)
    passage, document = _passage(policy, **said)
    chunk = label_as(policy, passage, document)
    explanation = explain(
        policy,
        policy.declassified.apply(policy.lattice, chunk, datetime.now(UTC)),
        policy.audience(audience, principal=principal, tenant=tenant, groups=frozenset(groups)),
    )
    if as_json:
        click.echo(json.dumps(explanation_as_json(explanation), indent=2))
    else:
        show(policy, explanation, str(file))


def _passage(
    policy: Policy,
    *,
    document: str | None,
    source: str | None,
    metadata: tuple[str, ...],
    level: str | None,
    text: str | None,
) -> tuple[Passage, str | None]:
    """The passage that the options describe, and its document's id where they say it."""
    raw = _raw(text) if text is not None else None
    held: dict[str, object] = dict(raw.metadata) if raw is not None else {}
    held |= dict(_pair(word) for word in metadata)
    if level is not None:
        held |= _level(policy, level, held)
    id = document or (raw.id if raw is not None else None)
    where = source or (raw.source if raw is not None else None) or UNNAMED_SOURCE
    return Passage(raw.text if raw is not None else "", Source(where), held, id), id


def _raw(text: str) -> Raw:
    if text == "-":
        said = sys.stdin.buffer.read()
        try:
            return Raw("-", said.decode("utf-8-sig"), None, "-", {}, "-")
        except UnicodeDecodeError as error:
            raise PolicyFileError(f"-: expected text in UTF-8, byte {error.start} is not") from None
    path = Path(text)
    if path.is_dir():
        raise CorpusIndexError(f"{path}: expected a file, found a directory")
    documents = list(Reading((path,)).documents())
    if len(documents) != 1:
        raise CorpusIndexError(f"{path}: expected one document, found {len(documents)}")
    return documents[0]


def _pair(word: str) -> tuple[str, str]:
    key, sign, value = word.partition("=")
    if not key or not sign:
        raise click.BadParameter(f"{word!r}: expected KEY=VALUE", param_hint="--metadata")
    return key, value


def _level(policy: Policy, level: str, held: dict[str, object]) -> dict[str, object]:
    """Metadata that says the level, as the policy reads it."""
    keys = policy.labeller.keys.level
    if not keys:
        raise click.BadParameter("the policy reads levels from no metadata", param_hint="--level")
    said = next((key for key in keys if key in held), None)
    if said is not None:
        raise click.BadParameter(
            f"the metadata says a level already, in {said!r}", param_hint="--level"
        )
    return {keys[0]: level}
