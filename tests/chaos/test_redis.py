"""Redis slow, gone, emptied, or fallen back: "later" to everybody, then all as it was."""

import imaplib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.support import (
    Background,
    User,
    checked_later,
    eventually,
    message,
    refused_for_now,
    works,
)
from tests.support.system import System

KEPT = tuple(f"{number}@example.net" for number in range(3))


@pytest.fixture
def kept(user: User) -> User:
    """With three messages."""
    for name in KEPT:
        user.send(message(name))
    return user


@pytest.fixture
def session(system: System, kept: User) -> Iterator[imaplib.IMAP4]:
    """A connection that has INBOX open all the time."""
    with system.imap_client(kept.name) as client:
        client.select()
        yield client


def fails_for_now(session: imaplib.IMAP4) -> None:
    """An open session is told NO [UNAVAILABLE], and nothing of its messages."""
    kind, said = session.noop()
    assert (kind, said[0][:13]) == ("NO", b"[UNAVAILABLE]")
    assert not session.untagged_responses.get("EXPUNGE")
    assert not session.untagged_responses.get("EXISTS")


def test_stalled_beyond_its_timeout(system: System, kept: User, session: imaplib.IMAP4) -> None:
    session.untagged_responses.clear()
    system.redis.pause()
    # Its script may well run when Redis goes on: the repeat must not double it.
    sending = Background(lambda: kept.send(message("stalled@example.net")))
    fails_for_now(session)
    refused_for_now(kept)
    with pytest.raises(Exception) as failure:  # noqa: PT011 # looked at in the next line
        sending.result()
    checked_later(failure.value)
    system.redis.resume()
    kept.send_until_taken(message("stalled@example.net"))
    works(kept, *KEPT, "stalled@example.net")
    eventually(kept, lambda: session.noop()[0] == "OK")
    assert session.search(None, "ALL") == ("OK", [b"1 2 3 4 5"])


def test_down_and_up_again(system: System, kept: User, session: imaplib.IMAP4) -> None:
    session.store("2", "+FLAGS", "(\\Flagged later)")
    session.untagged_responses.clear()
    system.redis.kill()
    fails_for_now(session)
    refused_for_now(kept)
    system.redis.start()
    works(kept, *KEPT)
    eventually(kept, lambda: session.noop()[0] == "OK")
    assert session.search(None, "FLAGGED KEYWORD later") == ("OK", [b"2"])


@pytest.mark.parametrize("how", ["flushed", "files gone"])
def test_emptied(system: System, kept: User, session: imaplib.IMAP4, tmp_path: Path, how: str) -> None:
    system.copy_redis(tmp_path / "copy")
    session.untagged_responses.clear()
    if how == "flushed":
        system.redis.flush()
    else:
        system.put_redis_back(None)
    # Stores that were running when it happened.
    fails_for_now(session)
    refused_for_now(kept)
    # And one that starts and finds it so: it never takes the empty one for its own.
    system.stores[0].kill()
    system.stores[0].launch()
    refused_for_now(kept)
    fails_for_now(session)
    system.put_redis_back(tmp_path / "copy")
    system.stores[0].wait_ready()
    works(kept, *KEPT)
    eventually(kept, lambda: session.noop()[0] == "OK")
    assert session.search(None, "ALL") == ("OK", [b"1 2 3 4"])
    _, found = session.fetch("1", "(BODY.PEEK[])")
    assert b"Text" in found[0][1], "its body was not collected"


def test_put_back_to_an_older_copy(
    system: System, kept: User, session: imaplib.IMAP4, tmp_path: Path
) -> None:
    system.copy_redis(tmp_path / "copy")
    for name in ("lost1@example.net", "lost2@example.net"):
        kept.send_until_taken(message(name))
    eventually(kept, lambda: session.noop()[0] == "OK")
    session.store("1", "+FLAGS", "\\Answered")
    told = dict(kept.by_uid())
    uidvalidity, modseq = uidvalidity_and_modseq(system, kept)
    assert list(told.values()) == [*KEPT, "lost1@example.net", "lost2@example.net"]

    system.put_redis_back(tmp_path / "copy")
    eventually(kept, lambda: kept.ids() == list(KEPT))
    kept.send_until_taken(message("new@example.net"))
    found = kept.by_uid()
    assert list(found.values()) == [*KEPT, "new@example.net"]
    assert all(told.get(uid, name) == name for uid, name in found.items()), "a UID names one message for ever"
    assert max(found) > max(told)
    now_uidvalidity, now_modseq = uidvalidity_and_modseq(system, kept)
    assert now_uidvalidity == uidvalidity
    assert now_modseq > modseq

    # The session that was open all the time learns what is there, by a comparison of everything.
    eventually(kept, lambda: session.noop()[0] == "OK")
    assert session.search(None, "ALL") == ("OK", [b"1 2 3 4"])
    assert session.search(None, "ANSWERED") == ("OK", [b""])
    assert b"4 (UID %d)" % max(found) in session.fetch("4", "(UID)")[1]


def test_put_back_behind_two_restarts(
    system: System, kept: User, session: imaplib.IMAP4, tmp_path: Path
) -> None:
    """Each of three incarnations begins from the same copy or goes on; a UID names one message for ever."""
    told = dict(kept.by_uid())

    def sent(*names: str) -> None:
        for name in names:
            kept.send_until_taken(message(name))
        found: dict[int, str] = {}
        eventually(kept, lambda: bool(found.update(kept.by_uid()) or found))
        assert set(names) <= set(found.values())
        assert all(told.setdefault(uid, name) == name for uid, name in found.items())

    system.copy_redis(tmp_path / "oldest")
    sent("lost1@example.net")
    for number in (2, 3):
        system.redis.kill()
        system.redis.start()
        sent(f"lost{number}a@example.net", f"lost{number}b@example.net")
        assert kept.ids()[: len(KEPT)] == list(KEPT)
    for number in (4, 5):
        system.put_redis_back(tmp_path / "oldest")
        sent(f"new{number}@example.net")
        assert kept.ids() == [*KEPT, f"new{number}@example.net"]
    assert max(told) == max(kept.by_uid())

    # The session that was open all the time has none of what was lost.
    eventually(kept, lambda: session.noop()[0] == "OK")
    assert session.search(None, "ALL") == ("OK", [b"1 2 3 4"])
    assert b"4 (UID %d)" % max(told) in session.fetch("4", "(UID)")[1]


def uidvalidity_and_modseq(system: System, user: User) -> tuple[int, int]:
    with system.imap_client(user.name) as client:
        _, [line] = client.status("INBOX", "(UIDVALIDITY HIGHESTMODSEQ)")
    numbers = re.findall(rb"(?:UIDVALIDITY|HIGHESTMODSEQ) (\d+)", line)
    return int(numbers[0]), int(numbers[1])


def test_a_modseq_of_a_lost_future_gets_everything(
    system: System, kept: User, session: imaplib.IMAP4, tmp_path: Path
) -> None:
    """CONDSTORE (RFC 7162): what changed since a change that no longer is."""
    system.copy_redis(tmp_path / "copy")
    session.store("1:3", "+FLAGS", "\\Answered")
    _, modseq = uidvalidity_and_modseq(system, kept)
    system.put_redis_back(tmp_path / "copy")
    eventually(kept, lambda: kept.ids() == list(KEPT))
    for _ in ("before the first write behind it", "after"):
        with system.imap_client(kept.name) as client:
            client.select("INBOX", readonly=True)
            kind, found = client.fetch("1:*", f"(FLAGS) (CHANGEDSINCE {modseq})")
            assert kind == "OK"
            assert sum(b"\\Answered" not in row for row in found if row) >= len(KEPT)
        kept.send_until_taken(message("new@example.net"))
