"""What a mail client lists: UID FETCH 1:* of 10,000 messages, and what these cost in Redis."""

from bench.accounting import Meter
from bench.clients import Imap
from bench.messages import message
from bench.platform import PASSWORD, Platform
from bench.report import Row

MESSAGES = 10_000
LISTING = "UID FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE INTERNALDATE)"


def run(platform: Platform, count: int) -> list[Row]:
    """Fill a mailbox with 4 KB messages, weigh it, list it `count` times."""
    (address, account), *_ = platform.accounts(1)
    messages = [message(number) for number in range(MESSAGES)]
    before = platform.redis_memory()
    platform.fill(account, messages)
    weight = (platform.redis_memory() - before) / MESSAGES
    rows = [
        Row("Redis memory a message of 4 KB", weight, "bytes", "≤ 600", "all of used_memory, log included")
    ]
    connection = Imap(platform.imap)
    connection.login(address, PASSWORD)
    connection.command("SELECT INBOX")
    connection.command(LISTING)
    meter = Meter(platform.root).start()
    for _ in range(count):
        listed, octets = connection.command(LISTING, b" FETCH (")
        assert listed == MESSAGES, f"{listed} messages were listed"
    cpu, wall = meter.stop()
    connection.close()
    note = f"{octets / MESSAGES:.0f} octets each, CPU {cpu / count / MESSAGES * 1e6:.1f} µs each"
    rate = count * MESSAGES / wall
    rows.append(Row("listing of 10,000 messages", rate, "messages/s", "≥ 80,000/s", note))
    return rows
