"""Which function performs which command."""

from collections.abc import Mapping

from services.pop3.handlers import (
    auth,
    capa,
    dele,
    list,
    noop,
    pass_,
    quit,
    retr,
    rset,
    stat,
    stls,
    top,
    uidl,
    user,
)
from services.pop3.protocol import commands
from services.pop3.session import Handler

HANDLERS: Mapping[type, Handler] = {
    commands.User: user.perform,
    commands.Pass: pass_.perform,
    commands.Auth: auth.perform,
    commands.Mechanisms: auth.list_mechanisms,
    commands.SaslResponse: auth.respond,
    commands.Stls: stls.perform,
    commands.Capa: capa.perform,
    commands.Stat: stat.perform,
    commands.List: list.perform,
    commands.Uidl: uidl.perform,
    commands.Retr: retr.perform,
    commands.Top: top.perform,
    commands.Dele: dele.perform,
    commands.Noop: noop.perform,
    commands.Rset: rset.perform,
    commands.Quit: quit.perform,
}
