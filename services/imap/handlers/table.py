"""Which function performs which command, or event of one."""

from collections.abc import Mapping

from services.imap.handlers import (
    append,
    authenticate,
    capability,
    check,
    close,
    copy,
    create,
    delete,
    enable,
    expunge,
    fetch,
    id,
    idle,
    line,
    list,
    login,
    logout,
    move,
    namespace,
    noop,
    rename,
    search,
    select,
    starttls,
    status,
    store,
    subscribe,
    unselect,
    unsubscribe,
)
from services.imap.protocol import events
from services.imap.protocol.commands.authenticate import Authenticate
from services.imap.protocol.commands.capability import Capability
from services.imap.protocol.commands.check import Check
from services.imap.protocol.commands.close import Close
from services.imap.protocol.commands.copy import Copy
from services.imap.protocol.commands.create import Create
from services.imap.protocol.commands.delete import Delete
from services.imap.protocol.commands.enable import Enable
from services.imap.protocol.commands.expunge import Expunge
from services.imap.protocol.commands.fetch import Fetch
from services.imap.protocol.commands.id import Id
from services.imap.protocol.commands.idle import Idle
from services.imap.protocol.commands.list import List, Lsub
from services.imap.protocol.commands.login import Login
from services.imap.protocol.commands.logout import Logout
from services.imap.protocol.commands.move import Move
from services.imap.protocol.commands.namespace import Namespace
from services.imap.protocol.commands.noop import Noop
from services.imap.protocol.commands.rename import Rename
from services.imap.protocol.commands.search import Search
from services.imap.protocol.commands.select import Select
from services.imap.protocol.commands.starttls import StartTls
from services.imap.protocol.commands.status import Status
from services.imap.protocol.commands.store import Store
from services.imap.protocol.commands.subscribe import Subscribe
from services.imap.protocol.commands.unselect import Unselect
from services.imap.protocol.commands.unsubscribe import Unsubscribe
from services.imap.session import Handler

HANDLERS: Mapping[type, Handler] = {
    events.AppendStart: append.start,
    events.LiteralChunk: append.chunk,
    events.AppendEnd: append.end,
    events.Line: line.perform,
    Authenticate: authenticate.perform,
    Capability: capability.perform,
    Check: check.perform,
    Close: close.perform,
    Copy: copy.perform,
    Create: create.perform,
    Delete: delete.perform,
    Enable: enable.perform,
    Expunge: expunge.perform,
    Fetch: fetch.perform,
    Id: id.perform,
    Idle: idle.perform,
    List: list.perform,
    Login: login.perform,
    Logout: logout.perform,
    Lsub: list.perform_lsub,
    Move: move.perform,
    Namespace: namespace.perform,
    Noop: noop.perform,
    Rename: rename.perform,
    Search: search.perform,
    Select: select.perform,
    StartTls: starttls.perform,
    Status: status.perform,
    Store: store.perform,
    Subscribe: subscribe.perform,
    Unselect: unselect.perform,
    Unsubscribe: unsubscribe.perform,
}
