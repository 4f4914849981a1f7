"""FETCH with sections of bodies: one stream of octets from the store to the client, \\Seen set on the way.

The list items of a message come first in its response, the sections behind
them in the order of the command. Nothing holds more than one response of the
store (256 KiB) and the lists of one call.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from buuta.v1.columns_pb2 import MessageColumns
from buuta.v1.message_pb2 import BodySection, FetchBodiesRequest, FetchBodiesResponse, FetchMessagesRequest
from services.common.errors import Fault, Unavailable
from services.imap.columns import numbers_of, packed, uids_of
from services.imap.fetch_columns import FROM_SUMMARIES, FetchColumns
from services.imap.protocol.body_response import BodyWriter, Broken
from services.imap.protocol.commands.fetch import Item
from services.imap.protocol.fetch_response import Layout
from services.imap.protocol.section import Section
from services.imap.session import ImapSession
from services.imap.view import NO_UIDS, Uids

# Messages of one call: their lists are held while their bodies stream.
CALL = 1024
KINDS = {
    b"": BodySection.KIND_UNSPECIFIED,
    b"HEADER": BodySection.KIND_HEADER,
    b"TEXT": BodySection.KIND_TEXT,
    b"MIME": BodySection.KIND_MIME,
    b"HEADER.FIELDS": BodySection.KIND_HEADER_FIELDS,
    b"HEADER.FIELDS.NOT": BodySection.KIND_HEADER_FIELDS_NOT,
}


async def fetch_bodies(session: ImapSession, items: Sequence[Item], uids: Uids, mark_seen: bool) -> int:
    """Answers; returns of how many messages."""
    told = 0
    for start in range(0, len(uids), CALL):
        told += await _Call(session, items, uids[start : start + CALL], mark_seen).perform()
    return told


class _Call:
    """One call of FetchBodies and what goes out of it."""

    def __init__(self, session: ImapSession, items: Sequence[Item], uids: Uids, mark_seen: bool) -> None:
        self._session, self._uids, self._mark_seen = session, uids, mark_seen
        self._lists = [item for item in items if isinstance(item, bytes)]
        self._sections = [item for item in items if isinstance(item, Section)]

    async def perform(self) -> int:
        session = self._session
        writer = None
        try:
            async for answer in session.client.messages.FetchBodies(self._request(), session=session.store):
                if writer is None:
                    labels = [section.label for section in self._sections]
                    writer = BodyWriter(session.send, await self._heads(answer), labels)
                for piece in answer.pieces:
                    writer.write(piece)
                await session.flush_if_large()
            if writer is None:
                return 0
            writer.close()
        except (Fault, Broken) as fault:
            if writer is not None:
                self._stop(writer)
            if isinstance(fault, Broken):
                raise Unavailable("The message cannot be read") from fault
            raise
        return writer.written

    def _stop(self, writer: BodyWriter) -> None:
        """Half a literal must not be taken for a whole one; anything else can be closed."""
        if writer.inside:
            self._session.abort()
        else:
            writer.close()

    def _request(self) -> FetchBodiesRequest:
        return FetchBodiesRequest(
            account=self._session.account,
            mailbox=self._session.opened.mailbox_id,
            uids=packed(self._uids),
            sections=[_body_section(section) for section in self._sections],
            columns=True,
            mark_seen=self._mark_seen,
        )

    async def _heads(self, first: FetchBodiesResponse) -> dict[int, bytes]:
        """Each message's response up to its sections."""
        plain = self._lists
        with_flags = [*plain, b"FLAGS"]
        if self._session.condstore_enabled:
            with_flags.append(b"MODSEQ")  # RFC 7162 §3.1
        with_flags = list(dict.fromkeys(with_flags))
        news = self._news(first.columns)
        columns = FetchColumns(self._session, [*with_flags, b"UID"], tells_flags=b"FLAGS" in plain)
        batch = await columns.from_columns(first.columns)
        await self._add_summaries(batch)
        uids = batch[b"UID"]
        heads = dict(zip(uids, Layout(plain, closed=False).render(batch), strict=True))
        if news:
            lines = Layout(with_flags, closed=False).render(batch)
            heads.update(row for row in zip(uids, lines, strict=True) if row[0] in news)
        return heads

    def _news(self, columns: MessageColumns) -> set[int]:
        """UIDs whose flags the client does not know: those that are \\Seen by this call among them."""
        uids = uids_of(columns.uids)
        return set(uids[self._session.opened.view.flags_of(uids) != numbers_of(columns.flags)].tolist())

    async def _add_summaries(self, batch: dict[Any, Sequence[Any]]) -> None:
        """ENVELOPE and BODYSTRUCTURE; a message that is gone meanwhile gets none and is left out."""
        wanted = [item for item in self._lists if item in FROM_SUMMARIES]
        if not wanted:
            return
        uids = np.array(batch[b"UID"], "<u4")
        request = FetchMessagesRequest(
            account=self._session.account,
            mailbox=self._session.opened.mailbox_id,
            uids=packed(uids),
            envelopes=b"ENVELOPE" in wanted,
            body_structures=b"BODYSTRUCTURE" in wanted or b"BODY" in wanted,
        )
        found, values = [NO_UIDS], {item: list[bytes]() for item in wanted}
        async for answer in self._session.client.messages.FetchMessages(request, session=self._session.store):
            found.append(uids_of(answer.columns.uids))
            for item in wanted:
                values[item] += FROM_SUMMARIES[item](answer)
        there = np.isin(uids, np.concatenate(found)).tolist()
        if not all(there):
            for key, column in batch.items():
                batch[key] = [value for value, kept in zip(column, there, strict=True) if kept]
        batch.update(values)


def _body_section(section: Section) -> BodySection:
    return BodySection(
        part=section.part,
        kind=KINDS[section.kind],
        fields=[name.decode("ascii") for name in section.fields],
        offset=section.offset,
        length=section.length or 0,
    )
