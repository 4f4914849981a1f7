"""Delivery: 4 KB messages over SMTP (port 25) to local users, many on a connection; their weight in Redis."""

import time
from concurrent.futures import ThreadPoolExecutor

from bench.accounting import Meter
from bench.clients import Smtp
from bench.messages import message
from bench.platform import Platform
from bench.report import Row, quantile

USERS = 50


def stuffed(octets: bytes) -> bytes:
    """A message as DATA sends it (RFC 5321 §4.5.2)."""
    return octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def run(platform: Platform, count: int) -> list[Row]:
    """`count` messages one after the other, then as many over ten connections."""
    addresses = [address for address, _ in platform.accounts(USERS + 1)]
    messages = [stuffed(message(number)) for number in range(2 * count + USERS)]
    # What a first message ever costs (scripts, Redis's own statistics) is no message's: it is not weighed.
    _deliver(platform, [addresses.pop()], [stuffed(message(len(messages)))])
    before = platform.redis_memory()
    _deliver(platform, addresses, messages[:USERS])  # first mail of each user: its time is not measured
    rows = []
    for conc in (1, 10):
        batch = messages[USERS : USERS + count] if conc == 1 else messages[USERS + count :]
        parts = [batch[start::conc] for start in range(conc)]
        meter = Meter(platform.root).start()
        with ThreadPoolExecutor(conc) as pool:
            done = pool.map(lambda part: _deliver(platform, addresses, part), parts)
            latencies = [seconds for part in done for seconds in part]
        cpu, wall = meter.stop()
        note = f"{count / wall:,.0f}/s, p50 {quantile(latencies, 0.5) * 1000:.1f} ms"
        rows.append(Row(f"deliver 4 KB, C={conc}: CPU a message", cpu / count * 1000, "ms", "≤ 3 ms", note))
    weight = (platform.redis_memory() - before) / len(messages)
    note = f"{len(messages) / USERS:.0f} for each user; all of used_memory, log and what expires included"
    rows.append(Row("Redis memory a delivered message of 4 KB", weight, "bytes", "≤ 600", note))
    return rows


def _deliver(platform: Platform, addresses: list[str], messages: list[bytes]) -> list[float]:
    """All over one connection; seconds from MAIL to the 250 for each."""
    latencies = []
    connection = Smtp(platform.smtp)
    for number, octets in enumerate(messages):
        before = time.perf_counter()
        connection.deliver(addresses[number % len(addresses)], octets)
        latencies.append(time.perf_counter() - before)
    connection.close()
    return latencies
