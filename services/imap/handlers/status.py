"""STATUS (RFC 3501 §6.3.10): counts of a mailbox, without opening it."""

from buuta.v1.mailbox_pb2 import GetMailboxRequest, GetMailboxResponse
from services.common.errors import Refused
from services.imap.protocol import quoting
from services.imap.protocol.commands.status import Status
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Status) -> None:
    request = GetMailboxRequest(account=session.account, name=command.mailbox)
    answer: GetMailboxResponse = await session.client.mailboxes.GetMailbox(request, session=session.store)
    mailbox = answer.mailbox
    if mailbox.noselect or not mailbox.id:
        raise Refused("MAILBOX_NOT_FOUND", "This name holds no messages")
    values = {
        b"MESSAGES": mailbox.messages,
        b"RECENT": mailbox.recent,
        b"UIDNEXT": mailbox.uidnext,
        b"UIDVALIDITY": mailbox.uidvalidity,
        b"UNSEEN": mailbox.unseen,
        b"HIGHESTMODSEQ": max(1, mailbox.highest_modseq),
    }
    if b"HIGHESTMODSEQ" in command.items:
        session.enable_condstore()  # RFC 7162 §3.1: a CONDSTORE enabling command
    counts = b" ".join(b"%b %d" % (item, values[item]) for item in command.items)
    session.untagged(b"STATUS %b (%b)" % (quoting.mailbox(command.mailbox), counts))
