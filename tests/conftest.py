"""What every test starts from: no settings, no runtime, no exporter that reaches out."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ragtrace.capture import shutdown

# A busy machine is no fault: no test asserts a time.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=30)
settings.load_profile("thorough")  # `make test` asks for the other

gc.disable()  # of what is imported and collected nothing is garbage


def pytest_collection_finish() -> None:
    """What is there by then stays: no later look for garbage goes through it."""
    gc.collect()
    gc.freeze()
    gc.enable()


KEPT = {"RAGTRACE_TEST_DATA", "RAGTRACE_TEST_PHOENIX"}
"""Where things of this machine are that tests need."""


@pytest.fixture(scope="session", autouse=True)
def _no_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test trusts a server of the internet: to read who would vouch for one takes longer than
    most tests do, and every HTTP client that is made reads it anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("RAGTRACE_", "OTEL_", "OPENAI_")) and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    monkeypatch.setenv("RAGTRACE_SPOOL", "off")  # nothing of a test is left for another process
    yield
    shutdown()
