"""Read by Python as it starts, of a process under libfaketime: lets it sleep.

`time.sleep` asks the kernel to wait until a moment of the monotonic clock. libfaketime makes of
it, where that clock is not to be changed, a moment that the kernel refuses: EINVAL, in whichever
thread. The driver of MongoDB watches its servers in such threads.
"""

import select
import time
from typing import Any


def sleep(seconds: Any, /) -> None:
    """Waits so long, by no clock that is changed."""
    select.select([], [], [], seconds)


time.sleep = sleep
