"""Two machines on one: network namespaces with a cable between them, for what happens to a run when
a network is slow, or breaks. Needs root and iproute2.
"""

import shutil
import subprocess
import textwrap
from pathlib import Path

HOSTS = ("one", "two")


class Network:
    """Namespaces sc-one and sc-two, with addresses 10.99.0.1 and 10.99.0.2, and names of their
    own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.close()
        for host in HOSTS:
            self._ip("netns", "add", f"sc-{host}")
        peer = ["peer", "name", "sc-two", "netns", "sc-two"]
        self._ip("link", "add", "sc-one", "netns", "sc-one", "type", "veth", *peer)
        for number, host in enumerate(HOSTS, 1):
            inside = ["-n", f"sc-{host}"]
            self._ip(*inside, "addr", "add", f"10.99.0.{number}/24", "dev", f"sc-{host}")
            self._ip(*inside, "link", "set", f"sc-{host}", "up")
            self._ip(*inside, "link", "set", "lo", "up")
        (folder / "names").write_text("127.0.0.1 localhost\n10.99.0.1 one\n10.99.0.2 two\n")
        (folder / "hosts").write_text("one slots=1\ntwo slots=1\n")
        self._script("inside", 'hostname "$1"; mount --bind names /etc/hosts; shift; exec "$@"')
        # What mpirun calls in the place of ssh: agent HOST WORD..., words for a shell.
        self._script("agent", 'host=$1; shift; exec ./enter "$host" sh -c "$*"')
        self._script("enter", 'exec ip netns exec "sc-$1" unshare --uts --mount ./inside "$@"')

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
        self._ip("-n", "sc-two", "link", "set", "sc-two", "up" if is_connected else "down")

    def limit(self, gigabits: float) -> None:
        """Limits what each side sends."""
        for host in HOSTS:
            rate = ["rate", f"{round(gigabits * 1000)}mbit", "burst", "256kb", "limit", "16mb"]
            subprocess.run(
                ["ip", "netns", "exec", f"sc-{host}", "tc", "qdisc", "replace", "dev",
                 f"sc-{host}", "root", "tbf", *rate],
                check=True,
            )  # fmt: skip

    def close(self) -> None:
        for host in HOSTS:
            subprocess.run(
                ["ip", "netns", "delete", f"sc-{host}"], capture_output=True, check=False
            )

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
    made = subprocess.run(["ip", "netns", "add", "sc-probe"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", "sc-probe"], capture_output=True, check=False)
    return made.returncode == 0
