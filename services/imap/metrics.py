"""What an IMAP process counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.common.metrics import labelled


class Metrics:
    """Counters, registered where `__main__` says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commands = labelled(
            Counter("imap_commands", "Commands performed", ["command"], registry=registry)
        )
        self.logins = labelled(
            Counter("imap_logins", "Logins by result: ok, or why not", ["result"], registry=registry)
        )
        self.unavailable = Counter("imap_unavailable", "Replies with [UNAVAILABLE]", registry=registry)
        self.idling = Gauge("imap_idling", "Connections inside IDLE", registry=registry)
