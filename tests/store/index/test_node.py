"""One Redis server as the store talks to it: order, deadlines, failures, the end; on a real redis-server."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from services.common.errors import Unavailable
from services.store.index.connection import Connection
from services.store.index.node import Node
from tests.store.index.nodes import TIMEOUT, ask, clients, opened, replica, write
from tests.support.processes import RedisServer, free_port

# The watch's last look, and what a busy machine needs beside it.
LATE = TIMEOUT * 1.2 + 1.0


@pytest.fixture
async def node(server: RedisServer) -> AsyncIterator[Node]:
    async with opened(server.url) as node:
        yield node


@contextlib.asynccontextmanager
async def greeting(octets: bytes) -> AsyncIterator[str]:
    """The URL of something that is no Redis: it says these octets and nothing more."""
    gone: list[asyncio.Task[None]] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)
        await reader.read()
        writer.close()
        await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.append(asyncio.create_task(greet(reader, writer)))

    listener = await asyncio.start_server(accept, "127.0.0.1", free_port())
    yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    listener.close()
    await asyncio.wait_for(asyncio.gather(*gone), 10)


def reads(server: RedisServer) -> int:
    """How often the server read from a connection."""
    lines = server.ask("INFO", "stats").splitlines()
    return int(next(line for line in lines if line.startswith(b"total_reads_processed:")).partition(b":")[2])


# Order


async def test_each_caller_gets_its_own_reply(server: RedisServer, node: Node) -> None:
    """Replies of all kinds and sizes, errors among them."""

    async def caller(number: int) -> None:
        for step in range(20):
            word = b"%d.%d." % (number, step) + b"x" * (number * 997 % 20_000)
            assert await ask(node, "ECHO", word) == word
            assert isinstance(await ask(node, "EVALSHA", "0" * 40, 0), NoScriptError)
            assert await write(node, "HSET", f"h{number}", "field", word) in (0, 1)
            assert await ask(node, "HGETALL", f"h{number}") == {b"field": word}
            assert await ask(node, "GET", "nothing") is None

    await asyncio.gather(*(caller(number) for number in range(50)))
    assert clients(server) == 1


async def test_commands_are_done_in_the_order_of_their_callers(node: Node) -> None:
    replies = [node.put(("RPUSH", "list", number), True) for number in range(1000)]
    assert [await reply for reply in replies] == list(range(1, 1001))
    assert await ask(node, "LRANGE", "list", 0, -1) == [b"%d" % number for number in range(1000)]


async def test_callers_of_one_turn_share_a_write(server: RedisServer, node: Node) -> None:
    await ask(node, "PING")
    before = reads(server)
    assert await asyncio.gather(*(node.call(("ECHO", number), False) for number in range(200))) == [
        b"%d" % number for number in range(200)
    ]
    assert reads(server) - before <= 4  # INFO, and 200 commands: less than Redis reads at once


async def test_one_command_larger_than_any_buffer(node: Node) -> None:
    large = b"0123456789abcdef" * 2**20
    others = [node.put(("ECHO", number), False) for number in range(10)]
    assert await write(node, "SET", "large", large) == b"OK"
    assert [await other for other in others] == [b"%d" % number for number in range(10)]
    assert await ask(node, "GET", "large") == large


# What a server answers


async def test_error_replies_are_values_of_their_callers(node: Node) -> None:
    commands: Sequence[tuple[str, ...]] = (
        ("SET", "key", "value"),
        ("HGET", "key", "field"),
        ("GET", "key"),
        ("NO SUCH COMMAND",),
        ("EVALSHA", "0" * 40, "0"),
        ("GET", "key"),
    )
    stored, wrong_type, value, unknown, no_script, again = await asyncio.gather(
        *(node.call(command, True) for command in commands)
    )
    assert (stored, value, again) == (b"OK", b"value", b"value")
    assert isinstance(wrong_type, ResponseError)
    assert str(wrong_type).startswith("WRONGTYPE")
    assert isinstance(unknown, ResponseError)
    assert "unknown command" in str(unknown)
    assert isinstance(no_script, NoScriptError)


async def test_a_replica_refuses_writes(server: RedisServer, node: Node, tmp_path: Path) -> None:
    with replica(server, tmp_path) as other:
        async with opened(other.url) as reader:
            assert isinstance(await write(reader, "SET", "key", 1), ReadOnlyError)
            assert await ask(reader, "GET", "key") is None
        connection = Connection(other.url, TIMEOUT)
        with pytest.raises(Unavailable):
            await connection.change("SET", "key", 1)
        await connection.close()


async def test_a_password_and_a_database_come_from_the_url(server: RedisServer, node: Node) -> None:
    address = f"127.0.0.1:{server.port}"
    await write(node, "SET", "where", "0")
    await write(node, "CONFIG", "SET", "requirepass", "secret word")
    async with opened(f"redis://:secret%20word@{address}/3") as known:
        assert await ask(known, "GET", "where") is None
        assert await write(known, "SET", "where", "3") == b"OK"
    for url in (f"redis://{address}", f"redis://:wrong@{address}"):
        async with opened(url) as unknown:
            assert isinstance(await ask(unknown, "GET", "where"), Unavailable)
    assert await ask(node, "GET", "where") == b"0"


async def test_a_server_that_asks_for_a_password_all_at_once(server: RedisServer, node: Node) -> None:
    """NOAUTH on a connection that was good: Unavailable, and a new connection finds out for itself."""
    assert await write(node, "SET", "key", 1) == b"OK"
    await write(node, "CONFIG", "SET", "requirepass", "secret")
    await write(node, "RESET")
    replies = await asyncio.gather(*(node.call(("GET", "key"), False) for _ in range(10)))
    assert all(isinstance(reply, Unavailable) for reply in replies)
    assert server.ask("AUTH", "secret").startswith(b"+OK")


# Deadlines


async def test_a_server_that_stalls_is_unavailable_in_time(server: RedisServer, node: Node) -> None:
    assert await write(node, "INCR", "count") == 1
    server.pause()
    began = time.monotonic()
    replies = await asyncio.gather(*(node.call(("INCR", "count"), True) for _ in range(300)))
    assert TIMEOUT <= time.monotonic() - began < LATE
    assert all(isinstance(reply, Unavailable) for reply in replies)
    began = time.monotonic()  # now in the handshake of another connection
    assert isinstance(await ask(node, "GET", "count"), Unavailable)
    assert time.monotonic() - began < LATE
    server.resume()
    # What was sent once was done once or not at all: nothing is repeated.
    assert 1 <= int(await ask(node, "GET", "count")) <= 301
    await asyncio.sleep(0.2)
    seen = await ask(node, "GET", "count")
    assert int(await write(node, "INCR", "count")) == int(seen) + 1 <= 302


async def test_what_cannot_be_sent_is_unavailable_in_time(server: RedisServer, node: Node) -> None:
    """More than the sockets hold: the writer waits, and the queue behind it ends with the deadline."""
    await ask(node, "PING")
    server.pause()
    began = time.monotonic()
    large = [node.put(("SET", "large", b"x" * 2**24), True) for _ in range(3)]
    await asyncio.sleep(0.1)
    small = [node.put(("SET", "small", number), True) for number in range(100)]
    replies = [await reply for reply in (*large, *small)]
    assert all(isinstance(reply, Unavailable) for reply in replies)
    assert time.monotonic() - began < LATE
    server.resume()
    assert await write(node, "SET", "small", "last") == b"OK"
    assert await ask(node, "GET", "small") == b"last"


async def test_a_server_that_accepts_and_says_nothing() -> None:
    async with greeting(b"") as url, opened(url) as node:
        began = time.monotonic()
        replies = await asyncio.gather(*(node.call(("PING",), False) for _ in range(1000)))
        assert all(isinstance(reply, Unavailable) for reply in replies)
        assert TIMEOUT <= time.monotonic() - began < LATE


async def test_one_slow_command_ends_those_behind_it_and_no_others(server: RedisServer, node: Node) -> None:
    await write(node, "CONFIG", "SET", "timeout", 0)
    early = node.put(("ECHO", "early"), False)
    slow = node.put(("BLPOP", "nothing", 5), True)
    behind = node.put(("ECHO", "behind"), False)
    assert await early == b"early"
    assert isinstance(await slow, Unavailable)
    assert isinstance(await behind, Unavailable)
    assert await ask(node, "ECHO", "later") == b"later"


async def test_a_process_that_was_held_up_is_not_late(node: Node) -> None:
    """Replies that came while this process stood still are read before anything is cut."""
    await ask(node, "PING")
    reply = node.put(("ECHO", "here"), False)
    await asyncio.sleep(0.05)
    again = node.put(("ECHO", "again"), False)
    await asyncio.sleep(0)
    time.sleep(TIMEOUT * 3)  # noqa: ASYNC251  # that is the point
    assert await reply == b"here"
    assert await again == b"again"


async def test_the_watch_rests_when_nothing_is_in_flight(server: RedisServer, node: Node) -> None:
    """A connection that idles longer than the deadline stays, and its next command has all of its time."""
    assert await ask(node, "CLIENT", "ID") == (first := await ask(node, "CLIENT", "ID"))
    await asyncio.sleep(TIMEOUT * 2.5)
    slept = node.put(("EVAL", "return redis.call('CLIENT', 'ID')", 0), False)
    assert not isinstance(await slept, Unavailable)
    assert await ask(node, "CLIENT", "ID") == first
    began = time.monotonic()
    assert await write(node, "BLPOP", "nothing", "0.4") is None
    assert time.monotonic() - began >= 0.35


# Callers that give up


async def test_the_reply_of_a_caller_who_gave_up_goes_to_nobody(node: Node) -> None:
    slow = asyncio.create_task(node.call(("BLPOP", "nothing", "0.3"), True))
    await asyncio.sleep(0.05)
    others = [node.put(("ECHO", number), False) for number in range(20)]
    slow.cancel()
    others[3].cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert [await other for other in others if not other.cancelled()] == [
        b"%d" % number for number in range(20) if number != 3
    ]
    assert await ask(node, "ECHO", "after") == b"after"


async def test_a_caller_with_less_time_than_the_deadline(node: Node) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(node.call(("BLPOP", "nothing", "0.3"), True), 0.05)
    assert await ask(node, "ECHO", "mine") == b"mine"


async def test_callers_who_gave_up_while_it_connects(server: RedisServer) -> None:
    async with opened(server.url) as node:
        gone = [node.put(("RPUSH", "list", number), True) for number in range(10)]
        stays = node.put(("RPUSH", "list", "last"), True)
        for future in gone:
            future.cancel()
        assert await stays == 11  # they were asked for, and were done


# Failures of the connection


async def test_a_server_that_comes_back(server: RedisServer, node: Node) -> None:
    assert await write(node, "SET", "key", 1) == b"OK"
    for _ in range(2):
        in_flight = node.put(("BLPOP", "nothing", 5), True)
        await asyncio.sleep(0.05)
        server.kill()
        assert isinstance(await in_flight, Unavailable)
        began = time.monotonic()
        replies = await asyncio.gather(*(node.call(("GET", "key"), False) for _ in range(1000)))
        assert all(isinstance(reply, Unavailable) for reply in replies)
        assert time.monotonic() - began < LATE
        server.start()
        assert await ask(node, "GET", "key") == b"1"
    assert clients(server) == 1


async def test_an_idle_connection_that_broke_costs_nobody_a_reply(server: RedisServer, node: Node) -> None:
    """The end is seen when it comes, so the next command has a connection of its own."""
    await write(node, "SET", "key", 1)
    server.kill()
    server.start()
    await asyncio.sleep(0.1)
    assert await ask(node, "GET", "key") == b"1"
    assert server.ask("CLIENT", "KILL", "TYPE", "normal").startswith(b":")
    await asyncio.sleep(0.1)
    assert await ask(node, "GET", "key") == b"1"


async def test_commands_whose_replies_are_lost_were_done_once(server: RedisServer, node: Node) -> None:
    """The server finds them and the end of their connection at once: it does them and tells nobody."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as killer:
        killer.sendall(b"PING\r\n")
        assert killer.recv(64) == b"+PONG\r\n"  # it is connected
        await write(node, "SET", "count", 0)  # the node is heard last, and so first after the pause
        server.pause()
        replies = [node.put(("INCR", "count"), True) for _ in range(20)]
        await asyncio.sleep(0)  # they are sent
        killer.sendall(b"CLIENT KILL TYPE normal\r\n")
        server.resume()
        assert [type(await reply) for reply in replies] == [Unavailable] * 20
    assert await write(node, "INCR", "count") == 21


async def test_nothing_is_sent_twice(server: RedisServer, node: Node) -> None:
    """Connections that are cut under load: every command was done once or, Unavailable, at most once."""
    done = unknown = 0

    async def caller() -> None:
        nonlocal done, unknown
        while not cuts.done():
            reply = await write(node, "INCR", "count")
            done += not isinstance(reply, Unavailable)
            unknown += isinstance(reply, Unavailable)

    async def cutter() -> None:
        for _ in range(20):
            await asyncio.sleep(0.01)
            await asyncio.to_thread(server.ask, "CLIENT", "KILL", "TYPE", "normal")

    cuts = asyncio.create_task(cutter())
    await asyncio.gather(*(caller() for _ in range(20)))
    await asyncio.sleep(0.1)  # the last cut is seen
    assert done > 20
    assert done <= int(await ask(node, "GET", "count")) <= done + unknown


async def test_octets_that_are_no_redis() -> None:
    async with greeting(b"220 mail.example.test ESMTP\r\n") as url, opened(url) as node:
        assert isinstance(await ask(node, "PING"), Unavailable)


# The end


async def test_close_waits_for_what_is_in_flight(server: RedisServer) -> None:
    node = Node(server.url, TIMEOUT, 0)
    slow = asyncio.create_task(node.call(("BLPOP", "nothing", "0.3"), True))
    more = [node.put(("ECHO", number), False) for number in range(100)]
    await asyncio.sleep(0)
    await node.close()
    assert await slow is None
    assert [reply.result() for reply in more] == [b"%d" % number for number in range(100)]
    assert isinstance(await ask(node, "PING"), Unavailable)
    await asyncio.sleep(0.2)
    assert clients(server) == 0


async def test_close_waits_no_longer_than_the_deadline(server: RedisServer) -> None:
    node = Node(server.url, TIMEOUT, 0)
    await ask(node, "PING")
    server.pause()
    reply = node.put(("PING",), False)
    began = time.monotonic()
    await node.close()
    assert time.monotonic() - began < LATE
    assert isinstance(reply.result(), Unavailable)


async def test_close_without_a_use(server: RedisServer) -> None:
    node = Node(server.url, TIMEOUT, 0)
    await node.close()
    assert isinstance(await write(node, "SET", "key", 1), Unavailable)
    assert clients(server) == 0
