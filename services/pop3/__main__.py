"""`python -m services.pop3`: the POP3 service as a process. The wiring, nothing else."""

import structlog

from services.common.front_end import Listener, front_end
from services.common.ids import new_connection_id
from services.common.run import Process, main
from services.common.session import Spawn
from services.common.stream import Stream
from services.pop3.handlers.table import HANDLERS
from services.pop3.metrics import Metrics
from services.pop3.session import Pop3Session, Service
from services.pop3.settings import Pop3Settings


async def serve(settings: Pop3Settings, process: Process) -> None:
    listeners = [
        Listener("pop3", settings.listen_pop3),
        Listener("pop3s", settings.listen_pop3s, implicit_tls=True),
    ]
    async with front_end(settings, process, listeners) as parts:
        service = Service(
            store=parts.client,
            handlers=HANDLERS,
            metrics=Metrics(process.registry),
            hostname=settings.hostname,
            tls=parts.tls,
            allow_plaintext_auth=settings.allow_plaintext_auth,
        )

        def session(stream: Stream, spawn: Spawn) -> Pop3Session:
            log = structlog.stdlib.get_logger().bind(connection=new_connection_id(), peer=stream.peer)
            return Pop3Session(stream, spawn, service, log)

        await parts.serve(session)


if __name__ == "__main__":
    main(Pop3Settings, serve)
