"""APPEND (RFC 3501 §6.3.11, RFC 4315): the message streams to the store as it arrives."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import numpy as np

from buuta.v1.mailbox_pb2 import GetMailboxRequest
from buuta.v1.message_pb2 import AppendRequest, AppendResponse, UploadResponse
from services.common.errors import Fault, Refused, SyntaxFault
from services.imap.protocol.events import AppendEnd, AppendStart, LiteralChunk
from services.imap.session import ImapSession
from services.imap.upload import INLINE, Upload, Uploader


async def start(session: ImapSession, event: AppendStart) -> None:
    """Decide before the message comes, or while it comes, whether it is wanted."""
    session.tag, session.command_name, session.mistakes = event.tag, b"APPEND", 0
    session.service.metrics.commands("APPEND").inc()
    try:
        await _check(session, event)
    except Fault:
        session.engine.refuse_append()
        raise
    session.engine.accept_append()
    session.append, session.upload = event, Upload(_uploader(session), session.spawn)
    if event.synchronising:
        session.send(b"+ Ready for the message\r\n")
    session.defer()


async def _check(session: ImapSession, event: AppendStart) -> None:
    if event.size > session.service.max_message_size:
        raise Refused("MESSAGE_TOO_LARGE", f"At most {session.service.max_message_size} octets")
    if not event.size:
        raise Refused("EMPTY_MESSAGE", "The message is empty")
    if event.size > INLINE:  # a small one is told of a missing mailbox when it is stored
        request = GetMailboxRequest(account=session.account, name=event.command.mailbox)
        with trycreate():
            await session.client.mailboxes.GetMailbox(request, session=session.store)


async def chunk(session: ImapSession, event: LiteralChunk) -> None:
    assert session.upload is not None
    await session.upload.add(event.data)
    session.defer()


async def end(session: ImapSession, event: AppendEnd) -> None:
    assert session.append is not None
    assert session.upload is not None
    command, upload = session.append.command, session.upload
    session.append = session.upload = None
    if event.text:
        upload.cancel()
        raise SyntaxFault(event.text)
    entry = AppendRequest.Entry(
        message=await upload.finish(),
        flags=command.flags,
        keywords=command.keywords,
        internal_date=command.internal_date,
    )
    request = AppendRequest(account=session.account, name=command.mailbox, entries=[entry])
    with trycreate():
        answer: AppendResponse = await session.client.messages.Append(request, session=session.store)
    uid = int(np.frombuffer(answer.uids, "<u4")[0])
    if session.selected is not None and session.selected.mailbox_id == answer.mailbox:
        session.expect_changes()  # RFC 3501 §6.3.11: the new message is told at once
    session.ok("APPEND completed", b"APPENDUID %d %d" % (answer.uidvalidity, uid))


@contextmanager
def trycreate() -> Iterator[None]:
    """A missing mailbox is one to be created (RFC 3501 §6.3.11)."""
    try:
        yield
    except Refused as fault:
        if fault.reason == "MAILBOX_NOT_FOUND":
            raise Refused("DESTINATION_NOT_FOUND", fault.text) from fault
        raise


def _uploader(session: ImapSession) -> Uploader:
    async def upload(chunks: AsyncIterator[bytes]) -> UploadResponse:
        return await session.client.upload(chunks, account=session.account, session=session.store)

    return upload
