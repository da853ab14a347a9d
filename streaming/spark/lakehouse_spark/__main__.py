"""`python -m lakehouse_spark`: the streaming application, as its supervisor starts it."""

import logging
import sys

from lakehouse.contracts import Engine, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings
from lakehouse_spark.application import Application, QueryFailedError
from lakehouse_spark.session import spark_session
from lakehouse_spark.status import serve_status


def main() -> int:
    """Runs until a signal; the exit code is 0 after a stop that was asked for, 1 after an error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("py4j", "kafka"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load_settings()
        contracts = [c for c in load_contracts(settings.contracts_dir) if c.resolved_engine is Engine.SPARK]
        spark = spark_session(settings, "lakehouse-streaming")
        application = Application(spark, settings, contracts)
        application.stop_on_signals()
        server = serve_status(settings.spark_status_port, application.status)
        try:
            application.run()
        finally:
            server.shutdown()
            spark.stop()
    except (LakehouseError, QueryFailedError) as error:
        logging.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
