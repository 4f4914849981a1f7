"""AuthService: who gets a session, for how long, and what a token is worth."""

import base64
import time

import pytest

from buuta.v1 import account_pb2, auth_pb2
from services.store import throttle
from services.store.passwords import Passwords
from services.store.tokens import SESSION_SECONDS, SessionClaims, Tokens
from tests.store.api import Api, Store, refused, rid

ANOTHER_KEY = "the key of another platform"


def request(username: str, password: str = "alice", **more: str) -> auth_pb2.AuthenticateRequest:
    return auth_pb2.AuthenticateRequest(username=username, password=password.encode(), **more)


async def test_a_login(store: Store) -> None:
    before = time.time()
    answer = await store.api("imap").auth.Authenticate(request("Alice@EXAMPLE.test"))
    assert answer.address == "alice@example.test"
    assert before + SESSION_SECONDS - 1 <= answer.expire_time.seconds <= time.time() + SESSION_SECONDS
    short = await store.api("pop3").auth.Authenticate(request("alice"))
    assert short.account == answer.account


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("alice@example.test", "wrong"),
        ("alice@example.test", ""),
        ("alice@example.test", "x" * 5000),
        ("nobody@example.test", "alice"),
        ("alice@elsewhere.test", "alice"),
        ("alice@", "alice"),
        ("@", "alice"),
        ("", "alice"),
        ("a\0b", "alice"),
        ("x" * 100_000, "alice"),
    ],
)
async def test_a_wrong_user_is_told_as_a_wrong_password(store: Store, username: str, password: str) -> None:
    with refused("UNAUTHENTICATED", "WRONG_CREDENTIALS"):
        await store.api("imap").auth.Authenticate(request(username, password))


async def test_acting_as_another_user(store: Store) -> None:
    api = store.api("imap")
    own = await api.auth.Authenticate(request("alice", authorization_identity="ALICE@example.test"))
    assert own.account
    for other in ("bob@example.test", "nobody@example.test", "@"):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await api.auth.Authenticate(request("alice", authorization_identity=other))


# -- tokens ---------------------------------------------------------------------------------


async def epoch_of(store: Store, account: str) -> int:
    header = await store.platform.index.account(account)
    assert header is not None
    return header.epoch


async def test_a_token_ends(store: Store, alice: Api) -> None:
    claims = SessionClaims(alice.account, alice.account, 1, "alice@example.test", time.time() - 1)
    expired = store.api("imap", store.platform.tokens.issue(claims), alice.account)
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await expired.mailbox()
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await expired.auth.RenewSession(auth_pb2.RenewSessionRequest(session_token=expired.session))


async def test_forged_tokens(store: Store, alice: Api) -> None:
    bob = await store.login("bob")
    epoch = await epoch_of(store, bob.account)
    claims = SessionClaims(bob.account, alice.account, epoch, "alice@example.test", time.time() + 999)
    raw = base64.urlsafe_b64decode(alice.session)
    for token in (
        Tokens(ANOTHER_KEY).issue(claims),
        base64.urlsafe_b64encode(raw[:16] + raw[16:].replace(alice.account.encode(), bob.account.encode())),
        base64.urlsafe_b64encode(raw[:-1]),
        base64.urlsafe_b64encode(bytes(16)),
        store.running.token("imap"),  # signed by us, for something else
        "x",
        "=" * 4000,
    ):
        text = token if isinstance(token, str) else token.decode()
        forger = store.api("imap", text, bob.account)
        with refused("UNAUTHENTICATED", "SESSION_ENDED"):
            await forger.mailbox()


async def test_renewing(store: Store, alice: Api) -> None:
    renew = auth_pb2.RenewSessionRequest(session_token=alice.session)
    answer = await alice.auth.RenewSession(renew)
    fresh = store.api("imap", answer.session_token, alice.account)
    assert (await fresh.mailbox()).name == "INBOX"
    assert store.platform.tokens.verify(answer.session_token, time.time()).principal == alice.account
    admin = store.api("admin")
    await admin.accounts.DeleteAccount(
        account_pb2.DeleteAccountRequest(request_id=rid(), account=alice.account)
    )
    with refused("UNAUTHENTICATED", "SESSION_ENDED"):
        await store.api("imap").auth.RenewSession(renew)


# -- the memory of verified passwords -------------------------------------------------------


async def test_a_verified_password_is_remembered_for_its_credential_only() -> None:
    passwords = Passwords("a key for tests only")
    credential = await passwords.hash(b"right")
    assert await passwords.verify("a", 1, credential, b"right")
    # From memory: the credential is not even looked at; another account, epoch or password is.
    assert await passwords.verify("a", 1, "", b"right")
    assert not await passwords.verify("a", 2, "", b"right")
    assert not await passwords.verify("b", 1, "", b"right")
    assert not await passwords.verify("a", 1, "", b"wrong")
    assert not await passwords.verify("a", 1, credential, b"wrong")


# -- throttling -----------------------------------------------------------------------------


async def fail(store: Store, address: str, times: int) -> None:
    for _ in range(times):
        with refused("UNAUTHENTICATED", "WRONG_CREDENTIALS"):
            await store.api("imap").auth.Authenticate(request("nobody", client_address=address))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(throttle, "MOST_FAILURES", 3)
    return 3


@pytest.mark.parametrize(
    ("address", "same_network", "another"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2", "fe81::1"),
    ],
)
async def test_too_many_failures(
    store: Store, few: int, address: str, same_network: str, another: str
) -> None:
    await fail(store, address, few)
    for throttled in (address, same_network):
        with refused("RESOURCE_EXHAUSTED", "LOGIN_THROTTLED"):  # the right password too
            await store.api("imap").auth.Authenticate(request("alice", client_address=throttled))
    answer = await store.api("imap").auth.Authenticate(request("alice", client_address=another))
    assert answer.account


async def test_who_has_no_address_is_not_throttled(store: Store, few: int) -> None:
    for address in ("", "unix socket"):
        await fail(store, address, few + 1)


async def test_failures_are_forgotten(store: Store, few: int) -> None:
    """Each count has an end from its first moment on, whatever crashes in between."""
    await fail(store, "192.0.2.1", 1)
    connection = store.platform.index.connection
    [key] = await connection.servers[0].call(("KEYS", "*:count:login:192.0.2.1"), False)
    assert 0 < await connection.command("TTL", key) <= throttle.WINDOW_SECONDS
    await connection.change("PERSIST", key)  # as if it had ended between two steps, and begun again
    await fail(store, "192.0.2.1", 1)
    assert int(await connection.command("GET", key)) == few - 1
    assert 0 < await connection.command("TTL", key) <= throttle.WINDOW_SECONDS
