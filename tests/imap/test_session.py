"""What no dialogue can say: changes by other services, the end of sessions, large messages."""

import asyncio
import hashlib
import re

import numpy as np
import pytest

from buuta.v1.account_pb2 import Password, SetPasswordRequest
from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.mailbox_pb2 import GetMailboxRequest
from buuta.v1.message_pb2 import AppendRequest, BodySection, FetchBodiesRequest
from services.common.errors import Unavailable
from services.common.store_client import StoreClient
from services.imap.session import ImapSession
from tests.dialogue import ANSWER_TIMEOUT
from tests.imap.support import MAX_MESSAGE_SIZE, Platform


class Client:
    """A mail client that reads up to its tagged replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def logged_in(cls, platform: Platform, account: dict[str, str]) -> "Client":
        client = cls(*await platform.connect("imap")())
        await client.line()
        await client.command(f"a LOGIN {account['user']} {account['password']}")
        return client

    async def line(self) -> bytes:
        return await asyncio.wait_for(self.reader.readline(), ANSWER_TIMEOUT)

    async def command(self, text: str) -> list[bytes]:
        """Untagged responses; the tagged one, which must be OK, is the last."""
        self.writer.write(text.encode() + b"\r\n")
        tag = text.split()[0].encode()
        lines = [await self.line()]
        while not lines[-1].startswith(tag + b" "):
            assert lines[-1], "closed"
            lines.append(await self.line())
        assert lines[-1].startswith(tag + b" OK"), lines[-1]
        return lines

    async def idle(self) -> None:
        self.writer.write(b"i IDLE\r\n")
        assert (await self.line()).startswith(b"+ ")

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), ANSWER_TIMEOUT)

    def close(self) -> None:
        self.writer.close()


async def test_an_upload_that_is_refused_has_ended(platform: Platform) -> None:
    """It came in one burst, so that its task has not begun when the message is refused."""
    client = await Client.logged_in(platform, await platform.new_account())
    octets = b"a" * 66_000 + b"\0"
    client.writer.write(b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(octets), octets))
    assert (await client.line()).startswith(b"b NO [UNKNOWN-CTE]")
    uploads = [task for task in asyncio.all_tasks() if "Upload._run" in repr(task.get_coro())]
    await asyncio.wait_for(asyncio.gather(*uploads, return_exceptions=True), ANSWER_TIMEOUT)
    client.close()


async def test_idle_is_told_what_other_services_deliver(platform: Platform) -> None:
    account = await platform.new_account()
    client = await Client.logged_in(platform, account)
    await client.command("b SELECT INBOX")
    await client.idle()
    entry = AppendRequest.Entry(message=MessageSource(inline=b"Subject: x\r\n\r\n"))
    await platform.store.admin.messages.Append(
        AppendRequest(account=account["account"], name="INBOX", entries=[entry])
    )
    assert await client.line() == b"* 1 EXISTS\r\n"
    assert await client.line() == b"* 1 RECENT\r\n"
    client.close()


async def test_a_new_password_ends_sessions(platform: Platform) -> None:
    account = await platform.new_account()
    idle, other = await Client.logged_in(platform, account), await Client.logged_in(platform, account)
    await idle.command("b SELECT INBOX")
    await idle.idle()
    await platform.store.admin.accounts.SetPassword(
        SetPasswordRequest(account=account["account"], password=Password(clear="another one"))
    )
    assert (await idle.rest()).startswith(b"* BYE ")
    other.writer.write(b"b SELECT INBOX\r\n")
    assert (await other.rest()).startswith(b"* BYE ")
    idle.close()
    other.close()


async def test_drain_ends_idle_sessions_with_bye(platform: Platform) -> None:
    client = await Client.logged_in(platform, await platform.new_account())
    await client.idle()
    draining = asyncio.ensure_future(platform.server.drain(5))
    assert (await client.rest()).startswith(b"* BYE ")
    client.close()
    await draining


async def test_a_large_message_streams_and_comes_back(platform: Platform) -> None:
    account = await platform.new_account()
    client = await Client.logged_in(platform, account)
    line = b"0123456789" * 7 + b"\r\n"
    message = b"Subject: large\r\n\r\n" + line * ((MAX_MESSAGE_SIZE - 100) // len(line))
    client.writer.write(b"b APPEND INBOX (\\Flagged) {%d}\r\n" % len(message))
    assert (await client.line()).startswith(b"+ ")
    client.writer.write(message)
    client.writer.write(b"\r\n")
    assert b"OK [APPENDUID" in await client.line()
    client.writer.write(b"c APPEND nosuch {%d}\r\n" % len(message))
    assert (await client.line()).startswith(b"c NO [TRYCREATE]")
    digest, size = hashlib.sha256(), 0
    request = FetchBodiesRequest(
        account=account["account"],
        mailbox=await inbox(platform.store.admin, account["account"]),
        uids=np.array([1], "<u4").tobytes(),
        sections=[BodySection()],
    )
    async for answer in platform.store.admin.messages.FetchBodies(request):
        for piece in answer.pieces:
            digest.update(piece.data)
            size += len(piece.data)
    assert size == len(message)
    assert digest.digest() == hashlib.sha256(message).digest()
    client.close()


async def inbox(admin: StoreClient, account: str) -> int:
    answer = await admin.mailboxes.GetMailbox(GetMailboxRequest(account=account, name="INBOX"))
    number: int = answer.mailbox.id
    return number


async def test_a_connection_lost_inside_append_stores_nothing(platform: Platform) -> None:
    account = await platform.new_account()
    client = await Client.logged_in(platform, account)
    client.writer.write(b"b APPEND INBOX {500000+}\r\n" + b"x" * 300_000)
    await client.writer.drain()
    client.close()
    other = await Client.logged_in(platform, account)
    status = await other.command("b STATUS INBOX (MESSAGES)")
    assert status[0] == b'* STATUS "INBOX" (MESSAGES 0)\r\n'
    other.close()


async def test_nul_in_a_message_is_in_no_literal(platform: Platform) -> None:
    """A sender's server lets it through, and a literal must not hold it (RFC 3501 §9, CHAR8)."""
    account = await platform.new_account()
    entry = AppendRequest.Entry(message=MessageSource(inline=b"Subject: x\0y\r\n\r\nab\0c\r\n"))
    await platform.store.admin.messages.Append(
        AppendRequest(account=account["account"], name="INBOX", entries=[entry])
    )
    client = await Client.logged_in(platform, account)
    await client.command("b SELECT INBOX")
    whole = b"".join(await client.command("c FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT] ENVELOPE)"))
    header = b"".join(await client.command("d FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]"))
    assert b"{22}\r\nSubject: x\x80y\r\n\r\nab\x80c\r\n BODY[TEXT] {6}\r\nab\x80c\r\n" in whole
    assert b"{16}\r\nSubject: x\x80y\r\n\r\n)" in header
    assert b"\0" not in whole + header
    client.close()


async def test_silently_stored_flags_that_another_had_changed_are_told(platform: Platform) -> None:
    """Also when the session has read the other's change and told nobody yet (RFC 3501 §6.4.6)."""
    account = await platform.new_account()
    client, other = [await Client.logged_in(platform, account) for _ in range(2)]
    await client.command("b APPEND INBOX {2+}\r\nhi")
    await client.command("c SELECT INBOX")
    (session,) = [found for found in platform.server._sessions.values() if found.selected]  # type: ignore[attr-defined]
    await other.command("d SELECT INBOX")
    await other.command("e STORE 1 +FLAGS (\\Answered)")
    await session.sync()
    told = await client.command("f STORE 1 +FLAGS.SILENT (\\Draft)")
    assert told[0] == b"* 1 FETCH (FLAGS (\\Answered \\Draft \\Recent))\r\n"
    assert len(await client.command("g NOOP")) == 1
    client.close()
    other.close()


async def test_modseqs_of_changes_that_fetch_has_found_are_told(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FETCH meets another's change before its hint has come, and was not asked for MODSEQ (RFC 7162 §3.1)."""
    monkeypatch.setattr(ImapSession, "_hinted", lambda self, hint: None)
    account = await platform.new_account()
    client, other = [await Client.logged_in(platform, account) for _ in range(2)]
    await client.command("b APPEND INBOX {2+}\r\nhi")
    await client.command("c SELECT INBOX (CONDSTORE)")
    await other.command("d SELECT INBOX")
    await other.command("e STORE 1 +FLAGS (\\Flagged)")
    (modseq,) = re.findall(rb"MODSEQ \((\d+)\)", (await other.command("f FETCH 1 MODSEQ"))[1])
    told = await client.command("g FETCH 1 (FLAGS RFC822.SIZE)")
    flags = b"FLAGS (\\Flagged \\Recent)"
    assert told[:-1] == [
        b"* 1 FETCH (%b RFC822.SIZE 2)\r\n" % flags,
        b"* 1 FETCH (UID 1 %b MODSEQ (%b))\r\n" % (flags, modseq),
    ]
    assert len(await client.command("h NOOP")) == 1
    await other.command("i STORE 1 -FLAGS (\\Flagged)")
    assert len(await client.command("j FETCH 1 (FLAGS MODSEQ)")) == 2
    assert len(await client.command("k NOOP")) == 1
    await other.command("l STORE 1 +FLAGS (\\Flagged)")
    assert b"MODSEQ" in (await client.command("m FETCH 1 BODY.PEEK[HEADER]"))[0]
    assert len(await client.command("n NOOP")) == 1
    client.close()
    other.close()


DOUBLING = [
    ("APPEND INBOX {2+}\r\nhi", b"APPENDUID ", 2),
    ("COPY 1 INBOX", b"COPYUID ", 2),
    ("MOVE 1 INBOX", b"COPYUID ", 1),
]


@pytest.mark.parametrize(("command", "code", "exist"), DOUBLING, ids=["append", "copy", "move"])
async def test_what_succeeded_is_ok_though_it_cannot_be_told(
    command: str, code: bytes, exist: int, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NO would have the client do it again."""

    async def unavailable(session: ImapSession) -> None:
        raise Unavailable

    client = await Client.logged_in(platform, await platform.new_account())
    await client.command("b APPEND INBOX {2+}\r\nhi")
    await client.command("c SELECT INBOX")
    with monkeypatch.context() as patch:
        patch.setattr(ImapSession, "sync", unavailable)
        assert code in b"".join(await client.command(f"d {command}"))
    assert b"* %d EXISTS\r\n" % exist in await client.command("e NOOP")
    client.close()


async def test_the_end_is_said_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint that comes while a command finds its mailbox gone makes the session read no second time."""
    sync = ImapSession.sync

    async def hinted_meanwhile(session: ImapSession) -> None:
        await sync(session)
        session._stale = True

    account = await platform.new_account()
    client, other = [await Client.logged_in(platform, account) for _ in range(2)]
    await client.command("b CREATE x")
    await client.command("c SELECT x")
    await other.command("b DELETE x")
    monkeypatch.setattr(ImapSession, "sync", hinted_meanwhile)
    client.writer.write(b"d NOOP\r\n")
    assert await client.rest() == b"* BYE The selected mailbox has been deleted\r\n"
    client.close()
    other.close()
