"""SEARCH (RFC 3501 §6.4.4, RFC 7162 §3.1.5): from the view alone where that can tell, else one call."""

import numpy as np

from buuta.v1.message_pb2 import SearchMessagesRequest
from services.common.errors import Refused
from services.imap.columns import numbers_of, packed, uids_of
from services.imap.protocol.commands.search import Search
from services.imap.protocol.search_key import Key
from services.imap.search_plan import mask, split, to_store
from services.imap.session import ImapSession
from services.imap.view import NO_UIDS, Uids

CHARSETS = frozenset({b"US-ASCII", b"UTF-8"})


async def perform(session: ImapSession, command: Search) -> None:
    if command.charset not in CHARSETS:
        raise Refused("BADCHARSET", "The charset is not known")
    if command.modseq:
        session.enable_condstore()
    await session.refresh()
    if session.closing:
        return
    view = session.opened.view
    local, remote = split(command.key)
    uids, highest = view.uids[mask(view, local)], 0
    if len(view.pending_expunges):
        uids = np.setdiff1d(uids, view.pending_expunges, assume_unique=True)
    if remote is not None and len(uids):
        uids, highest = await _ask(session, remote, uids)
    numbers = uids if command.uid else view.seqnos(uids)
    words = [" ".join(["* SEARCH", *map(str, numbers.tolist())])]
    if command.modseq and highest:
        words.append(f"(MODSEQ {highest})")
    session.send(" ".join(words).encode() + b"\r\n")


async def _ask(session: ImapSession, key: Key, within: Uids) -> tuple[Uids, int]:
    """UIDs that the store finds, and their highest modseq."""
    view = session.opened.view
    everywhere = len(within) == len(view.uids)
    request = SearchMessagesRequest(
        account=session.account,
        mailbox=view.mailbox_id,
        key=to_store(view, key),
        within_uids=b"" if everywhere else packed(within),
    )
    found, highest = [NO_UIDS], 0
    async for answer in session.client.messages.SearchMessages(request, session=session.store):
        uids = uids_of(answer.uids)
        held = np.isin(uids, within)  # there may be newer ones than the client has been told of
        if held.any():
            found.append(uids[held])
            highest = max(highest, int(numbers_of(answer.modseqs)[held].max()))
    return np.concatenate(found), highest
