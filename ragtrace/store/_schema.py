"""Schema: numbered migrations, each idempotent, each recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ragtrace.errors import StoreError

__all__ = ["migrate", "tokens", "version"]

MIGRATIONS: Final = Path(__file__).with_name("migrations")
_END: Final = re.compile(r";\s*$", re.MULTILINE)
_RECORD: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    Version UInt32,
    Name String,
    Applied DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = {replicated}ReplacingMergeTree ORDER BY Version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


_NAMED: Final = re.compile(
    r"^((?:CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS|ALTER TABLE) \w+)", re.MULTILINE
)


def tokens(*, replicated: bool, cluster: str = "") -> Callable[[str], str]:
    """Give what makes a statement of the schema one for a single server, or for a cluster."""
    prefix = "Replicated" if replicated else ""
    where = rf"\1 ON CLUSTER {cluster}" if cluster else r"\1"
    return lambda text: _NAMED.sub(where, text.replace("{replicated}", prefix))


SINGLE: Final = tokens(replicated=False)
"""For one server, or the embedded engine."""


def migrate(
    client: Any,
    *,
    fit: Callable[[str], str] = SINGLE,
    folder: Path = MIGRATIONS,
) -> int:
    """Bring the database up to this program's schema, and give its version.

    Args:
        client: Of the database.
        fit: Makes a statement one for this kind of server, from ``tokens``.
        folder: Where the numbered statements are.

    Raises:
        StoreError: The database has a newer schema; nothing was changed.
    """
    steps = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    newest = int(steps[-1].name[:4])
    client.command(fit(_RECORD))
    done = version(client)
    if done > newest:
        raise StoreError(
            f"store: its schema is version {done} and this program knows {newest}: "
            "use the program that wrote it, or a newer one"
        )
    for step in steps:
        number = int(step.name[:4])
        if number > done:
            for statement in _END.split(step.read_text("utf-8")):
                if statement.strip():
                    client.command(fit(statement))
            client.insert("migrations", [[number, step.stem]], column_names=["Version", "Name"])
    return newest


def version(client: Any) -> int:
    """Give the version of the database's schema; 0 where it has none."""
    known = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = "
    if not client.query(f"{known}'migrations'").result_rows[0][0]:
        return 0
    return int(client.query("SELECT max(Version) FROM migrations").result_rows[0][0])
