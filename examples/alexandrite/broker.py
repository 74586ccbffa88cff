"""A private RabbitMQ node: its own ports, data directory, cookie and epmd, so that it meets no other node of the machine.

For the demo and the tests; not a way to run RabbitMQ in production. Works as root and as an ordinary user.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from .rights import VHOST, WatchAddresses, company_url, prepare_watch

__all__ = (
    "HOW_TO_GET_IT", "VHOST", "BrokerError", "RabbitNode", "WatchAddresses", "company_url", "ensure_installed", "find_scripts",
    "free_ports", "prepare_watch",
)  # fmt: skip

HOW_TO_GET_IT = "install the package rabbitmq-server or set ORDERTRACE_AMQP_URL to a broker that is already there"
_PORTS = range(10_000, 32_768)  # Linux takes those of outgoing connections from above, unless told otherwise
PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_event_exchange")

# The package's maintainer scripts would start a system-wide node; policy-rc.d is Debian's way to forbid that.
_INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\\nexit 101\\n' > $policy && chmod 755 $policy
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
install="apt-get install -y -qq --no-install-recommends rabbitmq-server"
$install || { apt-get update -qq && $install; }
[ ! -d /run/systemd/system ] || systemctl disable --quiet rabbitmq-server || true
"""


class BrokerError(Exception):
    """No broker could be had; the message says what to do."""


def find_scripts() -> Path | None:
    """The directory with RabbitMQ's own scripts, or None.

    Not the wrappers in /usr/sbin: Debian's insist on being run by root or the user rabbitmq.
    """
    places = [Path("/usr/lib/rabbitmq/bin"), *sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))]
    if home := os.environ.get("RABBITMQ_HOME"):
        places.insert(0, Path(home) / "sbin")
    if script := shutil.which("rabbitmq-server"):
        places.append(Path(script).resolve().parent)
    return next((place for place in places if (place / "rabbitmq-server").exists() and shutil.which("erl")), None)


def ensure_installed() -> Path:
    """The directory of RabbitMQ's scripts; installs the distribution's package where it is missing and we may.

    Raises BrokerError where that is not possible.
    """
    if scripts := find_scripts():
        return scripts
    if not shutil.which("apt-get"):
        raise BrokerError(f"RabbitMQ is not installed and there is no apt-get: {HOW_TO_GET_IT}")
    asking = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if asking and (not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode):
        raise BrokerError(f"RabbitMQ is not installed and this user may not install it: {HOW_TO_GET_IT}")
    done = subprocess.run([*asking, "sh", "-c", _INSTALL], capture_output=True, text=True)
    if done.returncode or not (scripts := find_scripts()):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BrokerError(f"apt-get could not install rabbitmq-server ({last}): {HOW_TO_GET_IT}")
    return scripts


class RabbitNode:
    """One RabbitMQ node, from `start()` to `stop()`; a context manager does both.

    `directory` holds its data and logs and is kept; without one a temporary directory is used and removed. With
    `plugins` the management API (`management_url`), Prometheus metrics (`prometheus_url`) and the event exchange are
    on, which costs a slower start; `trace_vhosts` have the firehose on after every start. The node dies with our process.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        plugins: bool = False,
        trace_vhosts: Sequence[str] = (),
        start_seconds: float = 60.0,
    ) -> None:
        self._temporary = directory is None
        self.directory = (
            Path(tempfile.mkdtemp(prefix="alexandrite-rabbit-")) if directory is None else directory.resolve()
        )
        self.directory.mkdir(parents=True, exist_ok=True)
        self._plugins = PLUGINS if plugins else ()
        self._trace_vhosts = tuple(trace_vhosts)
        self._start_seconds = start_seconds
        # The kernel's parent death signal comes when the spawning thread ends: so this one lives as long as the node.
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="rabbit-node")
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self.port, self._dist_port, self._epmd_port, self._management_port, self._prometheus_port = free_ports(5)
        self.name = (
            "alexandrite@localhost"  # unique at its own epmd; always the same, so that a kept directory serves again
        )

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def management_url(self) -> str:
        return f"http://127.0.0.1:{self._management_port}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self._prometheus_port}/metrics"

    @property
    def log_path(self) -> Path:
        return self.directory / "log" / "rabbit.log"

    def start(self) -> RabbitNode:
        """Returns when the node accepts connections. Raises BrokerError where it does not come up."""
        scripts = ensure_installed()
        self._write_settings()
        try:
            if not _is_running(self._epmd):
                self._epmd = self._spawn([_find_epmd(), "-port", str(self._epmd_port), "-address", "127.0.0.1"])
                _wait_for(lambda: _accepts(self._epmd_port), self._epmd, 10.0)
            # -noinput and ALLOW_INPUT: the script becomes the node itself instead of a shell that watches it.
            self._node = self._spawn([str(scripts / "rabbitmq-server"), "-noinput"])
            _wait_for(self._is_ready, self._node, self._start_seconds)
        except (OSError, TimeoutError) as error:
            last = self._last_words()
            self.stop()
            raise BrokerError(f"the private RabbitMQ node did not start ({error}): {last}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stops the node in good order, then its epmd; removes the directory if it was a temporary one."""
        _end(self._node, signal.SIGTERM, 20.0)
        self._node = None
        _end(self._epmd, signal.SIGKILL, 5.0)
        self._epmd = None
        self._spawner.shutdown()
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="rabbit-node")
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """As a power cut would: the node is gone at once, its data directory stays for `restart()`."""
        _end(self._node, signal.SIGKILL, 5.0)
        self._node = None

    def restart(self) -> None:
        """The same node again, on the same ports and data; stops it in good order first if it runs."""
        _end(self._node, signal.SIGTERM, 20.0)
        self._node = None
        self.start()

    def control(self, *arguments: str, seconds: float = 60.0) -> str:
        """What `rabbitmqctl ARGUMENTS` prints. Raises BrokerError with its message."""
        command = [str(ensure_installed() / "rabbitmqctl"), "-q", "-n", self.name, *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def __enter__(self) -> RabbitNode:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write_settings(self) -> None:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "log.console = false",
            "disk_free_limit.absolute = 50MB",
            f"management.tcp.port = {self._management_port}" if self._plugins else "",
            "management.tcp.ip = 127.0.0.1" if self._plugins else "",
            f"prometheus.tcp.port = {self._prometheus_port}" if self._plugins else "",
            "prometheus.tcp.ip = 127.0.0.1" if self._plugins else "",
        ]
        (self.directory / "rabbitmq.conf").write_text("\n".join(filter(None, lines)) + "\n")
        (self.directory / "enabled_plugins").write_text(f"[{','.join(self._plugins)}].\n")
        (self.directory / "env.conf").write_text("")
        traced = ",".join(f'<<"{vhost}">>' for vhost in self._trace_vhosts)
        (self.directory / "advanced.config").write_text(f"[{{rabbit,[{{trace_vhosts,[{traced}]}}]}}].\n")
        (self.directory / "log").mkdir(exist_ok=True)

    def _environment(self) -> Mapping[str, str]:
        """Nothing of the machine's own RabbitMQ or Erlang settings; HOME makes the cookie a private one."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RABBITMQ_", "ERL_", "NOTIFY_"))}
        at = self.directory
        return kept | {
            "HOME": str(at),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": str(at / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(at / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(at / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(at / "mnesia"),
            "RABBITMQ_LOG_BASE": str(at / "log"),
            "RABBITMQ_LOGS": str(self.log_path),
            "RABBITMQ_PID_FILE": str(at / "pid"),
        }

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A process in a group of its own that is stopped by the kernel should we die without stopping it."""
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", *command]
        with (self.directory / "log" / "console.log").open("ab") as console:
            return self._spawner.submit(
                subprocess.Popen, command, env=self._environment(), cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=console, stderr=console, start_new_session=True,
            ).result()  # fmt: skip

    def _is_ready(self) -> bool:
        if not _speaks_amqp(self.port):
            return False
        if not self._plugins:
            return True
        with contextlib.suppress(urllib.error.HTTPError, OSError):
            return bool(urllib.request.urlopen(self.prometheus_url, timeout=1.0).status == 200)  # noqa: S310
        return False

    def _last_words(self) -> str:
        for path in (self.directory / "log" / "console.log", self.log_path):
            if path.exists() and (lines := path.read_text("utf-8", "replace").strip().splitlines()):
                return lines[-1][:300]
        return "it said nothing"


def _find_epmd() -> str:
    """epmd is on the path on Debian and Fedora; elsewhere it lies in the run-time system's own bin."""
    if found := shutil.which("epmd"):
        return found
    erl = Path(shutil.which("erl") or "erl").resolve().parent
    return str(next((erl.parent).glob("erts-*/bin/epmd"), "epmd"))


def free_ports(count: int) -> list[int]:
    """Ports that are free now, and stay so while what listens on them is killed and started again.

    None of those from which outgoing connections take theirs: whoever tries again and again to reach a port of that range on
    which nobody listens will at last be given it as its own, and sit on it. All are held until the last is found.
    """
    with contextlib.ExitStack() as held:
        found = list[int]()
        while len(found) < count:
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", random.choice(_PORTS)))
                found.append(one.getsockname()[1])
        return found


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _speaks_amqp(port: int) -> bool:
    """Whether `connection.start` comes back (a method frame: type 1) for the protocol header."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"
    return False


def _is_running(process: subprocess.Popen[bytes] | None) -> bool:
    return process is not None and process.poll() is None


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if not _is_running(process):
            raise TimeoutError(f"it ended with code {process.returncode}")
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes] | None, sign: signal.Signals, seconds: float) -> None:
    """Sends `sign`; after `seconds` kills. The group goes too: the node's own children (disk and name look-up ports)."""
    if process is None:
        return
    if process.poll() is None:
        process.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
