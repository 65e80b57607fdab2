"""Opened: what the settings name, opened before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragtrace import config as settings
from ragtrace.capture._envelope import EnvelopeKey
from ragtrace.capture._secret import read_secret
from ragtrace.capture._shared import Shared
from ragtrace.config import Config
from ragtrace.errors import ConfigError

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus
    from ragtrace.capture._runtime import Runtime

__all__ = ["Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """Files and connections of a runtime, other than those of its policy.

    Attributes:
        corpus: The corpus index.
        shared: What shares the ledger.
        envelopes: Signs what goes to other services.
    """

    corpus: Corpus | None = None
    shared: Shared | None = None
    envelopes: EnvelopeKey | None = None

    @classmethod
    def of(cls, config: Config, before: Runtime | None) -> Opened:
        """All that ``config`` names; a ledger that ``before`` shares already stays as it is.

        Raises:
            ConfigError: A setting, or the file it names, cannot be used.
            CorpusIndexError: The index cannot.
            MissingDependencyError: A shared ledger needs a package that is not there.
        """
        return cls(_corpus(config), _shared(config, before), _envelopes(config))


def _corpus(config: Config) -> Corpus | None:
    if config.index is None:
        return None
    from ragtrace.attribution.corpus import Corpus  # few processes have an index

    return Corpus.open(config.index, config.index_key_file)


def _shared(config: Config, before: Runtime | None) -> Shared | None:
    if config.ledger is None:
        return None
    if config.ledger_key_file is None:
        raise ConfigError(
            f"{settings.LEDGER_KEY_FILE.variable}: expected a file with a key; "
            "without one, texts would leave in the clear"
        )
    key = read_secret(config.ledger_key_file, settings.LEDGER_KEY_FILE.variable)
    asked = (config.ledger, config.ledger_key_file)
    if before is not None and asked == (before.config.ledger, before.config.ledger_key_file):
        return before.ledger.shared
    return Shared(config.ledger, key)


def _envelopes(config: Config) -> EnvelopeKey | None:
    if config.baggage_key_file is None:
        return None
    variable = settings.BAGGAGE_KEY_FILE.variable
    return EnvelopeKey(read_secret(config.baggage_key_file, variable, longer=True))
