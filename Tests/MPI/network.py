"""Two machines on one: network namespaces with a cable between them, for what happens to a run when
a network is slow, or breaks. Needs root and iproute2.
"""

import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

HOSTS = ("one", "two")
# The cable's ends; a namespace has its own names.
CABLE = "cable"


def namespace(host: str) -> str:
    """Returns the name of a namespace of this process."""
    return f"supcon-{os.getpid()}-{host}"


def sweep() -> None:
    """Deletes the namespaces of processes that have ended without doing so."""
    folder = Path("/run/netns")
    for entry in folder.iterdir() if folder.exists() else ():
        owner = re.fullmatch(r"supcon-(\d+)-\w+", entry.name)
        if owner and not Path("/proc", owner[1]).exists():
            _delete(entry.name)


def _delete(name: str) -> None:
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


class Network:
    """Two namespaces with the addresses 10.99.0.1 and 10.99.0.2, and host names of their own. The
    namespaces' names hold the process's id, so that two runs of the tests do not meet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sweep()
        one, two = map(namespace, HOSTS)
        for name in (one, two):
            self._ip("netns", "add", name)
        peer = ["peer", "name", CABLE, "netns", two]
        self._ip("link", "add", CABLE, "netns", one, "type", "veth", *peer)
        for number, name in enumerate((one, two), 1):
            inside = ["-n", name]
            self._ip(*inside, "addr", "add", f"10.99.0.{number}/24", "dev", CABLE)
            self._ip(*inside, "link", "set", CABLE, "up")
            self._ip(*inside, "link", "set", "lo", "up")
        (folder / "names").write_text("127.0.0.1 localhost\n10.99.0.1 one\n10.99.0.2 two\n")
        (folder / "hosts").write_text("one slots=1\ntwo slots=1\n")
        self._script("inside", 'hostname "$1"; mount --bind names /etc/hosts; shift; exec "$@"')
        # What mpirun calls in the place of ssh: agent HOST WORD..., words for a shell.
        self._script("agent", 'host=$1; shift; exec ./enter "$host" sh -c "$*"')
        self._script(
            "enter",
            f'exec ip netns exec "supcon-{os.getpid()}-$1" unshare --uts --mount ./inside "$@"',
        )

    def mpirun(self, *command: object) -> "list[str]":
        """Returns the command line that starts a rank in each namespace."""
        options = {
            "plm_rsh_agent": self.folder / "agent",
            "btl": "tcp,self",
            "btl_tcp_if_include": "10.99.0.0/24",
            "oob_tcp_if_include": "10.99.0.0/24",
        }
        words = [word for name, it in options.items() for word in ("--mca", name, str(it))]
        return [
            str(self.folder / "enter"), "one", "mpirun", "--allow-run-as-root", "--hostfile",
            "hosts", *words, "-np", "2", *map(str, command),
        ]  # fmt: skip

    def connect(self, is_connected: bool) -> None:
        """Pulls the cable, or puts it back."""
        self._ip("-n", namespace("two"), "link", "set", CABLE, "up" if is_connected else "down")

    def limit(self, gigabits: float) -> None:
        """Limits what each side sends."""
        for host in HOSTS:
            rate = ["rate", f"{round(gigabits * 1000)}mbit", "burst", "256kb", "limit", "16mb"]
            subprocess.run(
                ["ip", "netns", "exec", namespace(host), "tc", "qdisc", "replace", "dev",
                 CABLE, "root", "tbf", *rate],
                check=True,
            )  # fmt: skip

    def close(self) -> None:
        for host in HOSTS:
            _delete(namespace(host))

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def _script(self, name: str, text: str) -> None:
        script = f"#!/bin/sh\ncd {self.folder}\n{textwrap.dedent(text)}\n"
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)


def is_possible() -> bool:
    """Tells whether this process may make network namespaces."""
    if shutil.which("ip") is None:
        return False
    name = namespace("probe")
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    _delete(name)
    return made.returncode == 0
