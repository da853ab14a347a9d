"""How the commands that messages advise are typed on this machine."""

import os
import shutil
import sys
from pathlib import Path


def command(arguments: str) -> str:
    """`lakehouse` with ``arguments``, as whoever reads it can type it.

    After `make up` the virtual environment is rarely activated: then it is the path of the script, from the working
    directory where that is shorter. Never fails: it is called while an error is being told.
    """
    if shutil.which("lakehouse"):
        return f"lakehouse {arguments}"
    script = Path(sys.executable).with_name("lakehouse")
    try:
        relative = os.path.relpath(script)
    except OSError:  # The working directory is gone.
        return f"{script} {arguments}"
    return f"{min(relative, str(script), key=len)} {arguments}"
