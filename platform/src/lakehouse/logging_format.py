"""How processes of the platform log: a line each, with the time in UTC, so that the logs of all parts can be merged."""

import logging
import time

_LINE = "%(asctime)s.%(msecs)03dZ %(levelname)-5s %(name)s - %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S"
#: The same for Log4j, to the standard output; with the job where Flink names it.
_LOG4J = """\
rootLogger.level = {level}
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = \
%d{{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}}{{UTC}} %-5p %notEmpty{{[%X{{flink-job-id}}] }}%c{{1}} - %m%n
"""


def log_to_stderr() -> None:
    """Has this process log what is of interest to a user, and nothing below."""
    formatter = logging.Formatter(_LINE, _TIME)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    # As Log4j calls it.
    logging.addLevelName(logging.WARNING, "WARN")
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def log4j_properties(level: str = "INFO") -> str:
    """A `log4j2.properties` for a JVM, from ``level`` on."""
    return _LOG4J.format(level=level)
