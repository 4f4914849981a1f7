"""Mailboxes in the index: names, headers, and the pages behind them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.store.index import keys
from services.store.index.core import Core, MailboxHeader, Request, Scope, name_of, pairs
from services.store.index.record import DIRECTORY, PAGE, Rows, live, page_rows

# Pages of one command: 2.6 MB of full ones, which take 3 ms to convert before others get their turn.
PAGES_A_READ = 256
NAMES_A_TURN = 200


@dataclass(frozen=True, slots=True)
class Head:
    """An account's and a mailbox's header and the page directory, read in one step."""

    seq: int
    incarnation: int  # what a label of this moment names
    gaps: bytes  # pairs of u64: (last kept seq, new seq] of each incarnation's fence
    mailbox: MailboxHeader
    directory: np.ndarray[tuple[int], np.dtype[np.void]]
    performed: bool = False  # the request that was asked about

    @property
    def has_recent(self) -> bool:
        """Whether there are UIDs that no session was told of."""
        return self.mailbox.recent_from < self.mailbox.uidnext

    def in_gap(self, modseq: int) -> bool:
        """Whether this number may have named another change in a lost incarnation."""
        if not self.gaps:
            return False
        numbers = np.frombuffer(self.gaps, "<u8").reshape(-1, 2)
        return bool(((numbers[:, 0] < modseq) & (modseq <= numbers[:, 1])).any())


@dataclass(frozen=True, slots=True)
class Name:
    """One name of an account's mailboxes."""

    name: str
    id: int  # 0: only a name
    subscribed: bool
    special_use: int
    noselect: bool
    header: MailboxHeader | None  # with counts only


class MailboxOperations(Core):
    """Mixed into Index."""

    async def names(self, scope: Scope, counts: bool = False) -> list[Name]:
        """All names, sorted; INBOX first."""
        _, _, flat, headers = await self.read("account_read", scope, "counts" if counts else "names")
        found = []
        for place, (name, entry) in enumerate(pairs(flat).items()):
            if place % NAMES_A_TURN == NAMES_A_TURN - 1:
                await asyncio.sleep(0)  # others have their turn
            words = entry.split(b"|")
            number = int(words[0])
            header = pairs(headers[place]) if counts and number else {}
            found.append(
                Name(
                    name.decode(),
                    number,
                    words[1] == b"1",
                    int(words[2]),
                    len(words) > 3,
                    MailboxHeader.parse(number, header, entry) if header else None,
                )
            )
        return sorted(found, key=lambda n: (n.name != "INBOX", n.name))

    async def head(
        self, scope: Scope, mailbox: int, name: str, directory: bool = True, request: Request | None = None
    ) -> Head:
        """By id, or by name when 0; and whether a request of this account has been performed.

        Refused: ACCOUNT_NOT_FOUND, MAILBOX_NOT_FOUND, SESSION_ENDED.
        """
        which: tuple[str, str | int] = ("i", mailbox) if mailbox else ("n", name)
        asked = name_of(request, keys.account_key(scope.account)) if request else b""
        seq, incarnation, gaps, number, header, pages, entry, performed = await self.read(
            "mailbox_read", scope, *which, int(directory), asked
        )
        return Head(
            int(seq),
            incarnation,
            gaps,
            MailboxHeader.parse(int(number), pairs(header), entry),
            np.frombuffer(pages, DIRECTORY),
            bool(performed),
        )

    async def pages(self, account: str, mailbox: int, numbers: Sequence[int]) -> list[Rows]:
        """The records of pages, tombstones included."""
        found: list[Rows] = []
        complete = True
        for at in range(0, len(numbers), PAGES_A_READ):
            part = numbers[at : at + PAGES_A_READ]
            wanted = [keys.page_key(account, mailbox, number) for number in part]
            pages: list[bytes | None] = await self.connection.command("MGET", *wanted)
            complete = complete and None not in pages
            found += [page_rows(number, page) for number, page in zip(part, pages, strict=True)]
        if not complete:  # pruned meanwhile, or is this no longer our Redis?
            await self.check_shard(keys.shard_of(account))
        return found

    async def recent_count(self, account: str, head: Head) -> int:
        """Live messages that no session was told of as \\Recent."""
        if not head.has_recent:
            return 0
        first = head.mailbox.recent_from
        later = head.directory[head.directory["page"] > first // PAGE]
        [rows] = await self.pages(account, head.mailbox.id, [first // PAGE])
        return int(later["live"].sum()) + int((live(rows)["uid"] >= first).sum())

    async def claim_recent(self, scope: Scope, request: Request, mailbox: int) -> int:
        """Take what is \\Recent: the first such UID, 0 for none."""
        return int.from_bytes(await self.write("recent_claim", scope, request, mailbox), "little")

    async def create_mailbox(self, scope: Scope, request: Request, name: str, special_use: int) -> int:
        return int(await self.write("mailbox_create", scope, request, name, special_use))

    async def delete_mailbox(self, scope: Scope, request: Request, name: str) -> None:
        await self.write("mailbox_delete", scope, request, name)

    async def rename_mailbox(self, scope: Scope, request: Request, name: str, new_name: str) -> None:
        await self.write("mailbox_rename", scope, request, name, new_name)

    async def subscribe(self, scope: Scope, request: Request, name: str, subscribed: bool) -> None:
        await self.write("mailbox_subscribe", scope, request, name, int(subscribed))

    async def lock_maildrop(self, scope: Scope, token: bytes, milliseconds: int, renew: bool) -> None:
        """Take or extend the maildrop's lock. Refused: MAILDROP_LOCKED, MAILDROP_LOCK_LOST."""
        await self.write("maildrop_lock", scope, Request(), token, milliseconds, "renew" if renew else "open")
