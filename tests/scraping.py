"""What the exporter tells, as Prometheus reads it."""

import http.client

from prometheus_client.parser import text_string_to_metric_families

from lakehouse.settings import Settings


def scrape(settings: Settings) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels, which are in alphabetical order; none without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.exporter_port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except OSError:
        return {}
    finally:
        connection.close()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
