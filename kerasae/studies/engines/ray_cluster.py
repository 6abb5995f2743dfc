"""Connecting to a Ray cluster, or starting one on this machine."""

import contextlib
import importlib.util
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from kerasae.errors import StudyError
from kerasae.studies.engines.cores import available_cores
from kerasae.studies.job import Job

# No report to Ray's makers and no advice on the terminal; what a job without GPUs sees is settled by its task.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_SILENT = {"log_to_driver": False, "logging_level": logging.ERROR}
# Ray takes the address of a network card for 127.0.0.1 unless this is set before it is imported.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_PATIENCE_SECONDS = 10
# Results are small; what does not fit is spilled to disk.
_OBJECT_STORE_BYTES = 200_000_000


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Yield the module ``ray``, connected to the cluster at ``address`` (``host:port`` or ``auto``).

    Without an address a cluster of this machine alone is started, on the loopback interface, and ended on leaving.
    A process that is connected already stays so. Raises ``StudyError`` where Ray is not installed, or there is no
    cluster at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        raise StudyError("--engine ray needs Ray, which is not installed; pip install 'kerasae[ray]'")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ.setdefault(_LOOPBACK, "0")
    else:
        _refuse_silence(address)
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        if address is None:
            own = {"num_cpus": len(available_cores()) or None, "object_store_memory": _OBJECT_STORE_BYTES}
            ray.init(address="local", include_dashboard=False, **_SILENT, **own)
        else:
            ray.init(address=address, **_SILENT)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = "a cluster on this machine" if address is None else f"the cluster at {address}"
        raise StudyError(f"Ray cannot use {where}: {' '.join(str(error).split())}") from None
    try:
        with _nothing_on_stdout(ray):
            yield ray
    finally:
        ray.shutdown()


def could_do(ray: ModuleType, job: Job) -> bool:
    """Return whether a node of the cluster is large enough for ``job``, were it idle."""
    wanted = {name: amount for name, amount in (("CPU", job.cpus), ("GPU", job.gpus)) if amount}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes)


def _refuse_silence(address: str) -> None:
    """Raise ``StudyError`` where no cluster answers at ``address``: Ray itself would go on trying for minutes."""
    where = address
    if address == "auto":
        where = os.environ.get("RAY_ADDRESS") or _last_started()
    if where is None:
        raise StudyError(
            "--address auto found no Ray cluster on this machine; start one with: ray start --head; or give host:port"
        )
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise StudyError(f"--address {where!r} is not an address; it is host:port, such as 10.0.0.1:6379, or auto")
    try:
        _connect(host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise StudyError(
            f"no Ray cluster answers at {where} ({error}); start one there with: ray start --head --port {port}"
        ) from None
    if host in ("127.0.0.1", "localhost", "[::1]") and not _is_on_network(int(port)):
        os.environ.setdefault(_LOOPBACK, "0")
    _try_out(address)


def _connect(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()


def _is_on_network(port: int) -> bool:
    """Return whether what listens here on ``port`` does so at the machine's own address too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("10.255.255.255", 1))  # sends nothing, but finds the card that would
            _connect(asking.getsockname()[0], port)
        except OSError:
            return False
    return True


def _try_out(address: str) -> None:
    """Connect in a process of its own, which can be ended where something else than Ray listens at ``address``."""
    script = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    command = [sys.executable, "-c", script, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=6 * _PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise StudyError(
            f"what listens at {address} does not answer as a Ray cluster does; give the address that `ray status` shows"
        ) from None
    if "InvalidAuthToken" in done.stderr:
        raise StudyError(
            f"the Ray cluster at {address} asks for a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH where "
            "the token is not in ~/.ray/auth_token"
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StudyError(f"Ray cannot use the cluster at {address}: {last}")


@contextlib.contextmanager
def _nothing_on_stdout(ray: ModuleType) -> Iterator[None]:
    """Keep Ray from writing of lost nodes, and the end of their logs, among a study's own lines; no setting does."""
    worker = getattr(getattr(ray, "_private", None), "worker", None)
    if not hasattr(worker, "print_to_stdstream"):
        yield
        return
    kept, worker.print_to_stdstream = worker.print_to_stdstream, lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = kept


def _last_started() -> str | None:
    path = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    return path.read_text().strip() if path.is_file() else None
