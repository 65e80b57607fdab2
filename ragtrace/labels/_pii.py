"""Personal data: found in the text itself, and labelled where it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final

from ragtrace.errors import MissingDependencyError
from ragtrace.labels._lattice import Lattice
from ragtrace.labels._named import NAMED, NamedEntities
from ragtrace.model import Label, LabelledRange, digest

__all__ = ["MAX_KNOWN_TEXTS", "PiiFinder", "PiiRule"]

MAX_KNOWN_TEXTS: Final = 20_000
"""Texts whose findings are kept, so that a chunk that comes back is not looked through again."""

_RECOGNISERS: Final = {
    "CREDIT_CARD": "CreditCardRecognizer",
    "CRYPTO": "CryptoRecognizer",
    "EMAIL_ADDRESS": "EmailRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "MEDICAL_LICENSE": "MedicalLicenseRecognizer",
    "PHONE_NUMBER": "PhoneRecognizer",
    "UK_NHS": "NhsRecognizer",
    "US_SSN": "UsSsnRecognizer",
}
"""Presidio's recognisers that work by patterns and check digits; no model is downloaded."""

_ADDRESS: Final = r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,10}[\w-]{2,63}"
"""An e-mail address, each part no longer than RFC 5321 has it. Presidio's own pattern is not
bounded: 40 KB of ``a.a.a.`` take it a minute, after which it skips the text and says nothing."""


@dataclass(frozen=True, slots=True)
class PiiRule:
    """What counts as personal data, and the label it gets.

    Attributes:
        entities: Kinds, by the names that Presidio gives them.
        compartment: Held by the label of every finding.
        by_entity: Whether the kind stands in the compartment too, as ``pii:EMAIL_ADDRESS``.
        threshold: The least score that counts. At Presidio's own 0.5 no telephone number
            would: without a language model they all score 0.4.
        level: Of a finding; the least, unless said.
        model: A spaCy model, which finds the named entities among the kinds: the name of an
            installed package, or the path of a directory.
    """

    entities: tuple[str, ...]
    compartment: str = "pii"
    by_entity: bool = False
    threshold: float = 0.4
    level: str | None = None
    model: str | None = None

    @property
    def digest(self) -> str:
        """Names what is looked for and how it is labelled, wherever the policy stands."""
        return digest(json.dumps(asdict(self), sort_keys=True))


@dataclass(frozen=True, slots=True)
class PiiFinder:
    """Finds personal data in texts, with presidio-analyzer and, for named entities, spaCy.

    Attributes:
        folder: Where the path of a model begins.
        looked_for: The digest of the rule.

    Raises:
        MissingDependencyError: On making one: presidio-analyzer is not installed.
        ValueError: On making one: the model cannot be used, or there is none for what only a
            model finds.
    """

    rule: PiiRule
    lattice: Lattice
    folder: Path = Path()
    looked_for: str = field(init=False, repr=False, compare=False)
    _recognisers: Sequence[Any] = field(init=False, repr=False, compare=False)
    _known: dict[str, tuple[LabelledRange, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _lock: Lock = field(init=False, repr=False, compare=False, default_factory=Lock)

    def __post_init__(self) -> None:
        patterns = tuple(kind for kind in self.rule.entities if kind not in NAMED)
        named = tuple(kind for kind in self.rule.entities if kind in NAMED)
        recognisers = [*_recognisers(patterns)] if patterns else []
        if named:
            recognisers.append(NamedEntities(self._model(named), named))
        object.__setattr__(self, "_recognisers", recognisers)
        object.__setattr__(self, "looked_for", self.rule.digest)

    def ranges(self, text: str, name: str) -> tuple[LabelledRange, ...]:
        """The findings in ``text``, whose digest is ``name``; they may overlap.

        Of a text that cannot be looked through, all of it.
        """
        with self._lock:
            found = self._known.get(name)
        if found is not None:
            return found
        try:
            found = tuple(self._find(text))
        except Exception:  # a stranger's code: what it fails on may hold anything
            whole = self.lattice.join(self._label(kind) for kind in self.rule.entities)
            found = (LabelledRange(0, len(text), whole),)
        with self._lock:
            while len(self._known) >= MAX_KNOWN_TEXTS:
                del self._known[next(iter(self._known))]  # the one that has been here longest
            self._known[name] = found
        return found

    def _model(self, named: tuple[str, ...]) -> str:
        if self.rule.model is None:
            raise ValueError(f"{named[0]} is found by a language model only, and none is named")
        beside = self.folder / self.rule.model
        return str(beside.resolve()) if beside.is_dir() else self.rule.model

    def _find(self, text: str) -> list[LabelledRange]:
        return [
            LabelledRange(result.start, result.end, self._label(result.entity_type))
            for recogniser in self._recognisers
            for result in recogniser.analyze(text, recogniser.supported_entities)
            if result.score >= self.rule.threshold and result.start < result.end
        ]

    def _label(self, kind: str) -> Label:
        name = f"{self.rule.compartment}:{kind}" if self.rule.by_entity else self.rule.compartment
        return Label(self.rule.level or self.lattice.least, frozenset({name}))


@cache
def _recognisers(entities: tuple[str, ...]) -> Sequence[Any]:
    """One recogniser for each of ``entities``; it keeps nothing between two texts."""
    try:
        # Only who looks for personal data pays for this import, which takes seconds.
        known = import_module("presidio_analyzer.predefined_recognizers")
        pattern = import_module("presidio_analyzer").Pattern
        offline = import_module("tldextract").TLDExtract(suffix_list_urls=(), cache_dir=None)
    except ImportError:
        raise MissingDependencyError("presidio-analyzer", "pii") from None
    made = [getattr(known, _RECOGNISERS[kind])() for kind in entities]
    for recogniser in made:
        if recogniser.supported_entities == ["EMAIL_ADDRESS"]:
            # Presidio's own check downloads the list of public suffixes, and takes an address
            # in a company's own domain (ann@corp.local) for none.
            recogniser.validate_result = lambda found: bool(offline(found).fqdn) or None
            recogniser.patterns = [pattern("address", _ADDRESS, 0.5)]
    return made
