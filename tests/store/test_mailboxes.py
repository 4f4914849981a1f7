"""MailboxService: names, and what becomes of mailboxes."""

import pytest

from buuta.v1 import mailbox_pb2 as pb
from tests.store.api import Api, Store, refused, rid


async def listed(api: Api, counts: bool = False) -> dict[str, pb.Mailbox]:
    request = pb.ListMailboxesRequest(account=api.account, counts=counts)
    return {box.name: box for box in (await api.mailboxes.ListMailboxes(request)).mailboxes}


async def delete(api: Api, name: str) -> None:
    await api.mailboxes.DeleteMailbox(
        pb.DeleteMailboxRequest(account=api.account, request_id=rid(), name=name)
    )


async def rename(api: Api, name: str, new_name: str) -> None:
    await api.mailboxes.RenameMailbox(
        pb.RenameMailboxRequest(account=api.account, request_id=rid(), name=name, new_name=new_name)
    )


async def subscribe(api: Api, name: str, subscribed: bool = True) -> None:
    request = pb.SubscribeMailboxRequest(account=api.account, request_id=rid(), name=name)
    request.subscribed = subscribed
    await api.mailboxes.SubscribeMailbox(request)


async def test_create_makes_the_levels_above(alice: Api) -> None:
    created = await alice.create("Work/2026/Q1")
    assert (created.name, created.messages, created.uidnext) == ("Work/2026/Q1", 0, 1)
    boxes = await listed(alice)
    assert {"Work", "Work/2026", "Work/2026/Q1"} <= set(boxes)
    assert not boxes["Work"].subscribed
    assert len({box.id for box in boxes.values()}) == len(boxes)
    with refused("ALREADY_EXISTS", "MAILBOX_EXISTS"):
        await alice.create("Work/2026")


async def test_names_have_one_form(alice: Api) -> None:
    assert (await alice.create("Bu\u0308ro")).name == "B\u00fcro"
    assert (await alice.mailbox("Bu\u0308ro")).name == "B\u00fcro"
    assert (await alice.mailbox("iNbOx")).name == "INBOX"
    assert (await alice.create("inbox/Child")).name == "INBOX/Child"
    with refused("ALREADY_EXISTS", "MAILBOX_EXISTS"):
        await alice.create("inbox")


NAMES = ["", "/", "a/", "/a", "a//b", "a\nb", "a\0", "x" * 256, "/".join(["x" * 200] * 6), "x" * 3_000_000]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_what_is_no_name(alice: Api, name: str) -> None:
    with refused("INVALID_ARGUMENT", "MAILBOX_NAME"):
        await alice.create(name)
    with refused("INVALID_ARGUMENT", "MAILBOX_NAME"):
        await rename(alice, "Drafts", name)
    with refused("INVALID_ARGUMENT", "MAILBOX_NAME"):
        await subscribe(alice, name)


async def test_special_use(alice: Api) -> None:
    request = pb.CreateMailboxRequest(account=alice.account, request_id=rid(), name="Post")
    request.special_use = pb.SPECIAL_USE_SENT
    assert (await alice.mailboxes.CreateMailbox(request)).mailbox.special_use == pb.SPECIAL_USE_SENT
    for unknown in (7, -1, 2**31 - 1):
        request.request_id, request.name, request.special_use = rid(), "Other", unknown  # type: ignore[assignment]
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await alice.mailboxes.CreateMailbox(request)
    assert "Other" not in await listed(alice)


async def test_a_repeated_creation(alice: Api) -> None:
    request = pb.CreateMailboxRequest(account=alice.account, request_id=rid(), name="Once")
    assert await alice.mailboxes.CreateMailbox(request) == await alice.mailboxes.CreateMailbox(request)
    request.name = "Twice"
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await alice.mailboxes.CreateMailbox(request)


async def test_delete(alice: Api) -> None:
    old = await alice.create("Old")
    await alice.append(b"Subject: x\r\n\r\n", name="Old")
    await delete(alice, "Old")
    assert "Old" not in await listed(alice)
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await alice.mailbox("Old")
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await delete(alice, "Old")
    with refused("FAILED_PRECONDITION", "INBOX_REQUIRED"):
        await delete(alice, "inbox")
    new = await alice.create("Old")
    assert new.id != old.id
    assert new.uidvalidity > old.uidvalidity
    assert new.messages == 0


async def test_delete_with_children_keeps_a_name_that_cannot_be_selected(alice: Api) -> None:
    await alice.create("Top/Leaf")
    await delete(alice, "Top")
    assert (await listed(alice))["Top"].noselect
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await alice.sync("Top")
    with refused("FAILED_PRECONDITION", "MAILBOX_HAS_CHILDREN"):
        await delete(alice, "Top")
    await delete(alice, "Top/Leaf")
    await delete(alice, "Top")
    assert "Top" not in await listed(alice)


async def test_rename_takes_children_and_messages_along(alice: Api) -> None:
    await alice.create("From/Child")
    [uid] = await alice.append(b"Subject: x\r\n\r\n", name="From/Child")
    before = await alice.mailbox("From/Child")
    await rename(alice, "From", "To/Deep")
    boxes = await listed(alice)
    assert {"To", "To/Deep", "To/Deep/Child"} <= set(boxes)
    assert not any(name.startswith("From") for name in boxes)
    after = await alice.mailbox("To/Deep/Child")
    assert (after.id, after.uidvalidity, after.uidnext) == (before.id, before.uidvalidity, uid + 1)
    with refused("ALREADY_EXISTS", "MAILBOX_EXISTS"):
        await rename(alice, "To", "Drafts")
    with refused("INVALID_ARGUMENT", "MAILBOX_NAME"):
        await rename(alice, "To", "To/Inside")
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await rename(alice, "Nowhere", "Somewhere")


async def test_rename_inbox_leaves_an_empty_one(alice: Api) -> None:
    await alice.append(b"Subject: x\r\n\r\n")
    before = await alice.mailbox()
    await rename(alice, "INBOX", "Archive/Old")
    moved, inbox = await alice.mailbox("Archive/Old"), await alice.mailbox()
    assert (moved.id, moved.uidvalidity, moved.messages) == (before.id, before.uidvalidity, 1)
    assert inbox.messages == 0
    assert inbox.id != before.id
    assert inbox.uidvalidity > before.uidvalidity


async def test_subscriptions(alice: Api) -> None:
    await subscribe(alice, "Not/There")
    boxes = await listed(alice)
    assert (boxes["Not/There"].id, boxes["Not/There"].subscribed) == (0, True)
    await subscribe(alice, "Not/There", False)
    await subscribe(alice, "Drafts", False)
    boxes = await listed(alice)
    assert "Not/There" not in boxes
    assert not boxes["Drafts"].subscribed


async def test_counts(alice: Api) -> None:
    first, second, third = await alice.append(*[b"Subject: x\r\n\r\n"] * 3)
    await alice.flag([first], 1)
    await alice.flag([second], 8)
    one = await alice.mailbox()
    assert (one.messages, one.unseen, one.deleted, one.recent, one.size) == (3, 2, 1, 3, 42)
    assert (one.uidnext, one.highest_modseq > 1) == (third + 1, True)
    same = (await listed(alice, counts=True))["INBOX"]
    assert (same.messages, same.unseen, same.deleted, same.recent) == (3, 2, 1, 3)
    assert (await listed(alice))["INBOX"].messages == 0  # not asked for
    await alice.expunge([first])
    assert (await alice.mailbox()).recent == 2
    assert (await listed(alice, counts=True))["INBOX"].recent == 2


async def test_accounts_do_not_see_each_other(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    await alice.create("Private")
    assert "Private" not in await listed(bob)
    with refused("NOT_FOUND", "MAILBOX_NOT_FOUND"):
        await bob.mailbox("Private")
