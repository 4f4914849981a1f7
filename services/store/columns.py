"""Records as the columns of the API (`proto/buuta/v1/columns.proto`)."""

import numpy as np

from buuta.v1 import columns_pb2
from services.common.errors import Refused
from services.store.index.record import PUBLIC_FLAGS, U32, Rows, column


def columns_of(rows: Rows, modseqs: bool = True, data: bool = True) -> columns_pb2.MessageColumns:
    """All columns of these records; without `data` uids, flags and modseqs only."""
    found = columns_pb2.MessageColumns(
        uids=np.ascontiguousarray(rows["uid"]).tobytes(),
        flags=(rows["flags"] & PUBLIC_FLAGS).tobytes(),
        modseqs=np.ascontiguousarray(rows["modseq"]).tobytes() if modseqs else b"",
    )
    if data:
        found.sizes = np.ascontiguousarray(rows["size"]).tobytes()
        found.internal_dates = np.ascontiguousarray(rows["internal_date"]).tobytes()
    return found


# UIDs of a request: more than an index keeps of one mailbox.
MAX_UIDS = 4_000_000


def read_uids(data: bytes) -> U32:
    """A column of UIDs of a request: ascending, without doubles; Refused otherwise."""
    if len(data) > 4 * MAX_UIDS:
        raise Refused("INVALID_ARGUMENT", "too many uids")
    if len(data) % 4:
        raise Refused("INVALID_ARGUMENT", "uids is no column of u32")
    uids = column(data)
    if len(uids) > 1 and not bool((uids[1:] > uids[:-1]).all()):
        raise Refused("INVALID_ARGUMENT", "uids must be ascending")
    return uids
