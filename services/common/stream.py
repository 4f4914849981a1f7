"""One connection's transport: plain or TLS, with limits, timeouts and a safe STARTTLS.

The stream is the only object that touches the socket. It hands octets to its
session (`services/common/session.py`) and takes octets from it; it never
parses a protocol. Three rules hold here for all of them:
- a peer that sends faster than the session works is not read from;
- a peer that does not read what it asked for is cut after WRITE_TIMEOUT;
- TLS starts only when nothing that came in clear is waiting to be parsed.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from services.common import proxy

# A write that makes no progress for this long means a dead peer (RFC 5321 §4.5.3.2.5: 3 minutes a block).
WRITE_TIMEOUT = 180.0
HANDSHAKE_TIMEOUT = 30.0
# Octets that may wait in the transport before `drain` waits: a few FETCH batches.
HIGH_WATER = 512 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Receiver(Protocol):
    """What a stream needs of a session."""

    def connected(self) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self) -> None: ...


class Owner(Protocol):
    """What a stream needs of the server that accepted it."""

    def trusts(self, peer: str) -> bool:
        """Whether this peer is a proxy that must say first who its client is."""
        ...

    def attach(self, stream: "Stream") -> Receiver | None:
        """The session for a connection, or None when a cap is reached (the stream then closes)."""
        ...

    def detach(self, stream: "Stream") -> None:
        """The connection is gone."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something as a task of the server."""
        ...


class Stream(asyncio.Protocol):
    """A connection's octets, from accept to the last one."""

    __slots__ = (
        "_drained",
        "_early",
        "_header",
        "_header_timer",
        "_lost",
        "_receiver",
        "_server",
        "_transport",
        "listener",
        "peer",
        "tls",
    )

    def __init__(self, server: Owner, listener: str, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._drained: asyncio.Future[None] | None = None
        self._header: bytearray | None = None  # a PROXY header that is not complete yet
        self._header_timer: asyncio.TimerHandle | None = None
        self._lost = False
        self._early: bytearray | None = None  # octets of a handshake that has not begun here
        self.listener = listener  # the listener's name
        self.tls = tls  # not None: TLS from the first octet
        self.peer = ""  # the client's IP address, by PROXY header where one is trusted

    # -- asyncio.Protocol ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._receiver is not None:
            return  # the same connection, now inside TLS
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        name = transport.get_extra_info("peername")
        self.peer = name[0] if isinstance(name, tuple) else ""
        if self._server.trusts(self.peer):
            self._header = bytearray()
            self._header_timer = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT, self.abort)
        else:
            self._begin()

    def _begin(self) -> None:
        """The client's address is known: greet, or start TLS first."""
        receiver = self._server.attach(self)
        if receiver is None:
            self.abort()
            return
        self._receiver = receiver
        if self.tls is not None:
            self._early = bytearray()
            self._server.spawn(self.upgrade())
        else:
            receiver.connected()

    def data_received(self, data: bytes) -> None:
        if self._header is not None:
            self._read_header(data)
        elif self._early is not None:
            self._early += data
        elif self._receiver is not None:
            self._receiver.data_received(data)

    def _read_header(self, data: bytes) -> None:
        assert self._header is not None
        self._header += data
        try:
            found = proxy.parse(bytes(self._header))
        except ValueError:
            self.abort()
            return
        if found is None:
            return
        rest = bytes(self._header[found.consumed :])
        self._header = None
        if self._header_timer is not None:
            self._header_timer.cancel()
        if found.client:
            self.peer = found.client
        self._begin()
        if rest:
            self.data_received(rest)

    def eof_received(self) -> bool:
        if self._receiver is not None:
            self._receiver.eof_received()
            return not self.secure  # a TLS transport cannot stay half open
        return False

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self.resume_writing()
        if self._header_timer is not None:
            self._header_timer.cancel()
        if self._receiver is not None:
            self._receiver.connection_lost()
        self._transport = None
        self._server.detach(self)

    # -- for the session ----------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def secure(self) -> bool:
        """Whether the octets travel inside TLS."""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    @property
    def cipher(self) -> tuple[str, str] | None:
        """TLS version and cipher suite, for trace fields (RFC 8314 §7.4); None without TLS."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return (tls.version(), tls.cipher()[0]) if tls is not None and tls.cipher() else None

    @property
    def blocked(self) -> bool:
        """Whether the peer has to read before more is written: `drain` would wait."""
        return self._drained is not None

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written; ConnectionResetError when it is gone."""
        if self.closed:
            raise ConnectionResetError("the peer is gone")
        if self._drained is not None:
            try:
                await asyncio.wait_for(asyncio.shield(self._drained), WRITE_TIMEOUT)
            except TimeoutError:
                self.abort()
            if self.closed:
                raise ConnectionResetError("the peer is gone")

    def pause_reading(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on inside TLS; the caller has made sure that nothing in clear is left to parse."""
        transport = self._transport
        if transport is None:
            raise ConnectionResetError("the peer is gone")
        if self._early is None:
            self._early = bytearray()  # what comes from now on is TLS, whoever reads it
        transport.resume_reading()
        loop = asyncio.get_running_loop()
        handshake = asyncio.ensure_future(
            loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_TIMEOUT
            )
        )
        # The handshake's first step runs next and puts its protocol in place; two turns later
        # that is connected, before anything new is read.
        loop.call_soon(loop.call_soon, self._give_early, transport)
        try:
            # uvloop's own timer is gone with a connection that is reset before the handshake begins.
            upgraded = await asyncio.wait_for(handshake, HANDSHAKE_TIMEOUT + 1)
        except (OSError, ssl.SSLError, asyncio.CancelledError) as error:
            transport.abort()
            # Of a connection that ends inside the handshake, asyncio and uvloop tell nobody.
            self.connection_lost(error if isinstance(error, Exception) else None)
            raise
        if upgraded is None:
            self.connection_lost(None)
            raise ConnectionResetError("the peer is gone")
        self._transport = upgraded
        upgraded.set_write_buffer_limits(high=HIGH_WATER)

    def _give_early(self, transport: asyncio.Transport) -> None:
        """Hand octets that came before the handshake began here to the one who performs it."""
        early, self._early = self._early, None
        if early and not transport.is_closing():
            performer = cast(asyncio.BufferedProtocol, transport.get_protocol())
            room = cast(memoryview, performer.get_buffer(len(early)))
            room[: len(early)] = early  # a handshake's first flight is far smaller than the room
            performer.buffer_updated(len(early))

    async def upgrade(self) -> None:
        """Implicit TLS (RFC 8314 §3): the handshake, then the session's greeting."""
        assert self.tls is not None
        try:
            await self.start_tls(self.tls)
        except (OSError, ssl.SSLError):
            return  # connection_lost tells the session
        if self._receiver is not None:
            self._receiver.connected()

    def close(self) -> None:
        """Close after what was written has gone out; a peer that does not read it has WRITE_TIMEOUT."""
        if self._transport is not None:
            if self._transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(WRITE_TIMEOUT, self.abort)
            self._transport.close()

    def abort(self) -> None:
        """Close at once, so that a peer cannot take half an answer for a whole one."""
        if self._transport is not None:
            self._transport.abort()
