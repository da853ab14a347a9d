"""How fast the generator makes order events, and delivers them.

    python benchmarks/generator.py BOOTSTRAP_SERVERS [--events 1000000] [--topic generator-benchmark]

`generate` makes keys, JSON values and expected rows; `+ checksum` adds the identities that a manifest needs;
`+ delivery` is `lakehouse produce --events N`, every message confirmed by the broker. CPU is this process only,
librdkafka's threads (compression, sockets) included, the broker not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.producer import produce
from lakehouse.generator.stream import OrderGenerator
from lakehouse.settings import load_settings

FAULTS = {"late": 0.05, "duplicates": 0.02, "malformed": 0.01}


def measure(events: int, work: Callable[[], object]) -> tuple[float, float]:
    """Events a second of wall-clock time, and events a second of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return events / (time.perf_counter() - wall), events / (time.process_time() - cpu)


def main() -> None:
    """Prints a row for each way, the best of three runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap_servers")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--topic", default="generator-benchmark")
    arguments = parser.parse_args()
    settings = load_settings({"kafka_bootstrap_servers": arguments.bootstrap_servers})
    clean = GeneratorConfig(events=arguments.events, topic=arguments.topic, seed=1)
    faulty = GeneratorConfig(events=arguments.events, topic=arguments.topic, seed=1, **FAULTS)

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "manifest.json"
        ways: dict[str, Callable[[], object]] = {
            "generate": lambda: sum(len(chunk) for chunk in OrderGenerator(clean).chunks()),
            "+ checksum": lambda: sum(len(chunk.hashes) for chunk in OrderGenerator(clean).chunks()),
            "+ delivery": lambda: produce(settings, clean, manifest_path=path),
            "+ delivery, with faults": lambda: produce(settings, faulty, manifest_path=path),
            "+ delivery, events file": lambda: produce(settings, clean, manifest_path=path, with_events=True),
        }
        print(f"{arguments.events:,} events, best of 3")
        print(f"{'':<26}{'events/s':>12}{'per CPU-s':>12}")
        for name, work in ways.items():
            runs = [measure(arguments.events, work) for _ in range(3)]
            print(f"{name:<26}{max(w for w, _ in runs):>12,.0f}{max(c for _, c in runs):>12,.0f}", flush=True)


if __name__ == "__main__":
    main()
