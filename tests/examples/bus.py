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


def changes_are_followed(place):
    bus = place.start("dbus-daemon", "--session", "--nofork", "--nopidfile",
                      "--print-address=1")
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus.expect("unix:")
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
