"""A Redis Cluster of three masters on loopback, without redis-cli."""

import contextlib
import socket
import time
from pathlib import Path

from tests.support.processes import START_TIMEOUT, RedisServer, free_port

SLOTS = 16384
BUS = 10000  # a node's bus port is this far above its port


class ClusterNode(RedisServer):
    """One node; it knows no other one yet."""

    def __init__(self, folder: Path, binary: str, *options: str) -> None:
        super().__init__(folder, binary, "--cluster-enabled", "yes", *options)
        self.port = _port_with_bus()


class RedisCluster:
    """Three nodes with a third of the slots each."""

    def __init__(self, folder: Path, binary: str, *options: str) -> None:
        self.nodes = [ClusterNode(folder / f"node{n}", binary, *options) for n in range(3)]

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def start(self) -> None:
        for place, node in enumerate(self.nodes):
            node.start()
            share = range(place * SLOTS // 3, (place + 1) * SLOTS // 3)
            assert node.ask("CLUSTER", "ADDSLOTS", *map(str, share)) == b"+OK\r\n"
            assert node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(place + 1)) == b"+OK\r\n"
        for node in self.nodes[1:]:
            assert self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port)) == b"+OK\r\n"
        deadline = time.monotonic() + START_TIMEOUT
        while not all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in self.nodes):
            assert time.monotonic() < deadline, "the nodes did not become a cluster"
            time.sleep(0.05)

    def flush(self) -> None:
        for node in self.nodes:
            node.flush()

    def new_incarnation(self) -> None:
        for node in self.nodes:
            node.new_incarnation()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def _port_with_bus() -> int:
    while True:
        port = free_port()
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port + BUS))
            return port
