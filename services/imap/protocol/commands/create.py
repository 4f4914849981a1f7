"""CREATE (RFC 3501 §6.3.3, RFC 6154 §3): "CREATE" SP mailbox [SP "(USE (" [use-attr *(SP use-attr)] "))"]"""

from dataclasses import dataclass

from services.imap.protocol.lexer import Lexer


@dataclass(frozen=True, slots=True)
class Create:
    mailbox: str
    uses: tuple[bytes, ...] = ()  # such as \Sent


def parse(lex: Lexer) -> Create:
    lex.sp()
    # A "/" at the end says that levels below are to come (RFC 3501 §6.3.3): the name is the one without.
    mailbox = lex.mailbox().removesuffix("/")
    uses: list[bytes] = []
    if lex.accept(b" ("):
        lex.expect(b"USE ")
        uses = lex.flag_list()
        lex.expect(b")")
    lex.end()
    return Create(mailbox, tuple(uses))
