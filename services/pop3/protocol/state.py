"""The states of a POP3 session and the moves between them, as one table (RFC 1939 §3).

The engine holds the state and refuses commands that have no place in it
(`commands.COMMANDS` says which have); handlers report what happened as a
`Step`. A step that is not in the table for the current state is a bug of ours.
"""

from enum import Enum, auto


class State(Enum):
    """RFC 1939's AUTHORIZATION is three of ours: PASS and a SASL response need what came before them."""

    AUTHORIZATION = auto()
    USER_GIVEN = auto()  # USER was accepted: PASS may come
    SASL = auto()  # a challenge is out: the next line is no command
    TRANSACTION = auto()
    CLOSED = auto()  # QUIT, or too many errors: whatever still comes is ignored


class Step(Enum):
    """What moves a session from one state to another."""

    USER_ACCEPTED = auto()
    CHALLENGE_SENT = auto()
    LOGIN_FAILED = auto()
    LOGGED_IN = auto()
    TLS_STARTED = auto()
    CLOSED = auto()


_BEFORE_LOGIN = (State.AUTHORIZATION, State.USER_GIVEN, State.SASL)

TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.AUTHORIZATION, Step.USER_ACCEPTED): State.USER_GIVEN,
    (State.USER_GIVEN, Step.USER_ACCEPTED): State.USER_GIVEN,
    (State.AUTHORIZATION, Step.CHALLENGE_SENT): State.SASL,
    (State.USER_GIVEN, Step.CHALLENGE_SENT): State.SASL,
    # RFC 2595 §4: nothing that was said in the clear counts after TLS.
    (State.AUTHORIZATION, Step.TLS_STARTED): State.AUTHORIZATION,
    (State.USER_GIVEN, Step.TLS_STARTED): State.AUTHORIZATION,
    **{(state, Step.LOGGED_IN): State.TRANSACTION for state in _BEFORE_LOGIN},
    **{(state, Step.LOGIN_FAILED): State.AUTHORIZATION for state in _BEFORE_LOGIN},
    **{(state, Step.CLOSED): State.CLOSED for state in State},
}
