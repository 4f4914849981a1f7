"""LIST (RFC 3501 §6.3.8) with children (RFC 3348) and special uses (RFC 6154), and LSUB (§6.3.9)."""

from buuta.v1.mailbox_pb2 import ListMailboxesRequest, ListMailboxesResponse, SpecialUse
from services.imap.protocol import listing, quoting
from services.imap.protocol.commands.list import List, Lsub
from services.imap.protocol.listing import Name
from services.imap.protocol.special_use import ATTRIBUTES
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: List) -> None:
    if not command.pattern:
        session.untagged(b'LIST (\\Noselect) "/" ""')  # the delimiter is all that is asked for
        return
    for name in listing.listed(await _names(session), command.reference + command.pattern):
        session.untagged(b'LIST (%b) "/" %b' % (b" ".join(name.attributes), quoting.mailbox(name.name)))
        await session.flush_if_large()


async def perform_lsub(session: ImapSession, command: Lsub) -> None:
    for name in listing.subscribed(await _names(session), command.reference + command.pattern):
        session.untagged(b'LSUB (%b) "/" %b' % (b" ".join(name.attributes), quoting.mailbox(name.name)))
        await session.flush_if_large()


async def _names(session: ImapSession) -> list[Name]:
    request = ListMailboxesRequest(account=session.account)
    answer: ListMailboxesResponse = await session.client.mailboxes.ListMailboxes(
        request, session=session.store
    )
    return [
        Name(
            mailbox.name,
            exists=mailbox.id != 0 or mailbox.noselect,
            selectable=mailbox.id != 0 and not mailbox.noselect,
            subscribed=mailbox.subscribed,
            use=ATTRIBUTES.get(SpecialUse.Name(mailbox.special_use), b""),
        )
        for mailbox in answer.mailboxes
    ]
