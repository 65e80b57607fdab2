"""For tests of applications and integrations: what flowed, without a back end."""

from ragtrace.testing._ids import CountingIds
from ragtrace.testing._recorder import RecordedSpan, Recorder, recording
from ragtrace.testing._redis import LocalRedis
from ragtrace.testing._storing import storing

__all__ = ["CountingIds", "LocalRedis", "RecordedSpan", "Recorder", "recording", "storing"]
