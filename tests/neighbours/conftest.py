"""What the tests of other back ends start from: the kit of the integrations."""

from tests.integrations.conftest import _witness, kit, start, wire

__all__ = ["_witness", "kit", "start", "wire"]
