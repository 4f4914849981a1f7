"""The index as one object: everything the store keeps in Redis."""

from services.store.index.accounts import AccountOperations
from services.store.index.collect import CollectorOperations
from services.store.index.log import LogOperations
from services.store.index.mailboxes import MailboxOperations
from services.store.index.summaries import SummaryOperations
from services.store.index.uploads import UploadOperations


class Index(
    AccountOperations,
    MailboxOperations,
    SummaryOperations,
    UploadOperations,
    LogOperations,
    CollectorOperations,
):
    """All operations; each part has its own file."""
