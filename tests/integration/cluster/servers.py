"""etcd and kube-apiserver, on free ports of this machine: objects are checked and kept, no pod ever runs."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import free_port
from tests.waiting import wait_for

#: Of a server that lives as long as the tests, and listens on this machine alone.
_TOKEN = "of-the-administrator"  # noqa: S105
_SECONDS = 180


@dataclass(frozen=True)
class Cluster:
    """A client of the API server: that of its administrator, or of ``kubeconfig``."""

    programs: Path
    kubeconfig: Path

    def run(self, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [self.programs / "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What kubectl prints. Fails the test where it fails, in its words."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
        return done.stdout


@contextmanager
def running(programs: Path, directory: Path, namespace: str) -> Iterator[Cluster]:
    """Both servers from ``programs``, with their data and logs in ``directory``; ends them."""
    clients, peers, port = free_port(), free_port(), free_port()
    certificates = directory / "certificates"
    cluster = Cluster(programs, directory / "kubeconfig")
    _write_kubeconfig(cluster.kubeconfig, port, certificates / "apiserver.crt", _TOKEN, namespace)
    commands = {
        "etcd": _etcd(programs / "etcd", directory, clients, peers),
        "kube-apiserver": _apiserver(programs / "kube-apiserver", directory, clients, port, certificates),
    }
    processes = []
    try:
        for name, command in commands.items():
            with (directory / f"{name}.log").open("w") as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=directory))
        wait_for(
            lambda: cluster.run("get", "--raw", "/readyz").stdout == "ok",
            "the API server to be ready",
            _SECONDS,
            lambda: "\n".join(file.read_text()[-2000:] for file in directory.glob("*.log")),
        )
        yield cluster
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait(timeout=60)


def _write_kubeconfig(file: Path, port: int, authority: Path, token: str, namespace: str) -> None:
    """Writes the configuration of a client with ``token`` for the server at ``port``."""
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    told = {
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
    }
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "test", **told}))


def _etcd(program: Path, directory: Path, clients: int, peers: int) -> Sequence[str | Path]:
    return [
        *(program, "--data-dir", directory / "etcd", "--unsafe-no-fsync"),
        *("--listen-client-urls", f"http://127.0.0.1:{clients}"),
        *("--advertise-client-urls", f"http://127.0.0.1:{clients}"),
        *("--listen-peer-urls", f"http://127.0.0.1:{peers}"),
        *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peers}"),
        *("--initial-cluster", f"default=http://127.0.0.1:{peers}"),
    ]


def _apiserver(program: Path, directory: Path, etcd: int, port: int, certificates: Path) -> Sequence[str | Path]:
    key = directory / "accounts.key"
    key.write_bytes(
        rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (directory / "tokens.csv").write_text(f"{_TOKEN},admin,admin,system:masters\n")
    return [
        *(program, "--etcd-servers", f"http://127.0.0.1:{etcd}"),
        *("--bind-address", "127.0.0.1", "--secure-port", str(port), "--cert-dir", certificates),
        *("--service-account-issuer", "https://kubernetes.default.svc"),
        *("--service-account-key-file", key, "--service-account-signing-key-file", key),
        *("--token-auth-file", directory / "tokens.csv", "--authorization-mode", "RBAC"),
        *("--service-cluster-ip-range", "10.0.0.0/24"),
    ]
