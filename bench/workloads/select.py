"""Login and SELECT of mailboxes of 1,000 and 100,000 messages, as a client that looks for news does it."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench.clients import Imap
from bench.messages import message
from bench.platform import PASSWORD, Platform
from bench.report import Row
from bench.rounds import measured
from buuta.v1.mailbox_pb2 import CreateMailboxRequest, GetMailboxRequest

SIZES = {1_000: "≤ 2 ms", 100_000: "≤ 5 ms"}
WARM_UP = 20


def run(platform: Platform, count: int) -> list[Row]:
    """`count` times connect, LOGIN, SELECT, LOGOUT, one by one, then ten at a time.

    The password was verified and the mailbox used before.
    """
    (address, account), *_ = platform.accounts(1)
    platform.fill(account, [message(number, 1500) for number in range(1000)])
    inbox = platform.client.mailboxes.GetMailbox(GetMailboxRequest(account=account, name="INBOX")).mailbox
    uids = np.arange(1, 1001, dtype="<u4").tobytes()
    rows = []
    for size, goal in SIZES.items():
        name = f"of-{size}"
        platform.client.mailboxes.CreateMailbox(CreateMailboxRequest(account=account, name=name))
        platform.multiply(account, inbox.id, uids, name, size)
        sessions(platform.imap, 1, WARM_UP, address, name, size)
        for conc in (1, 10):

            def work(operations: int, conc: int = conc, name: str = name, size: int = size) -> list[float]:
                return sessions(platform.imap, conc, operations, address, name, size)

            what = f"login + SELECT of {size:,}, C={conc}: CPU"
            rows.append(measured(what, goal, platform.root, count, work))
    return rows


def sessions(port: int, conc: int, count: int, user: str, mailbox: str, size: int) -> list[float]:
    """So many sessions, `conc` at a time; the seconds that each took."""

    def session(_: int) -> float:
        before = time.perf_counter()
        connection = Imap(port)
        connection.login(user, PASSWORD)
        exists, _octets = connection.command(f"SELECT {mailbox}", b"\r\n* %d EXISTS\r\n" % size)
        assert exists == 1, "the mailbox is not as it was filled"
        connection.command("LOGOUT")
        connection.close()
        return time.perf_counter() - before

    with ThreadPoolExecutor(conc) as pool:
        return list(pool.map(session, range(count)))
