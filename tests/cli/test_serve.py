"""What ``ragtrace serve`` refuses before it starts."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ragtrace.cli._serve import command


@pytest.mark.parametrize("port", ["65536", "9" * 5000, "-1", "x", "\u00b2", ""])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    """In words, whatever its length."""
    refused = CliRunner().invoke(command, ["--grpc-port", port])
    assert refused.exit_code == 2
    assert "expected a number from 0 to 65535, or none" in " ".join(refused.output.split())
