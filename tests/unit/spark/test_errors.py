"""What Spark raises reaches the user without the stack of the JVM."""

from unittest.mock import MagicMock

from delta.exceptions import ConcurrentAppendException
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

from lakehouse_spark.errors import CONFLICTS, SPARK_ERRORS, message_of

STACK = """Job aborted due to stage failure: java.lang.ArithmeticException: divide by zero
\tat org.apache.spark.Some.method(Some.scala:1)
\t... 12 more

Driver stacktrace:"""


def java_error(message: str | None) -> Py4JJavaError:
    """As py4j raises it; the mock is the exception in the JVM."""
    exception = MagicMock()
    exception.getMessage.return_value = message
    exception.toString.return_value = "java.lang.NullPointerException"
    error = Py4JJavaError.__new__(Py4JJavaError)
    error.java_exception = exception
    error.errmsg = "An error occurred"
    return error


def test_an_error_of_the_jvm_says_what_it_is_about() -> None:
    assert message_of(java_error(STACK)) == STACK.splitlines()[0]
    assert isinstance(java_error(STACK), SPARK_ERRORS)


def test_one_without_a_message_says_its_name() -> None:
    assert message_of(java_error(None)) == "java.lang.NullPointerException"


def test_one_of_spark_keeps_its_lines_but_for_a_stack() -> None:
    said = "[TABLE_OR_VIEW_NOT_FOUND] There is no `x`.\nVerify the spelling; line 1 pos 14"
    assert message_of(AnalysisException(f"{said}\n\nJVM stacktrace:\n\tat some.Class(Some.scala)")) == said


def test_delta_s_conflicts_are_told_from_other_errors() -> None:
    assert issubclass(ConcurrentAppendException, CONFLICTS)
    assert not issubclass(AnalysisException, CONFLICTS)
