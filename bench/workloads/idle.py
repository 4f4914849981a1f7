"""Sessions in IDLE: what one weighs, and how soon it hears of new mail."""

import random
import selectors
import threading
import time

from bench.accounting import cpu, memory
from bench.clients import Imap, Smtp
from bench.messages import message
from bench.platform import PASSWORD, Platform
from bench.report import Row, quantile
from bench.workloads.deliver import stuffed

RATE = 20.0  # deliveries a second
REST = 5.0  # seconds over which idle CPU is measured
WARM_UP = 10  # sessions before memory is first measured


def run(platform: Platform, sessions: int, deliveries: int) -> list[Row]:
    """`sessions` users in IDLE on their INBOX; then deliveries to some of them."""
    addresses = [address for address, _ in platform.accounts(sessions)]
    process = platform.pid("imap")
    warm = [_idle(platform, address) for address in addresses[:WARM_UP]]
    before = memory(process)
    connections = warm + [_idle(platform, address) for address in addresses[WARM_UP:]]
    time.sleep(1)
    weight = (memory(process) - before) / (sessions - WARM_UP)
    rest = cpu(platform.root)
    time.sleep(REST)
    rest = (cpu(platform.root) - rest) / REST
    latencies = _latencies(platform, addresses, connections, deliveries)
    for connection in connections:
        connection.close()
    p95 = quantile(latencies, 0.95) * 1000
    return [
        Row(
            "memory of a session in IDLE",
            weight / 1024,
            "KB",
            "≤ 25 KB",
            f"{sessions} sessions, private memory",
        ),
        Row("CPU while they rest", rest * 100, "% of a core"),
        Row("delivery to EXISTS, p50", quantile(latencies, 0.5) * 1000, "ms", "≤ 10 ms", f"p95 {p95:.1f} ms"),
    ]


def _idle(platform: Platform, address: str) -> Imap:
    connection = Imap(platform.imap)
    connection.login(address, PASSWORD)
    connection.command("SELECT INBOX")
    connection.send(b"z IDLE\r\n")
    assert connection.line().startswith(b"+")
    return connection


def _latencies(
    platform: Platform, addresses: list[str], connections: list[Imap], deliveries: int
) -> list[float]:
    """Seconds from the last octet of DATA to `* n EXISTS`."""
    sent: dict[int, float] = {}
    seen: dict[int, float] = {}
    chosen = random.Random(1).sample(range(len(addresses)), deliveries)
    watcher = threading.Thread(target=_watch, args=([(n, connections[n]) for n in chosen], seen))
    watcher.start()
    connection = Smtp(platform.smtp)
    for number in chosen:
        octets = stuffed(message(number + 1_000_000))
        connection.send(
            b"MAIL FROM:<bench@remote.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % addresses[number].encode()
        )
        for code in (b"250", b"250", b"354"):
            connection.reply(code)
        connection.send(octets)
        sent[number] = time.perf_counter()
        connection.reply(b"250")
        time.sleep(1 / RATE)
    watcher.join(30)
    connection.close()
    assert len(seen) == deliveries, f"{deliveries - len(seen)} sessions were not told"
    return [seen[number] - sent[number] for number in chosen]


def _watch(waiting: list[tuple[int, Imap]], seen: dict[int, float]) -> None:
    with selectors.DefaultSelector() as selector:
        for number, connection in waiting:
            selector.register(connection.socket, selectors.EVENT_READ, number)
        deadline = time.monotonic() + 60 + len(waiting) / RATE
        while len(seen) < len(waiting) and time.monotonic() < deadline:
            for key, _ in selector.select(1.0):
                now = time.perf_counter()
                data = key.fileobj.recv(4096)  # type: ignore[union-attr] # they are sockets
                if b" EXISTS\r\n" in data:
                    seen.setdefault(key.data, now)
                if not data or b" EXISTS\r\n" in data:
                    selector.unregister(key.fileobj)
