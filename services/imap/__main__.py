"""`python -m services.imap`: the IMAP service as a process. The wiring, nothing else."""

import structlog

from services.common.front_end import Listener, front_end
from services.common.hints import HintHub
from services.common.ids import new_request_id
from services.common.run import Process, main
from services.common.session import Spawn
from services.common.stream import Stream
from services.imap.handlers.table import HANDLERS
from services.imap.metrics import Metrics
from services.imap.session import ImapSession, Service
from services.imap.settings import ImapSettings


async def serve(settings: ImapSettings, process: Process) -> None:
    listeners = [
        Listener("imap", settings.listen_imap),
        Listener("imaps", settings.listen_imaps, implicit_tls=True),
    ]
    async with front_end(settings, process, listeners) as parts:
        hints = HintHub(parts.client)
        await hints.start()
        service = Service(
            client=parts.client,
            hints=hints,
            handlers=HANDLERS,
            metrics=Metrics(process.registry),
            hostname=settings.hostname,
            tls=parts.tls,
            allow_plaintext_auth=settings.allow_plaintext_auth,
            max_message_size=settings.max_message_size,
        )

        def session(stream: Stream, spawn: Spawn) -> ImapSession:
            log = structlog.stdlib.get_logger().bind(connection=new_request_id().hex(), peer=stream.peer)
            return ImapSession(stream, spawn, service, log)

        try:
            await parts.serve(session)
        finally:
            await hints.close()


if __name__ == "__main__":
    main(ImapSettings, serve)
