"""SyncMailbox: what changed since the caller last looked, exactly or else everything."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buuta.v1 import mailbox_pb2 as pb
from services.store.collector import Collector
from services.store.index import keys
from tests.store.api import Api, Store, column, known, refused, rid, rows_of, uids_of

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"


async def test_the_first_time_everything_is_told(alice: Api) -> None:
    uids = await alice.append(MESSAGE, MESSAGE, flags=1)
    answer = await alice.sync()
    assert answer.full
    assert rows_of(answer.changed) == dict.fromkeys(uids, 1)
    assert np.frombuffer(answer.changed.sizes, "<u4").tolist() == [len(MESSAGE)] * 2
    assert len(np.frombuffer(answer.changed.internal_dates, "<i8")) == 2
    assert np.frombuffer(answer.changed.modseqs, "<u8").max() == answer.mailbox.highest_modseq
    assert (answer.mailbox.messages, answer.mailbox.unseen) == (2, 0)
    assert answer.vanished == b""


async def test_then_only_what_changed(alice: Api) -> None:
    first, second, third = await alice.append(MESSAGE, MESSAGE, MESSAGE)
    before = await alice.sync()
    nothing = await alice.sync(**known(before))
    assert (nothing.full, nothing.changed.uids, nothing.vanished) == (False, b"", b"")
    [fourth] = await alice.append(MESSAGE)
    await alice.flag([second], 2)
    await alice.expunge([first])
    answer = await alice.sync(**known(before))
    assert not answer.full
    assert rows_of(answer.changed) == {second: 2, fourth: 0}
    assert uids_of(answer.vanished) == [first]
    assert answer.mailbox.messages == 3
    narrowed = await alice.sync(**known(before), known_uids=column([second, third]))
    assert narrowed.vanished == b""


@pytest.mark.parametrize("wrong", ["uidvalidity", "incarnation", "since_seq"])
async def test_what_the_store_does_not_know_is_answered_in_full(alice: Api, wrong: str) -> None:
    uids = await alice.append(MESSAGE, MESSAGE)
    told = known(await alice.sync())
    told[wrong] = {"uidvalidity": 7, "incarnation": b"another", "since_seq": 2**40}[wrong]
    answer = await alice.sync(**told, known_uids=column([*uids, 99]))
    assert answer.full
    assert list(rows_of(answer.changed)) == uids
    assert uids_of(answer.vanished) == [99]


async def test_a_qresync_client_has_no_incarnation(alice: Api) -> None:
    [first] = await alice.append(MESSAGE)
    before = await alice.sync()
    await alice.flag([first], 1)
    answer = await alice.sync(uidvalidity=before.mailbox.uidvalidity, since_seq=before.mailbox.highest_modseq)
    assert (answer.full, rows_of(answer.changed)) == (False, {first: 1})


async def test_a_number_of_a_lost_incarnation_is_worth_nothing(store: Store, alice: Api) -> None:
    """After a failover that lost changes a modseq may have named another change."""
    [first] = await alice.append(MESSAGE)
    answer = await alice.sync()
    told = known(answer)
    before = int(answer.incarnation) - 1
    header = keys.account_key(alice.account)
    await store.platform.index.connection.change("HSET", header, "inc", before)  # another server wrote last
    qresync = {"uidvalidity": told["uidvalidity"], "since_seq": int(str(told["since_seq"])) + 5}
    assert (await alice.sync(**qresync)).full  # a change that the lost server had made
    await alice.flag([first], 1)
    assert (await alice.sync(**qresync)).full
    after = await alice.sync(**told)  # read from this server: the jump lost nothing
    assert (after.full, rows_of(after.changed)) == (False, {first: 1})
    assert after.incarnation == told["incarnation"]
    assert not (await alice.sync(**known(after))).full


async def test_older_than_the_tombstones(store: Store, alice: Api) -> None:
    """Without `known_uids` everything is told; with them what is gone is told exactly."""
    first, second, third = await alice.append(MESSAGE, MESSAGE, MESSAGE)
    before = known(await alice.sync())
    await alice.expunge([first])
    collector = Collector(store.platform.index, store.platform.bodies, grace=3600, retention=-60)
    await collector.round()  # looks at it for the first time
    await alice.expunge([second])
    await collector.round()  # drops what was there then
    assert (await alice.sync(**before)).full
    exact = await alice.sync(**before, known_uids=column([first, second, third]))
    assert (exact.full, uids_of(exact.vanished)) == (False, [first, second])
    assert rows_of(exact.changed) == {}


# -- \Recent --------------------------------------------------------------------------------


async def test_recent_messages_are_claimed_once(store: Store, alice: Api) -> None:
    first, _ = await alice.append(MESSAGE, MESSAGE)
    assert (await alice.sync()).recent_first_uid == first
    request = pb.SyncMailboxRequest(account=alice.account, name="INBOX", claim_recent=True, request_id=rid())
    assert (await alice.mailboxes.SyncMailbox(request)).recent_first_uid == first
    # The first answer got lost: the repeat tells the same.
    assert (await alice.mailboxes.SyncMailbox(request)).recent_first_uid == first
    other = await store.login("alice")
    assert (await other.sync(claim_recent=True, request_id=rid())).recent_first_uid == 0
    [third] = await alice.append(MESSAGE)
    assert (await other.sync(claim_recent=True, request_id=rid())).recent_first_uid == third


async def test_a_claim_needs_a_request_id(alice: Api) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await alice.sync(claim_recent=True)


async def test_uids_must_ascend(alice: Api) -> None:
    for uids in (column([2, 1]), column([1, 1]), b"abc"):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await alice.sync(known_uids=uids)


# -- any sequence of changes ----------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "flag", "expunge", "sync"]), st.integers(0, 30)), max_size=25
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_differences_add_up_to_the_whole(alice: Api, steps: list[tuple[str, int]]) -> None:
    mine: dict[int, int] = {}
    answer = await alice.sync()
    mine = rows_of(answer.changed)
    for what, number in steps:
        uids = list(rows_of((await alice.sync()).changed))
        chosen = uids[number % len(uids) :][:3] if uids else []
        if what == "append":
            await alice.append(*[MESSAGE] * (number % 4 + 1))
        elif what == "flag" and chosen:
            await alice.flag(chosen, number % 32, operation=number % 3 + 1)
        elif what == "expunge" and chosen:
            await alice.expunge(chosen)
        elif what == "sync":
            answer = await alice.sync(**known(answer))
            _apply(mine, answer)
    answer = await alice.sync(**known(answer))
    _apply(mine, answer)
    assert mine == rows_of((await alice.sync()).changed)
    assert answer.mailbox.messages == len(mine)


def _apply(mine: dict[int, int], answer: pb.SyncMailboxResponse) -> None:
    if answer.full:
        mine.clear()
    for uid in uids_of(answer.vanished):
        mine.pop(uid, None)
    mine.update(rows_of(answer.changed))
