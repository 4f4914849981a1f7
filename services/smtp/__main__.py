"""`python -m services.smtp`: the SMTP service as a process. The wiring, nothing else."""

import structlog

from services.common.front_end import Listener, front_end
from services.common.ids import new_connection_id
from services.common.run import Process, main
from services.common.session import Spawn
from services.common.store_client import StoreClient
from services.common.stream import Stream
from services.smtp.handlers.table import HANDLERS
from services.smtp.metrics import Metrics
from services.smtp.recipients import Recipients
from services.smtp.session import MX, Service, SmtpSession
from services.smtp.settings import SmtpSettings


async def serve(settings: SmtpSettings, process: Process) -> None:
    log = structlog.stdlib.get_logger()
    listeners = [
        Listener(MX, settings.listen_mx),
        Listener("submission", settings.listen_submission),
        Listener("submissions", settings.listen_submissions, implicit_tls=True),
    ]
    async with front_end(settings, process, listeners) as front:
        mx = front.client
        if settings.service_token_mx:
            mx = StoreClient(settings.store_endpoints, settings.service_token_mx, settings.store_timeout)
            await mx.start()
        service = Service(
            submission=front.client,
            mx=mx,
            handlers=HANDLERS,
            recipients=Recipients(),
            metrics=Metrics(process.registry),
            hostname=settings.hostname,
            tls=front.tls,
            allow_plaintext_auth=settings.allow_plaintext_auth,
            max_message_size=settings.max_message_size,
        )

        def session(stream: Stream, spawn: Spawn) -> SmtpSession:
            return SmtpSession(
                stream, spawn, service, log.bind(connection=new_connection_id(), peer=stream.peer)
            )

        try:
            await front.serve(session)
        finally:
            if mx is not front.client:
                await mx.close()


if __name__ == "__main__":
    main(SmtpSettings, serve)
