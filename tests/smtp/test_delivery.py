"""What arrives: octets, trace fields, one body for many, nothing twice, nothing lost in the middle."""

import asyncio
import base64
import dataclasses
import email
import email.policy
import os
import time

import numpy as np
import pytest
import structlog

from buuta.v1 import account_pb2, delivery_pb2, mailbox_pb2, message_pb2
from services.common.errors import Refused
from services.common.listener import Endpoint, Limits, Server
from services.common.store_client import StoreClient
from services.smtp import session, transaction
from tests.dialogue import Streams
from tests.smtp.support import MAX_MESSAGE_SIZE, VARIABLES, Platform
from tests.support.processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def say(platform: Platform, message: bytes, *recipients: str, sender: str = "c@example.net") -> bytes:
    """One message over `mx`; the reply behind it."""
    reader, writer = await platform.connect("mx")()
    lines = [b"EHLO test", f"MAIL FROM:<{sender}>".encode()]
    lines += [f"RCPT TO:<{recipient}>".encode() for recipient in recipients]
    writer.write(b"".join(line + b"\r\n" for line in [*lines, b"DATA"]))
    while not (line := await reader.readline()).startswith(b"354"):
        assert line, "closed"
    writer.write(message + b".\r\n")
    answer = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    return answer


async def inbox(platform: Platform, name: str) -> list[bytes]:
    """All messages of somebody's INBOX, octet by octet."""
    admin = platform.store.admin
    request = delivery_pb2.ResolveRecipientRequest(address=f"{name}@example.test")
    account = (await admin.delivery.ResolveRecipient(request)).account
    box = (
        await admin.mailboxes.SyncMailbox(mailbox_pb2.SyncMailboxRequest(account=account, name="INBOX"))
    ).mailbox
    found: dict[int, bytes] = {}
    if box.messages:
        wanted = message_pb2.FetchBodiesRequest(
            account=account, mailbox=box.id, sections=[message_pb2.BodySection()]
        )
        async for response in admin.messages.FetchBodies(wanted):
            for piece in response.pieces:
                found[piece.uid] = found.get(piece.uid, b"") + piece.data
    return [found[uid] for uid in sorted(found)]


async def test_octets_arrive_behind_trace_fields(platform: Platform) -> None:
    await platform.store.create_account("octets")
    message = b"Subject: x\r\nMessage-ID: <octets@x>\r\n\r\n8-bit \xff\x00 and\r\n" + b"y" * 5000 + b"\r\n"
    assert (await say(platform, message, "octets@example.test")).startswith(b"250 ")
    [stored] = await inbox(platform, "octets")
    assert stored.endswith(message)
    parsed = email.message_from_bytes(stored, policy=email.policy.default)
    assert parsed["Return-Path"] == "<c@example.net>"
    assert "for <octets@example.test>" in parsed["Received"]
    assert "with ESMTP id" in parsed["Received"]


async def test_a_large_message_is_uploaded_while_it_comes(platform: Platform) -> None:
    await platform.store.create_account("large")
    message = b"Subject: large\r\n\r\n" + b"".join(b"%080d\r\n" % n for n in range(2000))
    assert (await say(platform, message, "large@example.test")).startswith(b"250 ")
    [stored] = await inbox(platform, "large")
    assert stored.endswith(message)


async def test_a_message_beyond_the_limit_is_refused_and_not_stored(platform: Platform) -> None:
    await platform.store.create_account("limit")
    message = b"Subject: x\r\n\r\n" + b"z" * 998 + b"\r\n"
    answer = await say(
        platform, message + (b"z" * 998 + b"\r\n") * (MAX_MESSAGE_SIZE // 1000), "limit@example.test"
    )
    assert answer.startswith(b"552 5.3.4")
    assert await inbox(platform, "limit") == []


async def test_several_recipients_do_not_learn_of_each_other(platform: Platform) -> None:
    for name in ("many1", "many2"):
        await platform.store.create_account(name)
    answer = await say(platform, b"Subject: m\r\n\r\nx\r\n", "many1@example.test", "many2@example.test")
    assert answer.startswith(b"250 ")
    first, second = await inbox(platform, "many1"), await inbox(platform, "many2")
    assert first == second
    assert b"\tfor <" not in first[0]


async def test_a_repeated_message_is_stored_once(platform: Platform) -> None:
    await platform.store.create_account("twice")
    message = b"Message-ID: <twice@x>\r\n\r\nx\r\n"
    for _ in range(3):
        assert (await say(platform, message, "twice@example.test")).startswith(b"250 ")
    assert len(await inbox(platform, "twice")) == 1
    assert (await say(platform, message, "twice@example.test", sender="d@example.net")).startswith(b"250 ")
    assert len(await inbox(platform, "twice")) == 2


async def test_a_message_that_takes_an_hour_to_come(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a transaction made at its beginning is old by then: the store refuses old request ids."""
    await platform.store.create_account("slow")
    begun = int(time.time() - 3600) * 1000
    monkeypatch.setattr(transaction, "new_request_id", lambda: begun.to_bytes(6, "big") + os.urandom(10))
    assert (await say(platform, b"Subject: slow\r\n\r\nx\r\n", "slow@example.test")).startswith(b"250 ")
    assert len(await inbox(platform, "slow")) == 1


async def test_a_looping_message_is_refused(platform: Platform) -> None:
    answer = await say(platform, b"Received: x\r\n" * 101 + b"\r\n", "alice@example.test")
    assert answer.startswith(b"554 5.4.6")


async def test_a_message_cut_off_in_the_middle_is_nothing(platform: Platform) -> None:
    await platform.store.create_account("cut")
    for size in (100, 150_000):
        _, writer = await platform.connect("mx")()
        writer.write(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<cut@example.test>\r\nDATA\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"Subject: cut\r\n\r\n" + b"half\r\n" * (size // 6))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.2)
    assert await inbox(platform, "cut") == []


async def logged_in(platform: Platform, plain: str = VARIABLES["plain"]) -> Streams:
    """A connection of a mail client, alice's if nothing else is said."""
    reader, writer = await platform.connect("submissions")()
    writer.write(b"EHLO x\r\nAUTH PLAIN " + plain.encode() + b"\r\n")
    while not (await reader.readline()).startswith(b"235"):
        pass
    return reader, writer


async def submit(platform: Platform, message: bytes, recipient: str) -> bytes:
    """One message of alice's; the reply behind it."""
    reader, writer = await logged_in(platform)
    writer.write(f"MAIL FROM:<alice@example.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
    while not (await reader.readline()).startswith(b"354"):
        pass
    writer.write(message + b".\r\n")
    answer = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    return answer


async def test_submission_adds_what_a_client_left_out(platform: Platform) -> None:
    await platform.store.create_account("adds")
    answer = await submit(platform, b"Subject: bare\r\n\r\nx\r\n", "adds@example.test")
    assert answer.startswith(b"250 ")
    [stored] = await inbox(platform, "adds")
    parsed = email.message_from_bytes(stored, policy=email.policy.default)
    assert parsed["Date"]
    assert parsed["Message-ID"].endswith("@mx.example.test>")
    assert "with ESMTPSA" in parsed["Received"]


LARGE = b"".join(b"%080d\r\n" % n for n in range(1000))


@pytest.mark.parametrize("size", ["small", "large"])
async def test_an_equal_message_without_message_id_is_another_one(platform: Platform, size: str) -> None:
    """The Message-ID that submission adds is no sign of a repeat; one of the client's is."""
    text = LARGE if size == "large" else b"ok\r\n"
    for named, arrived in ((b"", 2), (b"Message-ID: <backup@x>\r\n", 1)):
        name = f"equal-{size}-{arrived}"
        await platform.store.create_account(name)
        message = named + b"Subject: backup done\r\n\r\n" + text
        for _ in range(2):
            assert (await submit(platform, message, f"{name}@example.test")).startswith(b"250 ")
        assert len(await inbox(platform, name)) == arrived


LONG = b"To: " + b",\r\n ".join(b"recipient-%06d@example.net" % n for n in range(4300)) + b"\r\n"


@pytest.mark.parametrize(
    "rest", [b"\r\nx\r\n", b"\r\n" + LARGE[: 82 * 500], b""], ids=["short text", "long text", "no text"]
)
async def test_the_end_of_a_long_header_is_looked_at_too(platform: Platform, rest: bytes) -> None:
    name = f"long-header-{len(rest)}"
    await platform.store.create_account(name)
    own = b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <long@x>\r\n"
    for message in (LONG + own + rest, LONG + rest):
        assert (await submit(platform, message, f"{name}@example.test")).startswith(b"250 ")
    with_own, without = await inbox(platform, name)
    assert with_own.endswith(b"\r\n" + LONG + own + rest)
    for stored in (with_own, without):
        for field in (b"date:", b"message-id:"):
            assert stored.lower().count(b"\r\n" + field) == 1


async def test_to_a_header_of_any_length_nothing_is_added(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "MAX_HEADER", 61_000)
    await platform.store.create_account("endless-header")
    message = LONG + b"Message-ID: <endless@x>\r\n\r\nx\r\n"
    for _ in range(2):
        assert (await submit(platform, message, "endless-header@example.test")).startswith(b"250 ")
    [stored] = await inbox(platform, "endless-header")
    assert stored.lower().count(b"\r\nmessage-id:") == 1


async def test_malformed_recipients_are_limited(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_RECIPIENTS", 20)
    reader, writer = await platform.connect("mx")()
    writer.write(b"EHLO x\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a..b@example.test>\r\n" * 40)
    answers = (await asyncio.wait_for(reader.read(), 20)).splitlines()
    assert sum(answer.startswith(b"501 ") for answer in answers) == 29
    assert answers[-1].startswith(b"421 4.7.0")
    writer.close()


async def test_a_password_that_changes_before_the_message_ends(platform: Platform) -> None:
    """535 answers AUTH alone (RFC 4954 §6): the message is kept by its client, which logs in again."""
    account = await platform.store.create_account("changes")
    plain = base64.b64encode(b"\0changes\0changes").decode()
    reader, writer = await logged_in(platform, plain)
    envelope = b"MAIL FROM:<changes@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
    writer.write(envelope + b"DATA\r\n")
    while not (await reader.readline()).startswith(b"354"):
        pass
    new = account_pb2.SetPasswordRequest(account=account, password=account_pb2.Password(clear="new"))
    await platform.store.admin.accounts.SetPassword(new)
    writer.write(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert (await reader.readline()).startswith(b"451 4.7.0 ")
    writer.write(envelope)
    assert (await reader.readline()).startswith(b"530 5.7.0 ")
    assert (await reader.readline()).startswith(b"503 ")
    writer.write(b"AUTH PLAIN " + base64.b64encode(b"\0changes\0new") + b"\r\n" + envelope)
    assert [(await reader.readline())[:3] for _ in range(3)] == [b"235", b"250", b"250"]
    writer.close()


async def test_a_login_while_the_store_is_away(platform: Platform) -> None:
    """RFC 4954 §6: 454 4.7.0."""
    away = StoreClient(f"127.0.0.1:{free_port()}", platform.store.token("submission"), 0.5)
    await away.start()
    service = dataclasses.replace(platform.service, submission=away, allow_plaintext_auth=True)
    log = structlog.stdlib.get_logger()
    listener = Endpoint("submission", "127.0.0.1", 0)
    try:
        async with Server(
            [listener], lambda stream, spawn: session.SmtpSession(stream, spawn, service, log), Limits()
        ) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["submission"])
            writer.write(b"EHLO x\r\nAUTH PLAIN " + VARIABLES["plain"].encode() + b"\r\nQUIT\r\n")
            answers = await asyncio.wait_for(reader.read(), 20)
            writer.close()
    finally:
        await away.close()
    assert answers.splitlines()[-2].startswith(b"454 4.7.0 ")


async def test_the_store_says_who_may_not(platform: Platform) -> None:
    """The role mx reads nothing."""
    request = message_pb2.FetchMessagesRequest(
        account="0" * 16, mailbox=1, uids=np.array([1], "<u4").tobytes()
    )
    client = StoreClient(platform.store.endpoint, platform.store.token("mx"), 5.0)
    await client.start()
    try:
        with pytest.raises(Refused) as refused:
            async for _ in client.messages.FetchMessages(request):
                pass
        assert refused.value.reason == "PERMISSION_DENIED"
    finally:
        await client.close()
