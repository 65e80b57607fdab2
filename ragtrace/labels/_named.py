"""Named entities: people, places and organisations, as a language model finds them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from ragtrace.errors import MissingDependencyError

__all__ = ["NAMED", "Finding", "NamedEntities"]

NAMED: Final = {
    "PERSON": frozenset({"PERSON", "PER"}),
    "LOCATION": frozenset({"LOCATION", "LOC", "GPE"}),
    "ORGANIZATION": frozenset({"ORGANIZATION", "ORG"}),
    "NRP": frozenset({"NRP", "NORP"}),
    "DATE_TIME": frozenset({"DATE_TIME", "DATE", "TIME"}),
}
"""What models call each kind. Source: ``MODEL_TO_PRESIDIO_ENTITY_MAPPING`` of presidio-analyzer."""

SCORE: Final = 0.85
"""Of every finding: spaCy gives none, and this is what Presidio says for it."""


class Finding(NamedTuple):
    """A named entity in a text; its fields are called as those of Presidio's results."""

    entity_type: str
    start: int
    end: int
    score: float


class NamedEntities:
    """Finds named entities with an installed model of spaCy; nothing is ever downloaded.

    Presidio's own way to spaCy downloads a model that is not there, so this goes without.

    Args:
        model: The whole path of a model's directory, or the name of an installed package.
        kinds: Keys of ``NAMED``.

    Raises:
        MissingDependencyError: spaCy is not installed.
        ValueError: The model is not installed, cannot be loaded, or knows nothing of a kind.
    """

    def __init__(self, model: str, kinds: tuple[str, ...]) -> None:
        self.supported_entities = kinds
        self._pipeline, self._lock = _load(model)
        found = _entities(self._pipeline)
        for kind in kinds:
            if not found & NAMED[kind]:
                known = ", ".join(sorted(k for k in NAMED if found & NAMED[k])) or "none of them"
                raise ValueError(f"{model!r} does not find {kind}, it finds {known}")

    def analyze(self, text: str, entities: tuple[str, ...]) -> list[Finding]:
        """The findings of these kinds in ``text``."""
        kinds = {called: kind for kind in entities for called in NAMED[kind]}
        # Outside of a memory zone the pipeline keeps every new word for as long as it lives;
        # and only one thread may be in one.
        with self._lock, self._pipeline.memory_zone():
            return [
                Finding(kinds[one.label_], one.start_char, one.end_char, SCORE)
                for one in self._pipeline(text).ents
                if one.label_ in kinds
            ]


@cache
def _load(model: str) -> tuple[Any, Lock]:
    """The pipeline, once in a process, and the lock of those who use it."""
    try:
        spacy = import_module("spacy")
    except ImportError:
        raise MissingDependencyError("spacy", "pii") from None
    # Only the policy's folder is looked into, not the one that the process was started in.
    if not Path(model).is_absolute() and not spacy.util.is_package(model):
        raise ValueError(
            f"{model!r} is neither a directory nor an installed package: spaCy's models are "
            "Python packages, which are installed as all others; none is downloaded here"
        )
    try:
        return spacy.load(model), Lock()
    except Exception as error:  # a stranger's files, or those of another version of spaCy
        why = str(error).partition("\n")[0][:200]
        raise ValueError(f"{model!r} cannot be loaded: {why or type(error).__name__}") from None


def _entities(pipeline: Any) -> frozenset[str]:
    """What the parts of the pipeline that mark entities may call them."""
    marking = [n for n in pipeline.pipe_names if "doc.ents" in pipeline.get_pipe_meta(n).assigns]
    return frozenset(label for name in marking for label in pipeline.pipe_labels[name])
