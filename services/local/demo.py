"""The demo domain and its accounts, made once through the API, and what to try with them.

Their passwords are their names: the platform listens on the loopback only.
"""

import asyncio
import shlex
from contextlib import suppress

from buuta.client import Client
from buuta.errors import AlreadyExists, Unavailable
from buuta.v1.account_pb2 import (
    CreateAccountRequest,
    CreateAliasRequest,
    CreateDomainRequest,
    GetAccountRequest,
    Password,
)
from services.local.layout import HOST, Layout

DOMAIN = "example.test"
NAMES = ("alice", "bob")
POSTMASTER = "alice"  # whose mail postmaster's is: every domain has one (RFC 5321 §4.5.1)


def make(layout: Layout, token: str) -> None:
    """Create domain and accounts; what is there already stays as it is."""
    with Client(layout.address("store"), token) as client:
        with suppress(AlreadyExists):
            client.accounts.CreateDomain(CreateDomainRequest(name=DOMAIN))
        for name in NAMES:
            request = CreateAccountRequest(address=f"{name}@{DOMAIN}", password=Password(clear=name))
            with suppress(AlreadyExists):
                client.accounts.CreateAccount(request)
        owner = client.accounts.GetAccount(GetAccountRequest(address=f"{POSTMASTER}@{DOMAIN}")).account
        with suppress(AlreadyExists):
            client.accounts.CreateAlias(CreateAliasRequest(account=owner.id, address=f"postmaster@{DOMAIN}"))
    layout.demo_made.touch()


async def ensure(layout: Layout, token: str) -> None:
    """Made once; a store that goes away meanwhile is waited for."""
    while not layout.demo_made.exists():
        try:
            await asyncio.to_thread(make, layout, token)
        except Unavailable:
            await asyncio.sleep(1)


def banner(layout: Layout) -> str:
    """Where everything listens, and three commands to try."""
    ports = {name: layout.port(name) for name in ("mx", "submission", "submissions", "pop3", "pop3s")}
    store = "" if layout.port("store") == 10051 else f"BUUTA_STORE={layout.address('store')} "
    data = "" if str(layout.data) == "var" else f"BUUTA_DATA={shlex.quote(str(layout.data))} "
    certificate = shlex.quote(str(layout.certificate))
    return f"""
Buuta runs on {HOST}. Stop it with Ctrl-C; all state is in {layout.data}.

  SMTP   {ports["mx"]} (MX)   {ports["submission"]} (submission)   {ports["submissions"]} (submission, TLS)
  POP3   {ports["pop3"]}   {ports["pop3s"]} (TLS)
  IMAP   {layout.port("imap")}   {layout.port("imaps")} (TLS)
  API    {layout.port("store")} (gRPC, buuta.v1; token in {layout.admin_token})

Accounts: alice@{DOMAIN}, password alice; bob@{DOMAIN}, password bob. Postmaster's mail is {POSTMASTER}'s.
The certificate is {layout.certificate}; passwords are taken inside TLS only. To try:

  printf 'From: bob@{DOMAIN}\\r\\nSubject: Hello\\r\\n\\r\\nThe first message.\\r\\n' |
      curl -sS smtp://{HOST}:{ports["mx"]} --mail-from bob@{DOMAIN} --mail-rcpt alice@{DOMAIN} -T -
  curl -sS --cacert {certificate} --user alice@{DOMAIN}:alice \\
      'imaps://localhost:{layout.port("imaps")}/INBOX;MAILINDEX=1'
  {data}{store}.venv/bin/buuta account list
"""
