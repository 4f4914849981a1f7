"""SMTP paths and mailboxes (RFC 5321 §4.1.2, with SMTPUTF8 of RFC 6531 §3.3).

Parsers read like the ABNF above them. A `Mailbox` keeps the local part as it
means (quotes taken off) beside the octets as they came; domains are in lower
case and in their A-label form, so that one domain has one spelling.
"""

import ipaddress
import re
from dataclasses import dataclass

from services.common.errors import SyntaxFault

# RFC 5321 §4.5.3.1.1 to .3
MAX_LOCAL_PART = 64
MAX_DOMAIN = 255
MAX_PATH = 256

# atext (RFC 5322 §3.2.3), with UTF8-non-ascii (RFC 6531 §3.3)
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+"
# Dot-string = Atom *("." Atom)
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE
# qtextSMTP = %d32-33 / %d35-91 / %d93-126; quoted-pairSMTP = "\" %d32-126
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
# sub-domain = Let-dig [Ldh-str]
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# A-d-l = At-domain *("," At-domain), then ":"
_SOURCE_ROUTE = re.compile(r"@[^,:@<> ]+(?:,@[^,:@<> ]+)*:")
# General-address-literal = Standardized-tag ":" 1*dcontent
_GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Local-part "@" ( Domain / address-literal )."""

    local_part: str  # unquoted, its case kept
    domain: str  # lower case, A-labels; "[192.0.2.1]" for a literal; "" for postmaster alone

    @property
    def address(self) -> str:
        """The form that the API's directory knows: lower case, quoted only where it must be."""
        return _join(self.local_part.lower(), self.domain)

    @property
    def path(self) -> str:
        """The form for envelopes: as `address`, with the local part's case kept."""
        return _join(self.local_part, self.domain)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a receiver with SMTPUTF8 takes it (RFC 6531 §3.2)."""
        return not self.local_part.isascii()


def parse_path(text: bytes) -> tuple[Mailbox | None, bytes]:
    """A Path at the start of `text` and what is behind it; None for "<>". SyntaxFault otherwise.

    Path = "<" [ A-d-l ":" ] Mailbox ">"; the source route is taken and ignored (RFC 5321 §3.3, appendix C).
    """
    decoded = _decode(text)
    if not decoded.startswith("<"):
        raise SyntaxFault("An address stands in angle brackets")
    position = 1
    if decoded.startswith(">", position):
        return None, text[2:]
    if route := _SOURCE_ROUTE.match(decoded, position):
        position = route.end()
    mailbox, position = _mailbox(decoded, position, postmaster=True)
    if not decoded.startswith(">", position):
        raise SyntaxFault("Malformed address")
    size = len(decoded[: position + 1].encode())
    if size > MAX_PATH + (route.end() - 1 if route else 0):
        raise SyntaxFault("Address too long")
    return mailbox, text[size:]


def parse_mailbox(text: bytes) -> Mailbox:
    """A Mailbox and nothing else; SyntaxFault otherwise."""
    decoded = _decode(text)
    mailbox, position = _mailbox(decoded, 0, postmaster=False)
    if position != len(decoded):
        raise SyntaxFault("Malformed address")
    return mailbox


def parse_domain(text: str) -> str:
    """A Domain or address literal in its one spelling; SyntaxFault otherwise."""
    if text.startswith("["):
        return _literal(text)
    labels = [_a_label(label) for label in text.split(".")]
    domain = ".".join(labels)
    if len(domain) > MAX_DOMAIN:
        raise SyntaxFault("Domain too long")
    return domain


def normalise(address: str) -> str:
    """An address as the API's directory knows it; SyntaxFault when it is none."""
    return parse_mailbox(address.encode()).address


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise SyntaxFault("Addresses are ASCII or UTF-8") from None


def _mailbox(text: str, position: int, postmaster: bool) -> tuple[Mailbox, int]:
    """Mailbox at `position`; with `postmaster`, "postmaster" alone too (RFC 5321 §4.1.1.3)."""
    if quoted := _QUOTED_STRING.match(text, position):
        local_part, position = _QUOTED_PAIR.sub(r"\1", quoted[1]), quoted.end()
    elif dotted := _DOT_STRING.match(text, position):
        local_part, position = dotted[0], dotted.end()
    else:
        raise SyntaxFault("Malformed address")
    if len(local_part.encode()) > MAX_LOCAL_PART:
        raise SyntaxFault("Local part too long")
    if postmaster and local_part.lower() == "postmaster" and text.startswith(">", position):
        return Mailbox(local_part, ""), position
    if not local_part or not text.startswith("@", position):
        raise SyntaxFault("Malformed address")
    end = _domain_end(text, position + 1)
    return Mailbox(local_part, parse_domain(text[position + 1 : end])), end


def _domain_end(text: str, position: int) -> int:
    if text.startswith("[", position):
        return text.find("]", position) + 1 or len(text)
    end = text.find(">", position)
    return end if end >= 0 else len(text)


def _a_label(label: str) -> str:
    """One label of a domain, in lower case and ASCII (RFC 5890 §2.3.2.1)."""
    if not label.isascii():
        try:
            label = label.lower().encode("idna").decode("ascii")
        except UnicodeError:
            raise SyntaxFault("Malformed domain") from None
    if not _LABEL.fullmatch(label):
        raise SyntaxFault("Malformed domain")
    return label.lower()


def _literal(text: str) -> str:
    """address-literal = "[" ( IPv4 / "IPv6:" IPv6 / General ) "]" (RFC 5321 §4.1.3)."""
    content = text[1:-1]
    if not text.endswith("]") or not content:
        raise SyntaxFault("Malformed address literal")
    try:
        if content[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(content[5:])}]"
        return f"[{ipaddress.IPv4Address(content)}]"
    except ipaddress.AddressValueError:
        if content[:5].lower() != "ipv6:" and _GENERAL_LITERAL.fullmatch(content):
            return text
        raise SyntaxFault("Malformed address literal") from None


def _join(local_part: str, domain: str) -> str:
    if not domain:
        return local_part
    if not _DOT_STRING.fullmatch(local_part):
        local_part = '"' + local_part.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{local_part}@{domain}"
