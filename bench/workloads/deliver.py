"""Delivery: 4 KB messages over SMTP (port 25) to local users, many on a connection; their weight in Redis."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from bench.clients import Smtp
from bench.messages import message
from bench.platform import Platform
from bench.report import Row
from bench.rounds import measured

USERS = 50


def stuffed(octets: bytes) -> bytes:
    """A message as DATA sends it (RFC 5321 §4.5.2)."""
    return octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def run(platform: Platform, count: int) -> list[Row]:
    """`count` messages one after the other, then as many over ten connections."""
    addresses = [address for address, _ in platform.accounts(USERS + 1)]
    messages = [stuffed(message(number)) for number in range(2 * count + USERS)]
    smtp = partial(Smtp, platform.smtp)
    # What a first message ever costs (scripts, Redis's own statistics) is no message's: it is not weighed.
    send_all(smtp, 1, [(addresses.pop(), stuffed(message(len(messages))))])
    before = platform.redis_memory()
    mail = [(addresses[number % USERS], octets) for number, octets in enumerate(messages)]
    send_all(smtp, 1, mail[:USERS])  # first mail of each user: its time is not measured
    left = iter(mail[USERS:])
    rows = []
    for conc in (1, 10):

        def work(operations: int, conc: int = conc) -> list[float]:
            return send_all(smtp, conc, list(islice(left, operations)))

        what = f"deliver 4 KB, C={conc}: CPU a message"
        rows.append(measured(what, "≤ 3 ms", platform.root, count, work))
    send_all(smtp, 1, list(left))  # what made no round
    weight = (platform.redis_memory() - before) / len(messages)
    note = f"{len(messages) / USERS:.0f} for each user; all of used_memory, log and what expires included"
    rows.append(Row("Redis memory a delivered message of 4 KB", weight, "bytes", "≤ 600", note))
    return rows


def send_all(connect: Callable[[], Smtp], conc: int, mail: Sequence[tuple[str, bytes]]) -> list[float]:
    """Deliver all over so many connections at a time; seconds from MAIL to the 250 for each."""

    def work(part: Sequence[tuple[str, bytes]]) -> list[float]:
        latencies = []
        connection = connect()
        for address, octets in part:
            before = time.perf_counter()
            connection.deliver(address, octets)
            latencies.append(time.perf_counter() - before)
        connection.close()
        return latencies

    with ThreadPoolExecutor(conc) as pool:
        return [seconds for part in pool.map(work, (mail[i::conc] for i in range(conc))) for seconds in part]
