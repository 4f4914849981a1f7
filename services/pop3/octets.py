"""Octets of a message from the store to the peer, piece by piece.

No message is ever whole in memory: a piece is asked for when the peer has
taken those before it. A failure before the first octet has a reply; after it
the connection is cut, because the missing final dot is all that tells a client
that a message is not complete.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np

from buuta.v1.message_pb2 import BodySection, FetchBodiesRequest
from services.common.errors import Fault, Refused, Unavailable
from services.pop3.protocol.multiline import DotStuffer
from services.pop3.protocol.replies import ok
from services.pop3.session import Pop3Session


async def read_octets(
    session: Pop3Session, uid: int, offset: int = 0, length: int = 0
) -> AsyncGenerator[bytes, None]:
    """A message of the snapshot, expunged since or not; `length` 0: to its end."""
    opened = session.opened
    request = FetchBodiesRequest(
        account=opened.login.account,
        mailbox=opened.mailbox,
        uids=np.array([uid], "<u4").tobytes(),
        sections=[BodySection(offset=offset, length=length)],
        include_expunged=True,
    )
    expected, got = None, 0
    responses = session.service.store.messages.FetchBodies(request, session=opened.login)
    async with aclosing(responses):
        async for response in responses:
            for piece in response.pieces:
                if piece.first:
                    expected = piece.length
                got += len(piece.data)
                yield piece.data
    if expected is None:
        raise Refused("MESSAGE_GONE", "The message is no longer there")
    if got != expected:
        raise Unavailable("The message could not be read to its end")


async def send_octets(session: Pop3Session, first_line: str, octets: AsyncGenerator[bytes, None]) -> None:
    """A multi-line reply (RFC 1939 §3) of what `octets` gives."""
    stuffer = DotStuffer()
    started = False
    try:
        async for data in octets:
            if not started:
                session.send(ok(first_line))
                started = True
            session.send(stuffer.feed(data))
            session.service.metrics.octets.inc(len(data))
            await session.flush_if_large()
    except Fault as fault:
        if not started:
            raise
        session.log.warning("message cut short", cause=fault.text)
        session.abort()
        return
    session.send(stuffer.finish())
