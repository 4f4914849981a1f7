"""Delivery and SELECT beside a Dovecot on the same machine, by turns: ratios of CPU time."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from bench import dovecot
from bench.clients import Lmtp, Smtp
from bench.dovecot import Dovecot
from bench.messages import message
from bench.platform import Platform
from bench.report import Row
from bench.rounds import Side, compared
from bench.workloads.deliver import USERS, send_all, stuffed
from bench.workloads.select import WARM_UP, sessions

SIZE = 1000  # messages of the mailbox that is selected


def run(platform: Platform, count: int) -> list[Row]:
    """`count` operations of each kind for each server."""
    offset = platform.offset
    with (
        dovecot.running(offset + 1000, again=False) as shipped,
        dovecot.running(offset + 2000, again=True) as tuned,
    ):
        peers = {"Dovecot's": shipped, "tuned Dovecot's": tuned}
        return [*_deliver(platform, tuned, count), *_select(platform, peers, count)]


def _deliver(platform: Platform, peer: Dovecot, count: int) -> Iterator[Row]:
    """LMTP is the same in both of them: its processes serve many connections as it is shipped."""
    addresses = [address for address, _ in platform.accounts(USERS)]
    numbers = itertools.count()

    def side(root: int, connect: Callable[[], Smtp], conc: int) -> Side:
        def work(operations: int) -> list[float]:
            taken = list(itertools.islice(numbers, operations))
            return send_all(connect, conc, [(addresses[n % USERS], stuffed(message(n))) for n in taken])

        return root, work

    smtp, lmtp = partial(Smtp, platform.smtp), partial(Lmtp, peer.lmtp)
    for conc in (1, 10, 50):
        ours, theirs = side(platform.root, smtp, conc), side(peer.root, lmtp, conc)
        for _, work in (ours, theirs):
            work(USERS)  # the first of each user
        yield compared(f"deliver 4 KB, C={conc}: CPU, to that of Dovecot's LMTP", count, ours, theirs)


def _select(platform: Platform, peers: Mapping[str, Dovecot], count: int) -> Iterator[Row]:
    (reader, account), *_ = platform.accounts(1)
    messages = [message(number, 1500) for number in range(SIZE)]
    platform.fill(account, messages)

    def side(root: int, port: int, conc: int) -> Side:
        return root, lambda operations: sessions(port, conc, operations, reader, "INBOX", SIZE)

    for name, peer in peers.items():
        send_all(partial(Lmtp, peer.lmtp), 1, [(reader, stuffed(octets)) for octets in messages])
        for conc in (1, 10):
            ours, theirs = side(platform.root, platform.imap, conc), side(peer.root, peer.imap, conc)
            for _, work in (ours, theirs):
                work(WARM_UP)
            yield compared(f"login + SELECT of {SIZE:,}, C={conc}: CPU, to {name}", count, ours, theirs)
