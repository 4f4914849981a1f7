"""Rules that every script keeps, seen by MONITOR: one slot, nothing written before all was read and touched.

On a small Cluster a script that leaves its slot succeeds by luck, and a script that fails
after its first write keeps that write; so what each script really did is looked at.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.crc import key_slot

import services.store.index
from services.common.errors import Refused, Unavailable
from services.store.index import keys
from services.store.index.connection import Connection
from services.store.index.core import Scope
from services.store.index.directory import Directory
from services.store.index.errors import WORDS
from services.store.index.index import Index
from services.store.index.messages import FlagChange
from services.store.index.record import DELETED
from services.store.index.scripts import PRELUDE, READERS, load
from services.store.status import CODE_OF
from tests.store.index.support import Redis, fill, message, new_account, opened, request, uids
from tests.support.processes import RedisServer

LUA = Path(services.store.index.__file__).parent / "lua"
READS = {
    "GET",
    "HGET",
    "HMGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "EXISTS",
    "STRLEN",
    "GETRANGE",
    "LLEN",
    "LRANGE",
    "ZSCORE",
    "SCARD",
    "SISMEMBER",
}
WRITES = {
    "SETRANGE",
    "SET",
    "HSET",
    "RPUSH",
    "LSET",
    "INCRBY",
    "XTRIM",
    "HDEL",
    "DEL",
    "ZADD",
    "ZREM",
    "SADD",
    "SREM",
    "XADD",
    "PEXPIRE",
    "PEXPIREAT",
}
NO_KEY = {"INFO", "PUBLISH"}
LINE = re.compile(rb"\+\d+\.\d+ \[\d+ (\S+)\] (.*)\r\n")
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class Run:
    """One run of a script: its name, its key, and the commands that it called, with each key of theirs."""

    name: str
    key: bytes
    commands: list[tuple[str, bytes]] = field(default_factory=list)


def runs_of(lines: list[bytes]) -> Iterator[Run]:
    """The runs of scripts in what MONITOR printed, in order."""
    names = {script.digest: name for name, script in load().items()}
    run = None
    for line in lines:
        found = LINE.fullmatch(line)
        assert found is not None, line
        words = WORD.findall(found[2])
        if words[0].upper() == b"EVALSHA":
            run = Run(names[words[1]], words[3])
            yield run
        elif found[1] == b"lua":
            assert run is not None
            command = words[0].decode().upper()
            several = words[1:] if command == "EXISTS" else words[1:2]
            run.commands += [(command, key) for key in several]


class Monitor:
    """Everything that one server does, while it is open."""

    def __init__(self, server: RedisServer) -> None:
        self._port = server.port
        self.lines: list[bytes] = []

    async def __aenter__(self) -> "Monitor":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**26)
        self._writer.write(b"MONITOR\r\n")
        assert await self._reader.readline() == b"+OK\r\n"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def read_to(self, mark: bytes) -> list[Run]:
        """The runs up to a command that has this word."""
        while mark not in (line := await asyncio.wait_for(self._reader.readline(), 60)):
            self.lines.append(line)
        return list(runs_of(self.lines))


async def everything(index: Index) -> None:
    """Every script at least once, with and without an effect."""
    scope, other = await new_account(index), await new_account(index, "bob")
    directory, account = Directory(index.connection, index), scope.account
    await index.set_domain(request().id, "example.test", True)
    await directory.claim("alice@example.test", account, "alice@example.test")
    await directory.settle("alice@example.test", account, "alice@example.test")
    await index.set_password(request().id, account, "new")
    scope = Scope(account)
    await index.names(scope, counts=True)
    await index.head(scope, 0, "INBOX")
    await mail(index, scope)
    await index.lock_maildrop(scope, b"1" * 16, 60_000, renew=False)
    await index.expunge(scope, request(), 1, uids(3), force=True, lock=b"1" * 16)
    await index.copy(scope, request(), 1, uids(*range(10, 1100)), "Trash", move=False)
    which = uids(*range(10, 20)).tobytes()  # of a larger command, which then cannot go on
    await index.write("message_copy", scope, request(), 1, "n", "Trash", "copy", which, "name", 2**45, 0, "")
    for name in ("name", "none"):
        await index.undo_operation(account, keys.operation_key(account, name))
    await index.delete_mailbox(scope, request(), "b")
    await index.delete_account(request().id, other.account)
    shard = keys.shard_of(account)
    for _ in range(2):
        await index.prune(shard, 2**45)
        await index.purge(shard)
    for item in (await index.garbage(shard, 2**45))[:3]:
        await index.take_garbage(shard, item.member)
    body = message().body
    await index.write_references(body, [account, other.account])
    await index.drop_reference(body, account)
    await index.drop_reference(body, other.account)
    await index.forget_references(body)
    await directory.drop("alice@example.test", account)


async def mail(index: Index, scope: Scope) -> None:
    await index.append(scope, request(), "INBOX", [message(0, ["a"]), message(DELETED)], b"dedupe key of 16")
    await index.append(scope, request(), "INBOX", [message()], b"dedupe key of 16")
    await fill(index, scope, 1200)
    await index.update_flags(scope, request(), 1, uids(1, 2, 700), FlagChange(1, 1, ["b"]))
    await index.copy(scope, request(), 1, uids(1, 2), "Trash", move=False)
    await index.copy(scope, request(), 1, uids(5, 6), "Trash", move=True)
    await index.expunge(scope, request(), 1, uids(1, 2, 700))
    await index.claim_recent(scope, request(), 1)
    await index.create_mailbox(scope, request(), "a/b", 0)
    await index.rename_mailbox(scope, request(), "a", "b")
    await fill(index, scope, 2, "b/b")
    await index.rename_mailbox(scope, request(), "INBOX", "c")
    await index.rename_mailbox(scope, request(), "b/b", "d")
    await index.subscribe(scope, request(), "d", True)
    await index.rename_mailbox(scope, request(), "c", "INBOX/c")
    await index.rename_mailbox(scope, request(), "INBOX/c", "c")
    await index.delete_mailbox(scope, request(), "d")


@pytest.mark.parametrize("redis", ["redis62", "redis7"], indirect=True)
async def test_every_script_stays_in_its_slot_and_writes_last(index: Index, redis: RedisServer) -> None:
    async with Monitor(redis) as monitor:
        await everything(index)
        await index.connection.command("GET", b"the end")
        runs = await monitor.read_to(b"the end")
    assert {run.name for run in runs} == set(load())
    for run in runs:
        slot, seen, wrote = key_slot(run.key), {run.key}, False
        for command, key in run.commands:
            if command in NO_KEY:
                continue
            assert key_slot(key) == slot, (run.name, command, key)
            if command in READS:
                assert not wrote, (run.name, "reads after its first write", command, key)
                seen.add(key)
                continue
            assert command in WRITES, (run.name, command)
            assert run.name not in READERS
            # The first write may fail: nothing was written then.
            assert key in seen or not wrote, (run.name, "was not touched first", key)
            seen.add(key)
            wrote = True


async def test_all_of_it_works_on_every_kind_of_redis(index: Index) -> None:
    await everything(index)


def test_every_refusal_has_a_status() -> None:
    """A word that Python does not know would be taken for a failure of Redis."""
    used: set[str] = set()
    for path in LUA.iterdir():
        text = path.read_text()
        used |= set(re.findall(r"refuse\([^')]*'([A-Z_]+)'", text))
        used |= set(re.findall(r"error_reply\('([A-Z_]+) ", text))
    used.add("DESTINATION_NOT_FOUND")  # given to find_mailbox
    assert used == WORDS
    assert WORDS - {"INCARNATION", "GENERATION", "OPERATION_ENDED", "ACCOUNT_NOT_FOUND"} <= set(CODE_OF)


def test_every_script_has_its_prelude() -> None:
    names = {path.stem for path in LUA.iterdir() if not path.name.startswith("_")}
    assert set(PRELUDE) | READERS == names == set(load())
    assert not set(PRELUDE) & READERS


async def test_scripts_that_redis_forgot_are_given_again(index: Index) -> None:
    scope = await new_account(index)
    for node in index.connection.servers:
        await node.call(("SCRIPT", "FLUSH"), False)
    assert (await fill(index, scope, 1)).tolist() == [1]


async def test_what_redis_says_is_no_refusal(index: Index) -> None:
    """A key of the wrong type, a script that breaks: Unavailable, whatever the words are."""
    scope = await new_account(index)
    await index.connection.change("SET", keys.account_key(scope.account) + b":n", "no hash")
    for attempt in (
        fill(index, scope, 1),
        index.names(scope),
        index.create_mailbox(scope, request(), "a", 0),
    ):
        with pytest.raises(Unavailable):
            await attempt
    with pytest.raises(Unavailable):
        await index.write("message_append", scope, request(), "i", 1, "", b"too short", b"", "", "")


async def test_a_redis_that_is_not_there(redis: Redis) -> None:
    connection = Connection("redis://127.0.0.1:1/0", timeout=5.0)
    with pytest.raises(Unavailable):
        await connection.start()
    await connection.close()


async def test_callers_of_one_moment_share_round_trips(redis: Redis) -> None:
    redis.flush()
    async with opened(redis.url) as index:
        scopes = [await new_account(index, f"u{n}") for n in range(20)]
        done = await asyncio.gather(*(fill(index, scope, 3) for scope in scopes for _ in range(3)))
        assert sorted(uid for part in done for uid in part.tolist()) == sorted([*range(1, 10)] * 20)
        with pytest.raises(Refused):
            await index.append(scopes[0], request(), "nowhere", [message()])
