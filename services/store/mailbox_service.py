"""MailboxService: mailboxes, and what changed in one (`proto/buuta/v1/mailbox.proto`)."""

import unicodedata
from typing import Any

import numpy as np

from buuta.v1 import mailbox_pb2 as pb
from buuta.v1 import mailbox_pb2_grpc
from services.common.errors import Refused
from services.store.columns import columns_of, read_uids
from services.store.context import Platform, caller, request_of
from services.store.index.core import MailboxHeader, Scope
from services.store.index.incarnation import token
from services.store.index.mailboxes import Head
from services.store.index.record import SEEN, TOMBSTONE, U32, Rows, joined, live
from services.store.status import rpc
from services.store.views import pages_since

ROLES = frozenset({"imap"})
MAX_NAME, MAX_LEVEL = 1000, 255
MAX_KEYWORDS = 48


class MailboxService(mailbox_pb2_grpc.MailboxServiceServicer):
    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._index = platform.index

    def _scope(self, request: Any, context: Any) -> Scope:
        return caller(self._platform, context, ROLES).scope(request.account)

    @rpc
    async def ListMailboxes(self, request: pb.ListMailboxesRequest, context: Any) -> pb.ListMailboxesResponse:
        names = await self._index.names(self._scope(request, context), request.counts)
        return pb.ListMailboxesResponse(
            mailboxes=[
                _counted(name.header)
                if name.header
                else pb.Mailbox(
                    id=name.id,
                    name=name.name,
                    subscribed=name.subscribed,
                    special_use=name.special_use,  # type: ignore[arg-type]  # an enum's number
                    noselect=name.noselect,
                )
                for name in names
            ]
        )

    @rpc
    async def GetMailbox(self, request: pb.GetMailboxRequest, context: Any) -> pb.GetMailboxResponse:
        scope = self._scope(request, context)
        head = await self._index.head(scope, request.mailbox, normal_name(request.name))
        mailbox = _counted(head.mailbox)
        mailbox.recent = await self._index.recent_count(scope.account, head)
        return pb.GetMailboxResponse(mailbox=mailbox)

    @rpc
    async def CreateMailbox(self, request: pb.CreateMailboxRequest, context: Any) -> pb.CreateMailboxResponse:
        scope, name = self._scope(request, context), checked_name(request.name)
        if request.special_use not in pb.SpecialUse.values():
            raise Refused("INVALID_ARGUMENT", "special_use is not known")
        number = await self._index.create_mailbox(scope, request_of(request), name, request.special_use)
        head = await self._index.head(scope, number, "", directory=False)
        return pb.CreateMailboxResponse(mailbox=_counted(head.mailbox))

    @rpc
    async def DeleteMailbox(self, request: pb.DeleteMailboxRequest, context: Any) -> pb.DeleteMailboxResponse:
        scope = self._scope(request, context)
        await self._index.delete_mailbox(scope, request_of(request), normal_name(request.name))
        return pb.DeleteMailboxResponse()

    @rpc
    async def RenameMailbox(self, request: pb.RenameMailboxRequest, context: Any) -> pb.RenameMailboxResponse:
        scope = self._scope(request, context)
        old, new = normal_name(request.name), checked_name(request.new_name)
        await self._index.rename_mailbox(scope, request_of(request), old, new)
        return pb.RenameMailboxResponse()

    @rpc
    async def SubscribeMailbox(
        self, request: pb.SubscribeMailboxRequest, context: Any
    ) -> pb.SubscribeMailboxResponse:
        scope = self._scope(request, context)
        name = checked_name(request.name) if request.subscribed else normal_name(request.name)
        await self._index.subscribe(scope, request_of(request), name, request.subscribed)
        return pb.SubscribeMailboxResponse()

    @rpc
    async def SyncMailbox(self, request: pb.SyncMailboxRequest, context: Any) -> pb.SyncMailboxResponse:
        scope = self._scope(request, context)
        claim = request_of(request) if request.claim_recent else None
        head = await self._index.head(scope, request.mailbox, normal_name(request.name), request=claim)
        known = read_uids(request.known_uids)
        if _differences_known(head, request):
            response = await self._differences(scope, head, request.since_seq, known)
        else:
            response = await self._whole(scope, head, known)
        if claim and (head.has_recent or head.performed):  # a repeat gets what its first try took
            first = await self._index.claim_recent(scope, claim, head.mailbox.id)
        else:
            first = head.mailbox.recent_from if head.has_recent else 0
        response.recent_first_uid = first
        return response

    async def _whole(self, scope: Scope, head: Head, known: U32) -> pb.SyncMailboxResponse:
        view = await self._platform.views.at(scope.account, head)
        rows = view.live
        gone = known[~np.isin(known, rows["uid"])]
        response = _answer(view.head, rows, gone, full=True)
        response.mailbox.unseen = int(((rows["flags"] & np.uint64(SEEN)) == 0).sum())
        response.mailbox.messages = len(rows)
        if len(rows):  # the pages were read after the header
            response.mailbox.uidnext = max(response.mailbox.uidnext, int(rows["uid"][-1]) + 1)
        return response

    async def _differences(self, scope: Scope, head: Head, since: int, known: U32) -> pb.SyncMailboxResponse:
        if since < head.mailbox.oldest:  # exact because the caller says what it knows
            rows = (await self._platform.views.at(scope.account, head)).live
            gone = known[~np.isin(known, rows["uid"])]
            return _answer(head, rows[rows["modseq"] > np.uint64(since)], gone, full=False)
        numbers = pages_since(head, since)
        if self._platform.views.cached(scope.account, head.mailbox.id) is not None:
            pages = (await self._platform.views.at(scope.account, head)).pages
            parts = [pages[number] for number in numbers if number in pages]
        else:
            parts = await self._index.pages(scope.account, head.mailbox.id, numbers)
        if not parts:
            return _answer(head, None, None, full=False)
        rows = joined(parts)
        rows = rows.take(np.flatnonzero(rows["modseq"] > np.uint64(since)))
        gone = rows["uid"][(rows["flags"] & np.uint64(TOMBSTONE)) != 0]
        if len(known):
            gone = gone[np.isin(gone, known)]
        return _answer(head, live(rows), gone, full=False)


def _differences_known(head: Head, request: pb.SyncMailboxRequest) -> bool:
    """Whether what the caller has can be brought up to date by differences."""
    if not request.since_seq or request.uidvalidity != head.mailbox.uidvalidity:
        return False
    if request.since_seq > head.seq or head.in_gap(request.since_seq):
        return False
    if request.incarnation and request.incarnation != token(head.incarnation):
        return False
    return request.since_seq >= head.mailbox.oldest or bool(request.known_uids)


def _answer(head: Head, changed: Rows | None, gone: U32 | None, full: bool) -> pb.SyncMailboxResponse:
    return pb.SyncMailboxResponse(
        mailbox=_counted(head.mailbox),
        seq=head.seq,
        incarnation=token(head.incarnation),
        full=full,
        vanished=np.ascontiguousarray(gone).tobytes() if gone is not None else b"",
        changed=columns_of(changed) if changed is not None and len(changed) else None,
    )


def _counted(header: MailboxHeader) -> pb.Mailbox:
    return pb.Mailbox(
        id=header.id,
        name=header.name,
        subscribed=header.subscribed,
        special_use=header.special_use,  # type: ignore[arg-type]  # an enum's number
        uidvalidity=header.uidvalidity,
        uidnext=header.uidnext,
        messages=header.messages,
        unseen=header.unseen,
        deleted=header.deleted,
        recent=min(max(0, header.uidnext - header.recent_from), header.messages),
        size=header.size,
        highest_modseq=max(1, header.modseq),
        keywords=header.keywords,
        keywords_full=len(header.keywords) >= MAX_KEYWORDS,
    )


def normal_name(name: str) -> str:
    """A mailbox name in its one form: NFC, with INBOX as its first level in upper case."""
    if len(name) > 2 * MAX_NAME:  # no such name becomes short enough by NFC
        raise Refused("MAILBOX_NAME", "Not a possible mailbox name")
    name = unicodedata.normalize("NFC", name)
    head, slash, rest = name.partition("/")
    return "INBOX" + slash + rest if head.upper() == "INBOX" else name


def checked_name(name: str) -> str:
    """A name that a mailbox may have; Refused(MAILBOX_NAME) otherwise."""
    name = normal_name(name)
    levels = name.split("/")
    if (
        not name
        or len(name.encode()) > MAX_NAME
        or any(not level or len(level.encode()) > MAX_LEVEL for level in levels)
        or any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    ):
        raise Refused("MAILBOX_NAME", "Not a possible mailbox name")
    return name
