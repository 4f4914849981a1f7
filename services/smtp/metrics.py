"""What an SMTP process counts."""

from prometheus_client import CollectorRegistry, Counter

from services.common.metrics import labelled


class Metrics:
    """Counters, registered where `__main__` says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commands = labelled(
            Counter("smtp_commands", "Commands performed", ["command"], registry=registry)
        )
        self.logins = labelled(
            Counter("smtp_logins", "Logins by result: ok, or why not", ["result"], registry=registry)
        )
        self.messages = labelled(
            Counter("smtp_messages", "Messages by outcome", ["outcome"], registry=registry)
        )
        self.octets = Counter(
            "smtp_received_message_octets", "Octets of accepted messages", registry=registry
        )
        self.recipients = labelled(
            Counter("smtp_recipients", "RCPT by outcome", ["outcome"], registry=registry)
        )
        self.unavailable = Counter(
            "smtp_unavailable", "Replies of 4xx for lack of the store", registry=registry
        )
