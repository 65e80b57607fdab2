"""A Redis for tests: the local binary, else a container, else none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("redis")
pytest.importorskip("cryptography")

from ragtrace.testing import LocalRedis


@pytest.fixture
def redis_url() -> Iterator[str]:
    """URL of a Redis that holds nothing and is nobody else's."""
    if LocalRedis.installed():
        with LocalRedis() as server:
            yield server.url
        return
    containers = pytest.importorskip(
        "testcontainers.redis", reason="neither redis-server nor testcontainers is installed"
    )
    try:
        container = containers.RedisContainer().start()
    except Exception as error:
        pytest.skip(f"no redis-server is installed, and no container starts: {type(error)}")
    try:
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        yield f"redis://{host}:{port}/0"
    finally:
        container.stop()


@pytest.fixture
def redis_server() -> Iterator[LocalRedis]:
    """A Redis that a test may kill."""
    if not LocalRedis.installed():
        pytest.skip("no redis-server is installed")
    with LocalRedis() as server:
        yield server
