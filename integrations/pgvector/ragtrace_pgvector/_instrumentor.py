"""PgvectorInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection

from ragtrace.capture import Instrumentor, Patches

__all__ = ["PgvectorInstrumentor"]


class PgvectorInstrumentor(Instrumentor):
    """Traces and judges the rows of statements that search by distance, sync and async.

    Of psycopg 3, and of SQLAlchemy on whatever driver.
    """

    modules = ("psycopg", "sqlalchemy")

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("psycopg >= 3.2, < 4",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap psycopg's cursors, or SQLAlchemy's results, whose module is imported by now."""
        if module == "psycopg":
            from ragtrace_pgvector._hooks import hook_cursors

            hook_cursors(patches)
        else:
            from ragtrace_pgvector._results import hook_results

            hook_results(patches)
