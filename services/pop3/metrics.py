"""What a POP3 process counts."""

from prometheus_client import CollectorRegistry, Counter

from services.common.metrics import labelled


class Metrics:
    """Counters, registered where `__main__` says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commands = labelled(
            Counter("pop3_commands", "Commands performed", ["command"], registry=registry)
        )
        self.logins = labelled(
            Counter("pop3_logins", "Logins by result: ok, or why not", ["result"], registry=registry)
        )
        self.unavailable = Counter("pop3_unavailable", "Replies with [SYS/TEMP]", registry=registry)
        self.octets = Counter("pop3_sent_message_octets", "Octets of messages sent", registry=registry)
        self.removed = Counter("pop3_removed_messages", "Messages removed at QUIT", registry=registry)
