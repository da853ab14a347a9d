"""`python -m lakehouse.local.wait_for HOST:PORT -- COMMAND…`: waits for a port, then becomes the command.

supervisord starts programs in order but knows nothing of readiness. Replacing the process (exec) keeps the program a
direct child of supervisord, so that signals and exit codes are its own.
"""

import os
import socket
import sys
import time

#: How long a part is waited for, by `up` and by the parts that need it. On a busy two-core machine Dagster's code takes
#: two minutes and more to load, and who gives up before is another process to start beside it.
DEADLINE_SECONDS = 300.0
_PAUSE_SECONDS = 0.2


def wait_for_port(address: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Returns once something accepts connections at ``host:port``. Raises TimeoutError naming the address."""
    host, _, port = address.rpartition(":")
    give_up = time.monotonic() + deadline_seconds
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=1):
                return
        except OSError as error:
            if time.monotonic() > give_up:
                raise TimeoutError(f"waited {deadline_seconds:.0f} s for {address}, last answer: {error}") from error
        time.sleep(_PAUSE_SECONDS)


def main(arguments: list[str]) -> None:
    """Waits for each address before ``--``, then executes what follows it."""
    separator = arguments.index("--")
    for address in arguments[:separator]:
        try:
            wait_for_port(address)
        except TimeoutError as error:
            sys.exit(str(error))
    command = arguments[separator + 1 :]
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
