"""Evaluation of search programs (RFC 9051 §6.4.4): columns first, then summaries, bodies last."""

from services.store.search.evaluate import search
from services.store.search.pace import Pace
from services.store.search.source import Columns, Source, Uids

__all__ = ["Columns", "Pace", "Source", "Uids", "search"]
