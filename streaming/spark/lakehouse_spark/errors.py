"""What Spark and Delta raise, in words for the one who asked: without the stack of the JVM."""

import re

# Gives Delta's conflicts classes of their own, where they would be errors of the JVM. They have none in common.
from delta import exceptions as delta
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

#: Another writer committed first, and nothing of this commit was stored.
CONFLICTS = (
    delta.ConcurrentAppendException,
    delta.ConcurrentDeleteDeleteException,
    delta.ConcurrentDeleteReadException,
    delta.ConcurrentTransactionException,
    delta.ConcurrentWriteException,
    delta.DeltaConcurrentModificationException,
    delta.MetadataChangedException,
    delta.ProtocolChangedException,
)
#: Whatever Spark raises.
SPARK_ERRORS = (PySparkException, Py4JError)
_STACK = re.compile(r"\s+at \S|\s*\.\.\. \d+ more|Driver stacktrace:|JVM stacktrace:")


def message_of(error: Exception) -> str:
    """What ``error`` says, which may be one of the JVM, but for the lines of a stack."""
    if isinstance(error, Py4JJavaError):
        # Asked of the JVM: the text of the error itself is the whole stack.
        said = str(error.java_exception.getMessage() or error.java_exception.toString())
    else:
        said = str(error)
    return "\n".join(line for line in said.splitlines() if line.strip() and not _STACK.match(line))
