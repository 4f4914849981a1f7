"""The states of an SMTP conversation and which command leads where (RFC 5321 §3.3, §4.1.4)."""

from enum import Enum, auto


class State(Enum):
    """What may come next."""

    GREETED = auto()  # no EHLO or HELO yet
    READY = auto()  # between transactions
    MAIL = auto()  # a reverse-path, no recipient yet
    RCPT = auto()  # at least one recipient
    DATA = auto()  # octets of a message
    SASL = auto()  # the next line answers a challenge
    CLOSED = auto()


class Step(Enum):
    """What performing a command has led to."""

    HELLO = auto()
    SENDER_TAKEN = auto()
    RECIPIENT_TAKEN = auto()
    DATA_STARTED = auto()
    RESET = auto()
    CHALLENGE_SENT = auto()
    SASL_ENDED = auto()
    TLS_STARTED = auto()
    CLOSED = auto()


_OPEN = (State.READY, State.MAIL, State.RCPT)

TRANSITIONS: dict[tuple[State, Step], State] = {
    **{(state, Step.HELLO): State.READY for state in (State.GREETED, *_OPEN)},
    (State.READY, Step.SENDER_TAKEN): State.MAIL,
    (State.MAIL, Step.RECIPIENT_TAKEN): State.RCPT,
    (State.RCPT, Step.RECIPIENT_TAKEN): State.RCPT,
    (State.RCPT, Step.DATA_STARTED): State.DATA,
    (State.DATA, Step.RESET): State.READY,
    (State.GREETED, Step.RESET): State.GREETED,
    **{(state, Step.RESET): State.READY for state in _OPEN},
    (State.READY, Step.CHALLENGE_SENT): State.SASL,
    (State.SASL, Step.CHALLENGE_SENT): State.SASL,
    (State.SASL, Step.SASL_ENDED): State.READY,
    (State.READY, Step.SASL_ENDED): State.READY,
    **{(state, Step.TLS_STARTED): State.GREETED for state in _OPEN},
    **{(state, Step.CLOSED): State.CLOSED for state in State},
}
