"""Messages in the index: append, flags, copy, move, expunge; large commands in resumable steps.

A step has a request id of its own, derived from the command's: a repeated
command gets the stored replies of the steps that were done and goes on behind
them. A copy that cannot finish is undone (RFC 9051 §6.4.7); the operation
record lets the collector undo it when nobody comes back.
"""

import hashlib
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.common.errors import Refused
from services.store.index import keys
from services.store.index.core import REQUEST_ID_SKEW_MS, Core, Request, Scope
from services.store.index.record import U32, U64, column

MAX_FLAGS_STEP = 1024
MAX_COPY_STEP = 1024
LOCK_MS = 60_000  # a maildrop's lock lives this long without a sign of its session
# A larger command whose caller is silent for this long is undone or forgotten: not before the
# last retry, which would be answered with what the steps made before they were undone.
OPERATION_LEASE_MS = REQUEST_ID_SKEW_MS + 15 * 60 * 1000
ROW = np.dtype([("uid", "<u4"), ("flags", "<u8"), ("modseq", "<u8")])


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message to be added."""

    body: bytes
    size: int
    internal_date: int
    summary: bytes
    flags: int = 0
    keywords: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    duplicate: bool
    mailbox: int
    uidvalidity: int
    seq: int
    uids: bytes


@dataclass(frozen=True, slots=True)
class FlagsUpdated:
    seq: int
    uids: U32
    flags: U64
    modseqs: U64
    modified: U32
    missing: U32
    keywords: list[str]


@dataclass(frozen=True, slots=True)
class Copied:
    destination: int
    uidvalidity: int
    seq: int
    source_uids: U32
    destination_uids: U32


@dataclass(frozen=True, slots=True)
class FlagChange:
    """Operation: 1 add, 2 remove, 3 replace."""

    operation: int
    flags: int
    keywords: Sequence[str] = ()
    unchanged_since: int | None = None


class MessageOperations(Core):
    """Mixed into Index."""

    async def append(
        self,
        scope: Scope,
        request: Request,
        mailbox: int | str,
        messages: Sequence[NewMessage],
        dedupe_key: bytes = b"",
    ) -> Appended:
        """Add messages, all or none. Their bodies are durable already."""
        args: list[bytes | str | int] = []
        for m in messages:
            fixed = struct.pack("<IqII", m.flags, m.internal_date, m.size, m.size)
            args += [fixed, m.body, "\n".join(m.keywords), m.summary]
        which = ("i", mailbox) if isinstance(mailbox, int) else ("n", mailbox)
        reply = await self.write("message_append", scope, request, *which, dedupe_key, *args)
        duplicate, number, uidvalidity, seq = struct.unpack_from("<BQIQ", reply)
        return Appended(bool(duplicate), number, uidvalidity, seq, reply[21:])

    async def update_flags(
        self, scope: Scope, request: Request, mailbox: int, uids: U32, change: FlagChange
    ) -> FlagsUpdated:
        """Change flags; a command on many messages goes step by step."""
        since = "" if change.unchanged_since is None else change.unchanged_since
        words = "\n".join(change.keywords)
        parts = []
        for step, part in steps(request, uids, MAX_FLAGS_STEP):
            reply = await self.write(
                "message_flags",
                scope,
                step,
                mailbox,
                change.operation,
                change.flags,
                words,
                since,
                part.tobytes(),
            )
            parts.append(_flags_reply(reply))
        return FlagsUpdated(
            parts[-1].seq,
            np.concatenate([part.uids for part in parts]),
            np.concatenate([part.flags for part in parts]),
            np.concatenate([part.modseqs for part in parts]),
            np.concatenate([part.modified for part in parts]),
            np.concatenate([part.missing for part in parts]),
            parts[-1].keywords,
        )

    async def copy(
        self, scope: Scope, request: Request, mailbox: int, uids: U32, destination: str, move: bool
    ) -> Copied:
        """Copy or move. A copy is done whole or undone; a move leaves every message in one place."""
        kind = "move" if move else "copy"
        parts: list[Copied] = []
        name = scope.account + request.id.hex()  # of the record
        where: tuple[str, str | int] = ("n", destination)
        todo = steps(request, uids, MAX_COPY_STEP)
        for place, (step, part) in enumerate(todo):
            operation: list[str | int] = []
            if len(todo) > 1:
                lease = int(time.time() * 1000) + OPERATION_LEASE_MS
                last = "last" if place == len(todo) - 1 else ""
                operation = [name, lease, place, last]
            try:
                reply = await self.write(
                    "message_copy", scope, step, mailbox, *where, kind, part.tobytes(), *operation
                )
            except Refused:
                if parts:
                    await self.undo_operation(scope.account, keys.operation_key(scope.account, name))
                raise
            parts.append(_copy_reply(reply))
            where = ("i", parts[0].destination)  # the same mailbox, whatever has the name by now
        return Copied(
            parts[-1].destination,
            parts[-1].uidvalidity,
            parts[-1].seq,
            np.concatenate([part.source_uids for part in parts]),
            np.concatenate([part.destination_uids for part in parts]),
        )

    async def undo_operation(self, account: str, key: bytes) -> None:
        """Undo the steps of a copy that cannot go on; those of a move stay. Then forget the record.

        The record says first that it is undone, so that a repeat does not go on behind what is gone.
        """
        if not await self.write("operation_undo", Scope(account), Request(), key):
            return  # finished by a repeat, or undone by another one
        record = await self.connection.command("HGETALL", key)
        if record.get(b"kind") == b"copy":
            made = column(b"".join(uids for name, uids in record.items() if name.startswith(b"uids:")))
            await self._undo_copy(account, int(record[b"mailbox"]), made)
        await self.write("operation_end", Scope(account), Request(), key)

    async def _undo_copy(self, account: str, mailbox: int, uids: U32) -> None:
        """Remove what a copy made; where the mailbox or its account is gone, that is done already."""
        try:
            await self.expunge(Scope(account), Request(), mailbox, uids, force=True)
        except Refused as refused:
            if refused.reason not in ("MAILBOX_NOT_FOUND", "ACCOUNT_NOT_FOUND"):
                raise

    async def expunge(
        self, scope: Scope, request: Request, mailbox: int, uids: U32, force: bool = False, lock: bytes = b""
    ) -> tuple[int, U32]:
        """Remove messages with \\Deleted (with `force` all of these): the seq and the UIDs that went.

        With `lock` (a maildrop's) every step checks it, and the last one gives it back.
        """
        gone: list[U32] = []
        seq = 0
        todo = steps(request, uids, MAX_FLAGS_STEP)
        how = "force" if force else ""
        for place, (step, part) in enumerate(todo):
            hold = "" if place == len(todo) - 1 else LOCK_MS
            reply = await self.write("message_expunge", scope, step, mailbox, part.tobytes(), how, lock, hold)
            seq = int.from_bytes(reply[:8], "little")
            gone.append(column(reply[8:]))
        return seq, np.concatenate(gone)


def steps(request: Request, uids: U32, most: int) -> list[tuple[Request, U32]]:
    """The scripts of a command: each with its part of the UIDs and a request id of its own.

    The part is in that id, because a repeat may come with the UIDs that are left ("all with \\Deleted").
    """
    parts = [uids[at : at + most] for at in range(0, max(len(uids), 1), most)]
    if len(parts) == 1 or not request.id:
        return [(request, part) for part in parts]
    found = []
    for place, part in enumerate(parts):
        tail = hashlib.sha256(request.id + place.to_bytes(4, "big") + part.tobytes()).digest()[:10]
        found.append((Request(request.id[:6] + tail, request.digest), part))
    return found


def _flags_reply(reply: bytes) -> FlagsUpdated:
    seq, count, modified, missing = struct.unpack_from("<QIII", reply)
    rows = np.frombuffer(reply, ROW, count, 20)
    at = 20 + ROW.itemsize * count
    words = reply[at + 4 * (modified + missing) :].decode()
    return FlagsUpdated(
        seq,
        rows["uid"].astype("<u4"),
        rows["flags"].astype("<u8"),
        rows["modseq"].astype("<u8"),
        np.frombuffer(reply, "<u4", modified, at),
        np.frombuffer(reply, "<u4", missing, at + 4 * modified),
        words.split("\n") if words else [],
    )


def _copy_reply(reply: bytes) -> Copied:
    destination, uidvalidity, seq, count = struct.unpack_from("<QIQI", reply)
    return Copied(
        destination,
        uidvalidity,
        seq,
        np.frombuffer(reply, "<u4", count, 24),
        np.frombuffer(reply, "<u4", count, 24 + 4 * count),
    )
