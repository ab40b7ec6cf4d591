# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two machines and a link between them, in network namespaces.

Each machine is a namespace with one interface, eth0. The link is netem's on
both interfaces where the kernel has it, and otherwise the program
fc-scaling-link in a namespace between them. The addresses exist in these
namespaces alone, and everything in them ends with this process.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess

ADDRESSES = {"near": "10.77.0.1", "far": "10.77.0.2"}
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Missing(Exception):
    """What this machine does not have or allow, as a sentence."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare_command():
    """The command that gives a network namespace of one's own."""
    for command in (["unshare", "--net"],
                    ["unshare", "--user", "--map-root-user", "--net"]):
        try:
            if subprocess.run([*command, "true"],
                              capture_output=True).returncode == 0:
                return command
        except FileNotFoundError:
            raise Missing("unshare is missing: install util-linux") from None
    raise Missing("network namespaces can not be made here: run as root, or "
                  "where users may make user namespaces")


def call(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise Missing(f"{command[0]} is missing: install iproute2") from None
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def has_netem():
    """Whether the kernel has netem; in a namespace that is not a machine."""
    try:
        call("tc", "qdisc", "replace", "dev", "lo", "root", "netem", "limit",
             "1000")
        call("tc", "qdisc", "del", "dev", "lo", "root")
        return True
    except Missing:
        return False


class Machine:
    """A namespace, and what runs in it. It lives for as long as its holder,
    whose input ends when this process does."""

    def __init__(self, name):
        self.name, self.address = name, ADDRESSES[name]
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo made; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "made\n":
            raise Missing("a second network namespace could not be made")

    def inside(self, *command):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--",
                *command]

    def call(self, *command):
        return call(*self.inside(*command))

    def start(self, command, **options):
        return subprocess.Popen(self.inside(*command),
                                preexec_fn=die_with_parent, **options)

    def bring_up(self):
        self.call("ip", "link", "set", "lo", "up")
        self.call("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.call("ip", "link", "set", "eth0", "up")

    def sent_bytes(self):
        told = self.call("ip", "-json", "-stats", "link", "show", "dev", "eth0")
        return json.loads(told)[0]["stats64"]["tx"]["bytes"]

    def end(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


@contextlib.contextmanager
def enter_for(machine):
    """What is opened meanwhile, say a socket, is MACHINE's."""
    with (open("/proc/self/ns/net") as own,
          open(f"/proc/{machine.holder.pid}/ns/net") as its):
        if LIBC.setns(its.fileno(), 0) != 0:
            raise Missing(f"the namespace of {machine.name} can not be entered")
        try:
            yield
        finally:
            LIBC.setns(own.fileno(), 0)


class NetemLink:
    name = "netem"

    def __init__(self, near, far):
        self.machines = near, far
        self.told = {}
        call("ip", "link", "add", "eth0", "netns", str(near.holder.pid),
             "type", "veth", "peer", "name", "eth0", "netns",
             str(far.holder.pid))
        near.bring_up()
        far.bring_up()

    def say(self, what, value=None):
        if what in ("break", "mend"):
            self.told["broken"] = what == "break"
        elif what != "count":
            self.told[what] = value
        loss = 100 if self.told.get("broken") else self.told.get("loss", 0)
        for machine in self.machines:
            machine.call("tc", "qdisc", "replace", "dev", "eth0", "root",
                         "netem", "limit", "100000",
                         "delay", f"{self.told.get('delay', 0)}ms",
                         "loss", f"{loss}%")

    def count(self):
        """Packets by what became of them: netem tells only of its losses."""
        dropped = sum(
            json.loads(machine.call("tc", "-json", "-s", "qdisc", "show",
                                    "dev", "eth0"))[0]["drops"]
            for machine in self.machines)
        return {"dropped": dropped}

    def end(self):
        pass


class OwnLink:
    name = "fc-scaling-link"

    def __init__(self, near, far, program):
        for machine in near, far:
            call("ip", "link", "add", f"to-{machine.name}", "type", "veth",
                 "peer", "name", "eth0", "netns", str(machine.holder.pid))
            machine.bring_up()
            call("ip", "link", "set", f"to-{machine.name}", "up")
        self.process = subprocess.Popen(
            [program, "to-near", "to-far"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1,
            preexec_fn=die_with_parent)
        if self.process.stdout.readline() != "ready\n":
            raise Missing("fc-scaling-link did not start")

    def say(self, what, value=None):
        self.process.stdin.write(what if value is None else f"{what} {value}")
        self.process.stdin.write("\n")
        words = self.process.stdout.readline().split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def count(self):
        return self.say("count")

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        for name in ADDRESSES:
            subprocess.run(["ip", "link", "del", f"to-{name}"],
                           capture_output=True)


class Network:
    """Made anew for each case, so that none has another's neighbours."""

    def __init__(self, link_program, netem):
        self.near, self.far = Machine("near"), Machine("far")
        self.link = None
        try:
            if netem:
                self.link = NetemLink(self.near, self.far)
            else:
                self.link = OwnLink(self.near, self.far, link_program)
        except BaseException:
            self.end()
            raise

    def end(self):
        if self.link:
            self.link.end()
        self.near.end()
        self.far.end()


def look_for_what_is_needed():
    """Or tell what is Missing."""
    for command in "nsenter", "ip":
        if not shutil.which(command):
            raise Missing(f"{command} is missing: install util-linux and "
                          "iproute2")
    call(*unshare_command(), "sh", "-c", "ip link add try0 type veth peer "
         "name try1 && unshare --net true")


def enter(arguments):
    """Run this program anew in a namespace of its own: the link's."""
    os.execvp("unshare", [*unshare_command(), *arguments])
