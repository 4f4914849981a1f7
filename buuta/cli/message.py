"""buuta message: list, read and add messages."""

import re
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

import typer

from buuta.cli.connection import account_id, connect
from buuta.cli.errors import USAGE, CommandError
from buuta.cli.header_text import header_texts
from buuta.cli.output import Json, print_rows
from buuta.client import Client
from buuta.columns import FIRST_KEYWORD_BIT, SYSTEM_FLAGS, flag_names, i64, internal_date, pack_u32, u32, u64
from buuta.v1.columns_pb2 import MessageSource
from buuta.v1.mailbox_pb2 import GetMailboxRequest, Mailbox
from buuta.v1.message_pb2 import (
    AppendRequest,
    BodySection,
    FetchBodiesRequest,
    FetchMessagesRequest,
    HeaderSelection,
)

app = typer.Typer(help="Messages of a mailbox.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="an address of the account, or its id")]
MailboxName = Annotated[str, typer.Option("--mailbox", "-m", help="name of the mailbox")]
PIECE = 256 * 1024
_LONE_LF = re.compile(rb"(?<!\r)\n")


def _mailbox(client: Client, account: str, name: str) -> Mailbox:
    return client.mailboxes.GetMailbox(GetMailboxRequest(account=account, name=name)).mailbox


def _row(header: bytes, keywords: Iterable[str], numbers: tuple[int, int, int, int]) -> tuple[object, ...]:
    uid, flags, size, date = numbers
    texts = header_texts(header)
    names = list(flag_names(flags, keywords))
    when = internal_date(date).isoformat(timespec="seconds")
    return uid, when, texts.get("from", ""), texts.get("subject", ""), size, names


def _rows(client: Client, account: str, mailbox: Mailbox, uids: bytes) -> Iterator[tuple[object, ...]]:
    request = FetchMessagesRequest(account=account, mailbox=mailbox.id, columns=True, uids=uids)
    request.headers.append(HeaderSelection(fields=["From", "Subject"]))
    for batch in client.messages.FetchMessages(request):
        c = batch.columns
        numbers = zip(u32(c.uids), u64(c.flags), u32(c.sizes), i64(c.internal_dates), strict=True)
        for row, header in zip(numbers, batch.headers[0].values if batch.headers else (), strict=True):
            yield _row(header, mailbox.keywords, row)


@app.command("list")
def list_messages(account: Account, mailbox: MailboxName = "INBOX", json: Json = False) -> None:
    """List the messages of a mailbox."""
    with connect() as client:
        owner = account_id(client, account)
        rows = _rows(client, owner, _mailbox(client, owner, mailbox), b"")
        print_rows(("uid", "date", "from", "subject", "size", "flags"), rows, json)


@app.command()
def cat(
    account: Account,
    uid: Annotated[int, typer.Argument(help="UID of the message", min=1, max=2**32 - 1)],
    mailbox: MailboxName = "INBOX",
) -> None:
    """Write the octets of a message to standard output."""
    with connect() as client:
        owner = account_id(client, account)
        request = FetchBodiesRequest(
            account=owner,
            mailbox=_mailbox(client, owner, mailbox).id,
            uids=pack_u32([uid]),
            sections=[BodySection()],
        )
        found = False
        for response in client.messages.FetchBodies(request):
            for piece in response.pieces:
                found = True
                sys.stdout.buffer.write(piece.data)
        sys.stdout.buffer.flush()
    if not found:
        raise CommandError(f"there is no message {uid} in {mailbox}")


def crlf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same text with CRLF at the end of every line."""
    held = b""
    for piece in pieces:
        piece = held + piece
        held = b"\r" if piece.endswith(b"\r") else b""
        yield _LONE_LF.sub(b"\r\n", piece[: len(piece) - len(held)])
    if held:
        yield held


def _flags(names: list[str]) -> tuple[int, list[str]]:
    """System flags as bits (with or without the backslash, in any case), the others as keywords."""
    bits, keywords = 0, []
    known = {name.lower().lstrip("\\"): bit for bit, name in enumerate(SYSTEM_FLAGS)}
    assert len(known) < FIRST_KEYWORD_BIT
    for name in names:
        bit = known.get(name.lower().lstrip("\\"))
        if bit is not None:
            bits |= 1 << bit
        elif name.startswith("\\"):
            raise CommandError(f"there is no flag {name}", USAGE)
        else:
            keywords.append(name)
    return bits, keywords


@app.command()
def append(
    account: Account,
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="the message; - is standard input")],
    mailbox: MailboxName = "INBOX",
    flag: Annotated[list[str] | None, typer.Option("--flag", "-f", help="such as seen, or a keyword")] = None,
) -> None:
    """Add a message to a mailbox; prints its UID. Lone LFs become CRLF."""
    bits, keywords = _flags(flag or [])
    with connect() as client:
        owner = account_id(client, account)
        stored = client.upload(crlf(iter(partial(file.read, PIECE), b"")), owner)
        entry = AppendRequest.Entry(
            message=MessageSource(upload=stored.upload), flags=bits, keywords=keywords
        )
        response = client.messages.Append(AppendRequest(account=owner, name=mailbox, entries=[entry]))
    print(u32(response.uids)[0])
