"""Which function performs which command."""

from collections.abc import Mapping

from services.smtp.handlers import auth, data, ehlo, help, mail, noop, quit, rcpt, rset, starttls, vrfy
from services.smtp.protocol import commands, engine
from services.smtp.session import Handler

HANDLERS: Mapping[type, Handler] = {
    commands.Ehlo: ehlo.perform,
    commands.Helo: ehlo.helo,
    commands.Mail: mail.perform,
    commands.Rcpt: rcpt.perform,
    commands.Data: data.perform,
    engine.DataChunk: data.chunk,
    engine.DataEnd: data.end,
    commands.Rset: rset.perform,
    commands.Noop: noop.perform,
    commands.Vrfy: vrfy.perform,
    commands.Help: help.perform,
    commands.Quit: quit.perform,
    commands.StartTls: starttls.perform,
    commands.Auth: auth.perform,
    commands.SaslResponse: auth.respond,
}
