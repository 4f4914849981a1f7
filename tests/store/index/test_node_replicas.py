"""Writes that wait for replicas: enough of them, too few, and readers who need not wait; on real servers."""

import asyncio
from pathlib import Path

from redis.exceptions import ResponseError

from services.common.errors import Unavailable
from services.store.index import node as node_module
from services.store.index.node import Node
from tests.store.index.nodes import ask, clients, opened, replica, write
from tests.support.processes import RedisServer


async def test_writes_wait_for_replicas(server: RedisServer, tmp_path: Path) -> None:
    with replica(server, tmp_path) as other:
        async with opened(server.url, wait_replicas=1) as node:
            replies = await asyncio.gather(*(node.call(("RPUSH", "list", n), True) for n in range(600)))
            assert sorted(replies) == list(range(1, 601))
            assert other.ask("LLEN", "list") == b":600\r\n"
            assert isinstance(await write(node, "GET", "list"), ResponseError)


async def until_read(node: Node, value: bytes) -> None:
    async with asyncio.timeout(5):
        while await ask(node, "GET", "key") != value:
            pass


async def test_too_few_replicas_and_readers_that_do_not_wait(server: RedisServer, tmp_path: Path) -> None:
    with replica(server, tmp_path) as other:
        async with opened(server.url, timeout=2.0, wait_replicas=1) as node:
            assert await write(node, "SET", "key", "before") == b"OK"
            other.pause()
            writes = [node.put(("SET", "key", "after"), True), node.put(("HGET", "key", "field"), True)]
            await until_read(node, b"after")
            writes.append(node.put(("SET", "key", "later"), True))
            await until_read(node, b"later")
            assert not any(write.done() for write in writes)
            first, wrong_type, later = await asyncio.gather(*writes)
            assert isinstance(first, Unavailable)
            assert "replicas" in str(first)  # the wait has ended, not the link
            assert isinstance(wrong_type, ResponseError)  # it wrote nothing: nothing is unknown
            assert isinstance(later, Unavailable)
            assert "replicas" in str(later)
            other.resume()
            assert await write(node, "SET", "key", "again") == b"OK"


async def test_many_batches_wait_side_by_side_on_few_connections(server: RedisServer, tmp_path: Path) -> None:
    with replica(server, tmp_path) as other:
        async with opened(server.url, timeout=1.0, wait_replicas=1) as node:
            other.pause()
            writes = []
            for number in range(30):
                writes.append(node.put(("SET", f"key{number}", number), True))
                await asyncio.sleep(0.005)
            assert clients(server) <= node_module.BATCHES
            other.resume()
            assert await asyncio.gather(*writes) == [b"OK"] * 30


async def test_close_waits_for_batches(server: RedisServer, tmp_path: Path) -> None:
    with replica(server, tmp_path):
        node = Node(server.url, 2.0, 1)
        writes = [node.put(("RPUSH", "list", number), True) for number in range(1000)]
        await node.close()
        assert sorted(write.result() for write in writes) == list(range(1, 1001))
        assert isinstance(await write(node, "SET", "key", 1), Unavailable)
