"""CREATE (RFC 3501 §6.3.3), with special uses (RFC 6154 §3)."""

from buuta.v1.mailbox_pb2 import CreateMailboxRequest, SpecialUse
from services.common.errors import Refused
from services.imap.protocol.commands.create import Create
from services.imap.protocol.special_use import USES
from services.imap.session import ImapSession


async def perform(session: ImapSession, command: Create) -> None:
    request = CreateMailboxRequest(
        account=session.account, name=command.mailbox, special_use=_special_use(command.uses)
    )
    await session.client.mailboxes.CreateMailbox(request, session=session.store)


def _special_use(uses: tuple[bytes, ...]) -> SpecialUse.ValueType:
    """The one use that a mailbox can have here."""
    if not uses:
        return SpecialUse.SPECIAL_USE_UNSPECIFIED
    if len(uses) > 1 or uses[0] not in USES:
        raise Refused("USE_ATTRIBUTE", "A mailbox has one of the uses " + b" ".join(USES).decode())
    return SpecialUse.Value(USES[uses[0]])
