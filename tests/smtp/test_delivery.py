"""What arrives: octets, trace fields, one body for many, nothing twice, nothing lost in the middle."""

import asyncio
import email
import email.policy
import os
import time

import numpy as np
import pytest

from buuta.v1 import delivery_pb2, mailbox_pb2, message_pb2
from services.common.errors import Refused
from services.common.store_client import StoreClient
from services.smtp import transaction
from tests.smtp.support import MAX_MESSAGE_SIZE, VARIABLES, Platform

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


async def test_submission_adds_what_a_client_left_out(platform: Platform) -> None:
    await platform.store.create_account("adds")
    reader, writer = await platform.connect("submissions")()
    plain = VARIABLES["plain"].encode()
    writer.write(b"EHLO x\r\nAUTH PLAIN " + plain + b"\r\n")
    while not (await reader.readline()).startswith(b"235"):
        pass
    writer.write(b"MAIL FROM:<alice@example.test>\r\nRCPT TO:<adds@example.test>\r\nDATA\r\n")
    while not (await reader.readline()).startswith(b"354"):
        pass
    writer.write(b"Subject: bare\r\n\r\nx\r\n.\r\n")
    assert (await reader.readline()).startswith(b"250 ")
    writer.close()
    [stored] = await inbox(platform, "adds")
    parsed = email.message_from_bytes(stored, policy=email.policy.default)
    assert parsed["Date"]
    assert parsed["Message-ID"].endswith("@mx.example.test>")
    assert "with ESMTPSA" in parsed["Received"]


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
