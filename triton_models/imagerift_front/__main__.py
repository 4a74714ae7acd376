"""`python3 -m imagerift_front COMMAND…`: runs Triton by COMMAND, and listens in its place.

Where Triton listens is added to COMMAND. Both end together: with Triton's exit status, at its
crash as well, and after a SIGTERM once Triton has ended the calls that it has.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from imagerift_front.server import calls_front, listening, metrics_front
from imagerift_front.settings import FrontSettings
from imagerift_front.tokens import TokenFile
from imagerift_front.triton import Sockets, Triton, session_of


async def run(command: Sequence[str], settings: FrontSettings) -> int:
    """Run both until Triton has ended; the result is the exit status.

    Raises OSError or ValueError before anything is started where it cannot listen.
    """
    tokens = TokenFile(settings.token_file) if settings.token_file else None
    sockets = Sockets(settings.port)
    async with AsyncExitStack() as stack:
        calls = await stack.enter_async_context(session_of(sockets.calls))
        front = calls_front(calls, settings, tokens)
        await stack.enter_async_context(listening(front, settings.port, settings))
        if settings.metrics_port is not None:
            metrics = await stack.enter_async_context(session_of(sockets.metrics))
            behind = metrics_front(metrics, settings)
            await stack.enter_async_context(listening(behind, settings.metrics_port, settings))
        triton = await Triton.started([*command, *sockets.flags()])
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, triton.stop)
        return await triton.ended(settings.termination_log)


def main() -> int:
    """Do what the arguments say."""
    try:
        return asyncio.run(run(sys.argv[1:], FrontSettings.from_environment()))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"imagerift_front: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
