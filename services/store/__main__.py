"""`python -m services.store`: the store as a process. The wiring, nothing else."""

from services.common.run import Process, main
from services.store.server import running
from services.store.settings import StoreSettings


async def serve(settings: StoreSettings, process: Process) -> None:
    async with running(settings) as store:
        process.readiness(store.ready.is_set)
        await process.stopping.wait()
        await store.drain(settings.drain_seconds)


if __name__ == "__main__":
    main(StoreSettings, serve)
