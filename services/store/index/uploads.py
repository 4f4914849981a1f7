"""Who used an upload: its body belongs to the messages of one request, and to no other ones."""

from services.store.index import keys
from services.store.index.core import Core, Request

# Longer than an upload's handle is good for, and the request that used it can be repeated.
KEPT_MS = 2 * 3600 * 1000


class UploadOperations(Core):
    """Mixed into Index. Keys that expire, in no redo log: no mail depends on them."""

    async def claim_upload(self, body: bytes, request: Request) -> bool:
        """Take an upload for a request; False when another request has it."""
        key = keys.tag(keys.shard_of_text(body)) + b":up:" + body
        mine = request.id + request.digest
        if await self.connection.change("SET", key, mine, "NX", "PX", KEPT_MS):
            return True
        return bool(await self.connection.command("GET", key) == mine)
