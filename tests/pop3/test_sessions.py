"""What dialogues cannot show: large messages, locks that end, failures of the store, real clients."""

import asyncio
import poplib
import ssl

import pytest
import structlog

from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.mailbox_pb2 import GetMailboxRequest
from buuta.v1.maildrop_pb2 import CloseMaildropRequest, OpenMaildropRequest
from buuta.v1.message_pb2 import AppendRequest, ExpungeMessagesRequest, UpdateFlagsRequest
from services.common.errors import Refused
from services.common.store_client import StoreClient
from services.pop3.transaction import Transaction, open_transaction
from tests.dialogue import Streams
from tests.pop3.support import Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMEOUT = 20.0
DELETED = 1 << 3  # the system flag's bit


async def answer(streams: Streams, *lines: str) -> bytes:
    """Send lines at once; the first line that comes back."""
    streams[1].write("".join(f"{line}\r\n" for line in lines).encode())
    return await asyncio.wait_for(streams[0].readline(), TIMEOUT)


async def logged_in(platform: Platform, account: dict[str, str]) -> Streams:
    streams = await platform.connect("pop3")()
    await streams[0].readline()
    assert (await answer(streams, f"AUTH PLAIN {account['plain']}")).startswith(b"+OK")
    return streams


async def multiline(streams: Streams) -> bytes:
    """The rest of a multi-line reply, without its end and the doubled dots."""
    lines = []
    while (line := await asyncio.wait_for(streams[0].readline(), TIMEOUT)) != b".\r\n":
        assert line, "cut"
        lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return b"".join(lines)


def poplib_session(port: int, account: dict[str, str], context: ssl.SSLContext) -> dict[str, object]:
    """What Python's own client makes of it, over STLS."""
    client = poplib.POP3("127.0.0.1", port, timeout=TIMEOUT)
    client.host = "localhost"  # the certificate's name
    client.stls(context)
    capabilities = client.capa()
    client.user(account["user"])
    client.pass_(account["password"])
    seen: dict[str, object] = {
        "capabilities": capabilities,
        "stat": client.stat(),
        "list": client.list()[1],
        "retr": [b"\r\n".join(client.retr(number)[1]) for number in range(1, client.stat()[0] + 1)],
        "top": client.top(client.stat()[0], 1)[1],
        "uidl": client.uidl()[1],
    }
    client.dele(2)
    client.quit()
    return seen


async def test_poplib(platform: Platform) -> None:
    account = await platform.new_account()
    port, context = platform.server.ports["pop3"], platform.client_context
    seen = await asyncio.to_thread(poplib_session, port, account, context)
    assert seen["stat"] == (3, int(account["total"]))
    assert seen["list"] == [f"{n} {account[f'size{n}']}".encode() for n in (1, 2, 3)]
    assert seen["retr"] == [
        b"Subject: one\r\n\r\nFirst body.",
        b"Subject: two\r\n\r\n.\r\n..hidden\r\n.x\r\nlast",
        b"Subject: three\r\n\r\nline 1\r\nline 2\r\nline 3",
    ]
    assert seen["top"] == [b"Subject: three", b"", b"line 1"]
    again = await asyncio.to_thread(
        poplib_session, port, account | {"user": account["user"].upper()}, context
    )
    assert again["uidl"] == [seen["uidl"][0], b"2 " + seen["uidl"][2].split()[1]]  # type: ignore[index]


async def test_a_large_message_comes_whole(platform: Platform) -> None:
    body = b"".join(b".%d\r\n" % n if n % 3 else b"x" * 70 + b"\r\n" for n in range(20_000))
    message = b"Subject: large\r\n\r\n" + body
    account = await platform.new_account(b"Subject: small\r\n\r\n.\r\n")
    upload = await platform.store.admin.upload(_pieces(message), account["account"])
    await _append_upload(platform, account["account"], upload.upload)
    streams = await logged_in(platform, account)
    assert await answer(streams, "RETR 2", "TOP 2 15000", "RETR 1") == b"+OK %d octets\r\n" % len(message)
    assert await multiline(streams) == message
    assert (await streams[0].readline()).startswith(b"+OK")
    assert await multiline(streams) == b"\r\n".join(message.split(b"\r\n", 15_002)[:15_002]) + b"\r\n"
    assert (await streams[0].readline()).startswith(b"+OK")
    assert await multiline(streams) == b"Subject: small\r\n\r\n.\r\n"
    streams[1].close()


async def test_a_reader_that_stops_gets_all_in_the_end(platform: Platform) -> None:
    message = b"Subject: large\r\n\r\n" + b"y" * 70 + b"\r\n" + (b"z" * 998 + b"\r\n") * 8000
    account = await platform.new_account(b"Subject: small\r\n\r\n.\r\n")
    upload = await platform.store.admin.upload(_pieces(message), account["account"])
    await _append_upload(platform, account["account"], upload.upload)
    streams = await logged_in(platform, account)
    assert (await answer(streams, "RETR 2", "NOOP")).startswith(b"+OK")
    await asyncio.sleep(0.3)  # the server fills what the transport takes, and waits
    assert await multiline(streams) == message
    assert await streams[0].readline() == b"+OK\r\n"
    streams[1].close()


async def _pieces(message: bytes):  # type: ignore[no-untyped-def] # an async generator of bytes
    for start in range(0, len(message), 100_000):
        yield message[start : start + 100_000]


async def _append_upload(platform: Platform, account: str, handle: bytes) -> None:
    entry = AppendRequest.Entry(message=MessageSource(upload=handle))
    await platform.store.admin.messages.Append(AppendRequest(account=account, name="INBOX", entries=[entry]))


async def test_what_others_expunge_stays_in_the_snapshot(platform: Platform) -> None:
    account = await platform.new_account()
    streams = await logged_in(platform, account)
    messages = platform.store.admin.messages
    mailbox = await platform.store.admin.mailboxes.GetMailbox(
        GetMailboxRequest(account=account["account"], name="INBOX")
    )
    of = {"account": account["account"], "mailbox": mailbox.mailbox.id}
    uids = b"\x01\0\0\0\x02\0\0\0"
    add = UpdateFlagsRequest.OPERATION_ADD
    await messages.UpdateFlags(UpdateFlagsRequest(**of, uids=uids, operation=add, flags=DELETED))
    expunged = await messages.ExpungeMessages(ExpungeMessagesRequest(**of))
    assert expunged.uids == uids
    assert await answer(streams, "STAT") == f"+OK 3 {account['total']}\r\n".encode()
    assert (await answer(streams, "RETR 1")).startswith(b"+OK")
    assert await multiline(streams) == b"Subject: one\r\n\r\nFirst body.\r\n"
    assert (await answer(streams, "TOP 2 0")).startswith(b"+OK")
    assert await multiline(streams) == b"Subject: two\r\n\r\n"
    assert (await answer(streams, "DELE 1")).startswith(b"+OK")
    assert (await answer(streams, "DELE 3")).startswith(b"+OK")
    assert await answer(streams, "QUIT") == b"+OK Bye\r\n"
    streams[1].close()
    streams = await logged_in(platform, account)
    assert await answer(streams, "STAT") == b"+OK 0 0\r\n"
    streams[1].close()


async def test_a_connection_that_breaks_removes_nothing_and_unlocks(platform: Platform) -> None:
    account = await platform.new_account()
    streams = await logged_in(platform, account)
    assert (await answer(streams, "DELE 1")).startswith(b"+OK")
    streams[1].transport.abort()
    async with asyncio.timeout(TIMEOUT):
        while True:
            streams = await platform.connect("pop3")()
            await streams[0].readline()
            login = await answer(streams, f"AUTH PLAIN {account['plain']}")
            if login == b"+OK 3 messages\r\n":
                break
            assert login.startswith(b"-ERR [IN-USE]")
            streams[1].close()
    streams[1].close()


async def _transaction(platform: Platform, renew_after: float) -> tuple[StoreClient, Transaction, bytes]:
    account = await platform.new_account()
    client = StoreClient(platform.store.endpoint, platform.store.token("pop3"), 10.0)
    await client.start()
    login = await client.login(account["user"], account["password"].encode(), "")
    opened = await client.maildrops.OpenMaildrop(OpenMaildropRequest(account=login.account), session=login)
    spawn, log = asyncio.get_running_loop().create_task, structlog.stdlib.get_logger()
    return client, Transaction(client, login, opened, spawn, log, renew_after), opened.lock


async def test_a_lost_lock_is_noticed_and_removes_nothing(platform: Platform) -> None:
    client, transaction, lock = await _transaction(platform, 0.05)
    transaction.maildrop.delete(1)
    request = CloseMaildropRequest(account=transaction.login.account, lock=lock, mailbox=transaction.mailbox)
    await client.maildrops.CloseMaildrop(request, session=transaction.login)

    async def lost() -> None:
        while True:
            transaction.check()
            await asyncio.sleep(0.01)

    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(lost(), TIMEOUT)
    assert caught.value.reason == "MAILDROP_LOCK_LOST"
    with pytest.raises(Refused) as caught:
        await transaction.commit()
    assert caught.value.reason == "MAILDROP_LOCK_LOST"
    spawn, log = asyncio.get_running_loop().create_task, structlog.stdlib.get_logger()
    again = await open_transaction(client, transaction.login, spawn, log)
    assert again.maildrop.count == 3
    await again.release()
    await client.close()


async def test_a_lock_is_renewed_and_given_back_once(platform: Platform) -> None:
    client, transaction, _ = await _transaction(platform, 0.02)
    await asyncio.sleep(0.2)
    transaction.check()
    await transaction.release()
    await transaction.release()
    spawn, log = asyncio.get_running_loop().create_task, structlog.stdlib.get_logger()
    again = await open_transaction(client, transaction.login, spawn, log)
    await again.release()
    await client.close()
