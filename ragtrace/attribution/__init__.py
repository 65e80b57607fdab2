"""Which text reached which text: prompt matcher, streaming guard, corpus index."""

from ragtrace.attribution._account import Account, account
from ragtrace.attribution._cover import Cover, accounted_for
from ragtrace.attribution._foreign import foreign
from ragtrace.attribution._matcher import Index
from ragtrace.attribution._quotations import Quotations
from ragtrace.attribution._reading import Reading, read
from ragtrace.attribution._run import MIN_RUN
from ragtrace.attribution._skeleton import Skeleton, skeleton
from ragtrace.attribution._template import TEMPLATE, Templates
from ragtrace.attribution.guard import TRIGGER, WITHHELD, Guard

__all__ = [
    "MIN_RUN",
    "TEMPLATE",
    "TRIGGER",
    "WITHHELD",
    "Account",
    "Cover",
    "Guard",
    "Index",
    "Quotations",
    "Reading",
    "Skeleton",
    "Templates",
    "account",
    "accounted_for",
    "foreign",
    "read",
    "skeleton",
]
