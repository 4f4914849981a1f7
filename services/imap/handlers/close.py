"""CLOSE (RFC 3501 §6.4.2): expunge without a word, and leave the mailbox."""

from buuta.v1.message_pb2 import ExpungeMessagesRequest
from services.common.errors import Refused
from services.imap.protocol.commands.close import Close
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Close) -> None:
    selected = session.opened
    if not selected.read_only:
        request = ExpungeMessagesRequest(account=session.account, mailbox=selected.mailbox_id)
        try:
            await session.client.messages.ExpungeMessages(request, session=session.store)
        except Refused as fault:
            if fault.reason != "MAILBOX_NOT_FOUND":
                raise
            # Another session has deleted it: nothing is left to expunge, and it is left all the same.
    session.unselect()
