# SPDX-License-Identifier: LGPL-2.1-or-later
"""The registry's examples, on a bus of their own."""

import os

from harness import main


def start_registry(place):
    registry = place.start(os.environ["FC_REGISTRY"])
    waiting = place.start("gdbus", "wait", "--session", "--timeout", "100",
                          "org.framecache.Registry1")
    waiting.end()
    return registry


def start_bus(place):
    bus = place.start("dbus-daemon", "--session", "--nofork", "--nopidfile",
                      "--print-address=1")
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus.expect("unix:")


def readers_wait_in_a_reserved_slot(place):
    """It has no format before its writer comes."""
    start_bus(place)
    registry = start_registry(place)
    place.start("gdbus", "call", "--session",
                "--dest", "org.framecache.Registry1",
                "--object-path", "/org/framecache/Registry1",
                "--method", "org.framecache.Registry1.CreateSlot", "square",
                "{'frame-size': <115200>, 'ring-depth': <60>}").end()
    follower = place.example("slots.py", "--follow")
    follower.expect("square: reserved, ")
    motion = place.example("motion", "square")
    follower.expect("square: Consumers is 1")
    place.example("moving-square", "square", "30").end()
    motion.expect("320 x 240 pixels")
    motion.expect("frame 1: it moves at 35, 120")
    motion.interrupt()
    follower.interrupt()
    registry.interrupt()


def changes_are_followed(place):
    start_bus(place)
    alone = place.example("slots.py")
    alone.expect("org.framecache.Registry1 is not on the bus")
    alone.end(1)

    registry = start_registry(place)
    first = place.example("moving-square", "first")
    motion = place.example("motion", "first")
    motion.expect("it moves")
    follower = place.example("slots.py", "--follow")
    follower.expect("first: live, ")
    second = place.example("moving-square", "second")
    assert "format=(string)NV12" in follower.expect("second: live, ")
    other = place.example("motion", "second")
    follower.expect("second: ConsumerAttached")
    other.interrupt()
    motion.interrupt()
    follower.expect("first: Consumers is 0")
    first.kill()
    follower.expect("first: State is lost")
    second.interrupt()
    follower.expect("second: gone")
    registry.interrupt()
    follower.expect("the registry is gone")
    registry = start_registry(place)
    follower.expect("the registry is there")
    follower.interrupt()
    assert "first: gone" not in follower.said, follower.said

    lines = place.example("slots.py").end()
    assert len(lines) == 1 and lines[0].startswith("first: lost, "), lines
    registry.interrupt()


main(globals())
