"""LOGIN (RFC 3501 §6.2.3): "LOGIN" SP userid SP password"""

from dataclasses import dataclass, field

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Login:
    username: bytes
    password: bytes = field(repr=False)


def parse(lex: Lexer) -> Login:
    lex.sp()
    username = lex.astring()
    lex.sp()
    password = lex.astring()
    lex.end()
    return Login(username, password)
