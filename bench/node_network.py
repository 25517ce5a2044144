"""Nodes of a job as processes in network namespaces of their own, behind one bridge, for schedules with partitions.

Needs root and `ip` (Debian: iproute2). A node that is cut off keeps its address and its connections; packets to and from
it are dropped, as when a switch fails.
"""
import os
import shutil
import subprocess

PREFIX = "10.77"


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True)


def available():
    """Why there are no namespaces here, or an empty text."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "`ip` is not installed (Debian: iproute2)"
    name = f"hp{os.getpid()}_try"
    tried = run("ip", "netns", "add", name, check=False)
    if tried.returncode != 0:
        return tried.stderr.strip()
    run("ip", "netns", "delete", name)
    return ""


class NodeNetwork:
    def __init__(self):
        self.tag = f"hp{os.getpid() % 100000}"
        self.bridge, self.hosts = f"{self.tag}br", []
        self.address = f"{PREFIX}.0.1"
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.address}/16", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def add_host(self):
        """The number of a new namespace."""
        number = len(self.hosts)
        name, cable = f"{self.tag}n{number}", f"{self.tag}c{number}"
        self.hosts.append((name, cable))
        run("ip", "netns", "add", name)
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", cable, "master", self.bridge)
        run("ip", "link", "set", cable, "up")
        for words in (("address", "add", f"{self.address_of(number)}/16", "dev", "eth0"), ("link", "set", "eth0", "up"),
                      ("link", "set", "lo", "up")):
            run("ip", "-n", name, *words)
        return number

    def address_of(self, number):
        return f"{PREFIX}.1.{number + 1}"

    def start(self, number, words, log):
        return subprocess.Popen(["ip", "netns", "exec", self.hosts[number][0], *words],
                                stdout=subprocess.DEVNULL, stderr=log)

    def cut(self, number):
        run("ip", "link", "set", self.hosts[number][1], "down")

    def join(self, number):
        run("ip", "link", "set", self.hosts[number][1], "up")

    def close(self):
        for name, _ in self.hosts:
            run("ip", "netns", "delete", name, check=False)
        run("ip", "link", "delete", self.bridge, check=False)
