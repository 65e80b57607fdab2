"""pgvector: rows that PostgreSQL gives to psycopg 3, and to SQLAlchemy."""

from ragtrace_pgvector._instrumentor import PgvectorInstrumentor

__all__ = ["PgvectorInstrumentor"]
