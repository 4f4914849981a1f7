"""How every service runs: settings, logs, metrics, health, serve, drain, exit code.

`serve` gets the settings and a Process. It says what readiness depends on,
waits for `process.stopping`, finishes what is at work, and returns. SIGTERM and
SIGINT set `stopping`; what has not returned in time after that is cut. Exit
codes: 0 stopped as told, 1 failed, 2 a setting is missing or malformed.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from services.common.config import CommonSettings, SettingError, load
from services.common.health import Health
from services.common.log import configure
from services.common.metrics import new_registry, serving

# After DRAIN_SECONDS everything is cut; closing that takes this much longer hangs.
GRACE = 5.0
# Net new objects between two searches for garbage in cycles. Python's own 700 costs a tenth of a busy
# process; this many objects are a few megabytes.
OBJECTS = 10_000
FAILED = 1
MISCONFIGURED = 2

S = TypeVar("S", bound=CommonSettings)


class Process:
    """What a service knows of the process it runs in."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self.stopping = asyncio.Event()  # drain and return
        self.registry = registry
        self._health = health

    def readiness(self, check: Callable[[], bool]) -> None:
        """Ready while this and all other checks are true. It is called often and must only look."""
        self._health.add(check)

    def stop(self) -> None:
        """Readiness off, then drain."""
        self._health.draining = True
        self.stopping.set()


Serve = Callable[[S, Process], Awaitable[None]]


def main(settings_class: type[S], serve: Serve[S]) -> None:
    """Run a service to its end and exit."""
    try:
        settings = load(settings_class, os.environ)
        configure(_service_name(), settings.log_format, settings.log_level)
        spare_the_collector()
        sys.exit(uvloop.run(run(settings, serve)))
    except SettingError as error:
        print(error, file=sys.stderr)
        sys.exit(MISCONFIGURED)


def spare_the_collector() -> None:
    """What importing made stays for ever: it is never looked through again, and the rest more seldom.

    Cycles that are made from here on are still found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])


def _service_name() -> str:
    """`imap` for `python -m services.imap`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.parent.rpartition(".")[2] if spec is not None else "buuta"


async def run(settings: S, serve: Serve[S]) -> int:
    """Run a service in this event loop; its exit code."""
    log = structlog.stdlib.get_logger()
    health = Health()
    process = Process(health, new_registry(health))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    beat = asyncio.create_task(health.beat())
    try:
        with serving(settings.metrics_listen, process.registry, health):
            await _until_stopped(settings, serve, process)
    except SettingError:
        raise
    except TimeoutError:
        log.error("did not stop in time")
        return FAILED
    except OSError as error:
        log.error("cannot run", error=str(error))
        return FAILED
    except Exception:
        log.exception("failed")
        return FAILED
    finally:
        beat.cancel()
    log.info("stopped")
    return 0


async def _until_stopped(settings: S, serve: Serve[S], process: Process) -> None:
    work = asyncio.ensure_future(serve(settings, process))
    stop = asyncio.create_task(process.stopping.wait())
    try:
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await asyncio.wait_for(work, settings.drain_seconds + GRACE)
        await work
    finally:
        stop.cancel()
