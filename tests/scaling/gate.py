# SPDX-License-Identifier: LGPL-2.1-or-later
"""The short cases, each with what has to come of it whatever the machine does
meanwhile: small pictures, and time enough to repair what is lost."""

import socket
import time

from case import PATIENCE, Case, Failed, Link, Numbers
from network import Network, enter_for
from ways import WAYS

NUMBERS = Numbers(width=640, height=360, frames=60, bitrate=2000000,
                  latency=1000)


def need(holds, what, told):
    if not holds:
        raise Failed(f"{what}: {told}")


def arrives(way, link=Link()):
    """Every frame, whole, once and in order, and to each of several readers."""
    def check(programs):
        numbers = Numbers(**vars(NUMBERS) | {"readers": 4})
        told = Case(programs, WAYS[way], link, numbers).run()
        need(told["packets_overran"] == 0, "the link was overrun", told)
        need(told["lost"] == told["damaged"] == told["repeated"] == 0
             and told["in_order"], "not every frame arrived", told)
        need(told["lost_by_readers"] == 0, "a reader lost frames", told)
        need(bool(link.loss) == bool(told["packets_dropped"]),
             "the link did not do as it was told", told)
        return told
    return check


def loses(way, link):
    """Frames are missing, and it is known how many."""
    def check(programs):
        told = Case(programs, WAYS[way], link, NUMBERS).run()
        need(told["packets_dropped"] > 0, "nothing was dropped", told)
        need(0 < told["lost"] < NUMBERS.frames, "no frame was lost", told)
        need(told["in_order"], "out of order", told)
        return told
    return check


def survives(way, event):
    """The far slot stays, and its reader is never detached from it."""
    def check(programs):
        told = Case(programs, WAYS[way], Link(event=event), NUMBERS).run()
        need(told["lost"] > 0, "nothing happened", told)
        need(told["in_order"], "out of order", told)
        need(not {"end", "replaced", "attached", "attached-anew"}
             & set(told["events"]), "the reader lost its slot", told)
        need(("lost" in told["events"]) == (event == "receiver-killed"),
             "the far writer's death is what a reader is told of", told)
        return told
    return check


def late_viewer_gets_its_key_frame(programs):
    """There is one only at the start, and for who asks the far encoder."""
    numbers = Numbers(**vars(NUMBERS) | {"gop": 1000000})
    told = Case(programs, WAYS["rtp-nack"], Link(), numbers).run_late_viewer()
    need(told["late"] > told["early"], "the late one came first", told)
    return told


class Wire:
    """Numbered datagrams from the near machine to the far one."""

    def __init__(self, network):
        self.link, self.address = network.link, (network.far.address, 5004)
        with enter_for(network.near):
            self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with enter_for(network.far):
            self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.bind(self.address)
        self.back.setblocking(False)

    def send(self, total):
        """What of TOTAL datagrams came, as (number, ns under way). Few at a
        time, that no queue but the link's has to hold them."""
        came = []
        for number in range(total):
            self.out.sendto(f"{number} {time.monotonic_ns()}".encode(),
                            self.address)
            if number % 50 == 49:
                self._take(came, number + 1, self.link.count())
        return came

    def _take(self, came, sent, before):
        end = time.monotonic() + PATIENCE
        told = before
        while len(came) + told["dropped"] + told["broken"] < sent:
            need(time.monotonic() < end, "datagrams that nobody knows of",
                 f"{sent} sent, {len(came)} came, {told}")
            try:
                number, then = map(int, self.back.recv(64).split())
                came.append((number, time.monotonic_ns() - then))
            except BlockingIOError:
                time.sleep(0.001)
                told = self.link.count()


def on_wire(check):
    def run(programs):
        network = Network(programs / "fc-scaling-link", False)
        try:
            return check(Wire(network), network.link)
        finally:
            network.end()
    return run


@on_wire
def link_tells_what_it_drops(wire, link):
    link.say("delay", 20)
    link.say("loss", 10)
    came = wire.send(500)
    told = link.count()
    need(len(came) + told["dropped"] == 500 and 20 < told["dropped"] < 100,
         "10 % should be lost, and counted", told)
    need(came == sorted(came), "out of order", came)
    need(min(ns for _, ns in came) >= 20e6, "before their time", came)
    return told


@on_wire
def link_lets_overtake(wire, link):
    link.say("delay", 20)
    link.say("overtake", 20)
    came = [number for number, _ in wire.send(500)]
    need(sorted(came) == list(range(500)), "not all came", came)
    need(came != sorted(came), "none was overtaken", came)
    return link.count()


@on_wire
def link_breaks(wire, link):
    need(len(wire.send(50)) == 50, "not all came", link.count())
    link.say("break")
    need(not wire.send(50), "came by a broken link", link.count())
    link.say("mend")
    told = link.count()
    need(told["broken"] == 50, "50 were lost on a broken link", told)
    return told


CASES = {
    "link-tells-what-it-drops": link_tells_what_it_drops,
    "link-lets-overtake": link_lets_overtake,
    "link-breaks": link_breaks,
    "rtp-arrives": arrives("rtp"),
    "rist-arrives": arrives("rist"),
    "srt-repairs": arrives("srt", Link(loss=1)),
    "rtp-loses": loses("rtp", Link(loss=5)),
    "sender-killed": survives("rist", "sender-killed"),
    "receiver-killed": survives("rist", "receiver-killed"),
    "late-viewer-gets-its-key-frame": late_viewer_gets_its_key_frame,
}


def run(name, programs):
    try:
        print(CASES[name](programs))
        return 0
    except Failed as failure:
        print(failure)
        return 1
