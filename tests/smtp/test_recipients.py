"""What is kept of the store's answers about recipients, and that no mail is lost by it."""

import time

import pytest

from buuta.v1.account_pb2 import DeleteAccountRequest
from services.common.errors import Refused
from services.smtp import recipients as recipients_module
from services.smtp.recipients import Recipients
from tests.smtp.support import Platform
from tests.smtp.test_delivery import inbox, say

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def delete(platform: Platform, account: str) -> None:
    await platform.store.admin.accounts.DeleteAccount(DeleteAccountRequest(account=account))


async def test_an_account_is_kept_for_seconds(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await platform.store.create_account("kept")
    recipients, admin = Recipients(), platform.store.admin
    assert await recipients.account(admin, None, "kept@example.test") == account
    await delete(platform, account)
    assert await recipients.account(admin, None, "kept@example.test") == account
    later = time.monotonic() + recipients_module.KEEP
    monkeypatch.setattr(recipients_module.time, "monotonic", lambda: later)
    with pytest.raises(Refused, match="No such user"):
        await recipients.account(admin, None, "kept@example.test")


async def test_a_refusal_is_not_kept(platform: Platform) -> None:
    recipients, admin = Recipients(), platform.store.admin
    with pytest.raises(Refused):
        await recipients.account(admin, None, "comes@example.test")
    account = await platform.store.create_account("comes")
    assert await recipients.account(admin, None, "comes@example.test") == account


async def test_what_is_kept_is_bounded(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipients_module, "MOST", 2)
    recipients = Recipients()
    for name in ("alice", "bob", "postmaster"):
        await recipients.account(platform.store.admin, None, f"{name}@example.test")
    assert len(recipients._known) <= 2


async def test_mail_for_an_account_that_was_just_deleted_is_refused(platform: Platform) -> None:
    account = await platform.store.create_account("leaves")
    assert (await say(platform, b"Subject: 1\r\n\r\n", "leaves@example.test")).startswith(b"250 ")
    await delete(platform, account)
    assert (await say(platform, b"Subject: 2\r\n\r\n", "leaves@example.test")).startswith(b"550 5.1.1 ")


async def test_mail_for_an_account_that_was_just_replaced_reaches_the_new_one(platform: Platform) -> None:
    old = await platform.store.create_account("replaced")
    await platform.store.create_account("stays")
    both = ("stays@example.test", "replaced@example.test")
    assert (await say(platform, b"Message-ID: <1@x>\r\n\r\n", *both)).startswith(b"250 ")
    await delete(platform, old)
    await platform.store.create_account("replaced")
    message = b"Message-ID: <2@x>\r\n\r\n"
    assert (await say(platform, message, *both)).startswith(b"451 ")
    assert (await say(platform, message, *both)).startswith(b"250 ")
    assert len(await inbox(platform, "replaced")) == 1
    assert len(await inbox(platform, "stays")) == 2
