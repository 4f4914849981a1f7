"""From the store's columns, and from a session's view, to the columns of FETCH responses.

One object serves one command. FLAGS that the store has just read are newer
than the view's: the view learns them as they are told.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from buuta.v1.columns_pb2 import MessageColumns
from buuta.v1.message_pb2 import FetchMessagesResponse
from services.common.mime import body_from_structure
from services.imap.columns import Numbers, dates_of, numbers_of, packed, sizes_of, uids_of
from services.imap.keywords import know_keywords
from services.imap.protocol import dates
from services.imap.protocol.fetch_response import NUMBER, Batch, literal
from services.imap.protocol.flag_texts import FlagTexts
from services.imap.protocol.section import Section
from services.imap.session import ImapSession
from services.imap.view import Bits, Uids

# What MessageColumns holds, and how it is written.
FROM_COLUMNS: dict[bytes, Callable[[MessageColumns], list[Any]]] = {
    b"UID": lambda columns: uids_of(columns.uids).tolist(),
    b"MODSEQ": lambda columns: numbers_of(columns.modseqs).tolist(),
    b"RFC822.SIZE": lambda columns: sizes_of(columns.sizes).tolist(),
    b"INTERNALDATE": lambda columns: dates.texts(dates_of(columns.internal_dates)),
}
# What is in FetchMessagesResponse beside its columns.
FROM_SUMMARIES: dict[bytes, Callable[[FetchMessagesResponse], list[bytes]]] = {
    b"ENVELOPE": lambda answer: list(answer.envelopes),
    b"BODYSTRUCTURE": lambda answer: list(answer.body_structures),
    b"BODY": lambda answer: list(map(body_from_structure, answer.body_structures)),
}
IN_COLUMNS = frozenset({b"FLAGS", b"MODSEQ", b"RFC822.SIZE", b"INTERNALDATE"})
IN_VIEW = frozenset({b"UID", b"FLAGS"})


class FetchColumns:
    def __init__(
        self, session: ImapSession, items: Sequence[bytes | Section], tells_flags: bool = True
    ) -> None:
        """Not `tells_flags`: FLAGS, if among the items, are told of messages with new ones only."""
        self._session, self._items = session, items
        self._view = session.opened.view
        self._texts = FlagTexts(self._view.keywords)
        # The client is told all of a change: no need to tell it once more behind the command.
        self._tells_changes = (
            tells_flags and b"FLAGS" in items and (b"MODSEQ" in items or not session.condstore_enabled)
        )

    def from_view(self, uids: Uids) -> dict[Any, Sequence[Any]]:
        """UID and FLAGS, as the session knows them."""
        batch: dict[Any, Sequence[Any]] = {NUMBER: self._view.seqnos(uids).tolist(), b"UID": uids.tolist()}
        if b"FLAGS" in self._items:
            batch[b"FLAGS"] = self._flag_texts(uids, self._view.flags_of(uids))
            if self._tells_changes:
                self._view.told_flags(uids)
        return batch

    async def from_answer(self, answer: FetchMessagesResponse) -> Batch:
        """All items of a batch of FetchMessages."""
        batch = await self.from_columns(answer.columns)
        sections = [item for item in self._items if isinstance(item, Section)]
        for place, section in enumerate(sections):
            batch[section] = [literal(section.cut(value)) for value in answer.headers[place].values]
        for item in self._items:
            if isinstance(item, bytes) and item in FROM_SUMMARIES:
                batch[item] = FROM_SUMMARIES[item](answer)
        return batch

    async def from_columns(self, columns: MessageColumns) -> dict[Any, Sequence[Any]]:
        """The items that are columns."""
        uids = uids_of(columns.uids)
        batch: dict[Any, Sequence[Any]] = {NUMBER: self._view.seqnos(uids).tolist()}
        for item in self._items:
            if isinstance(item, bytes) and item in FROM_COLUMNS:
                batch[item] = FROM_COLUMNS[item](columns)
        if b"FLAGS" in self._items:
            flags = numbers_of(columns.flags)
            await self.learn(columns, uids, flags)
            batch[b"FLAGS"] = self._flag_texts(uids, flags)
        return batch

    async def learn(self, columns: MessageColumns, uids: Uids, flags: Numbers) -> None:
        """The view takes the flags that the client is about to be told."""
        if await know_keywords(self._session, flags):
            self._texts = FlagTexts(self._view.keywords)
        differ = self._view.flags_of(uids) != flags
        if differ.any():
            modseqs = numbers_of(columns.modseqs)
            learned = MessageColumns(
                uids=packed(uids[differ]),
                flags=flags[differ].tobytes(),
                modseqs=modseqs[differ].tobytes(),
            )
            self._view.learn_flags(learned)
            if self._session.condstore_enabled and b"MODSEQ" not in self._items:
                self._view.tell_again(learned)  # RFC 7162 §3.1: with MODSEQ
        if self._tells_changes:
            self._view.told_flags(uids)

    def _flag_texts(self, uids: Uids, flags: Bits) -> list[bytes]:
        return self._texts.column(np.asarray(flags), self._view.is_recent(uids))
