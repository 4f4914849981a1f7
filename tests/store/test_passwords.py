"""SetPassword, and what a password opens."""

import pytest
from argon2 import PasswordHasher

from buuta.v1 import account_pb2 as pb
from buuta.v1 import auth_pb2
from services.common.ids import new_request_id
from tests.store.api import Api, Store, refused, rid


async def set_password(admin: Api, account: str, request_id: bytes = b"", **password: str) -> None:
    request = pb.SetPasswordRequest(request_id=request_id or new_request_id(), account=account)
    request.password.CopyFrom(pb.Password(**password))
    await admin.accounts.SetPassword(request)


async def test_a_new_password_ends_all_sessions(store: Store, admin: Api) -> None:
    alice, pop3 = await store.login("alice"), await store.login("alice", "pop3")
    await set_password(admin, alice.account, clear="new")
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await alice.mailbox()
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await alice.append(b"Subject: x\r\n\r\n")
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await pop3.auth.RenewSession(auth_pb2.RenewSessionRequest(session_token=pop3.session))
    with refused("UNAUTHENTICATED", "WRONG_CREDENTIALS"):  # it was verified a moment ago
        await store.login("alice")
    assert (await (await store.login("alice", password="new")).mailbox()).name == "INBOX"


async def test_a_repeat_ends_no_newer_sessions(store: Store, admin: Api, alice: Api) -> None:
    request_id = rid()
    await set_password(admin, alice.account, request_id, clear="new")
    session = await store.login("alice", password="new")
    await set_password(admin, alice.account, request_id, clear="new")
    assert (await session.mailbox()).name == "INBOX"


async def test_a_hash_is_taken_as_it_is(store: Store, admin: Api, alice: Api) -> None:
    await set_password(
        admin, alice.account, hash=PasswordHasher(time_cost=1, memory_cost=64).hash("from elsewhere")
    )
    assert (await store.login("alice", password="from elsewhere")).account == alice.account


@pytest.mark.parametrize(
    "password",
    [
        {},
        {"clear": ""},
        {"clear": "x" * 1025},
        {"hash": "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"},
        {"hash": "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEy"},
        {"hash": "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEy"},
        {"hash": "$argon2id$v=19$m=64,t=100000,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEy"},
        {"hash": "$argon2id$" + "x" * 1000},
    ],
)
async def test_what_is_no_password(admin: Api, alice: Api, password: dict[str, str]) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await set_password(admin, alice.account, **password)
