#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""List the slots that the registry knows, and follow what changes.

usage: slots.py [--follow] [--system]

  --follow  go on until Ctrl-C, with a line for each change
  --system  ask the system bus, not the session's

It takes python3-gi. GDBusObjectManagerClient does what any program on the bus
would: it gets all objects at once, and keeps up with the signals of the
ObjectManager and of the properties. docs/dbus.md has what there is.
"""

import argparse
import signal

from gi.repository import Gio, GLib

NAME = "org.framecache.Registry1"
PATH = "/org/framecache/Registry1"
SLOT = "org.framecache.Slot1"


def say(text):
    print(text, flush=True)


def value(proxy, name):
    """A property of the proxy's cache: no call, and None where it went."""
    variant = proxy.get_cached_property(name)
    return variant.unpack() if variant is not None else None


def print_slot(proxy):
    say("{}: {}, {:.1f} frames/s, {} readers, {:.1f} MiB, {}".format(
        value(proxy, "Name"), value(proxy, "State"),
        value(proxy, "FrameRate"), value(proxy, "Consumers"),
        value(proxy, "Bytes") / 2**20,
        value(proxy, "Format") or "no format yet"))


class Follower:
    """Prints a line for each change of the registry that MANAGER looks at."""

    def __init__(self, manager):
        self.owner = manager.get_name_owner()
        manager.connect("object-added", self.on_added)
        manager.connect("object-removed", self.on_removed)
        manager.connect("interface-proxy-properties-changed", self.on_changed)
        manager.connect("interface-proxy-signal", self.on_signal)
        manager.connect("notify::name-owner", self.on_owner)

    @staticmethod
    def on_added(_, added):
        proxy = added.get_interface(SLOT)
        if proxy is not None:  # not a slot but the registry itself
            print_slot(proxy)

    @staticmethod
    def on_removed(manager, removed):
        """Not of a slot: where the registry goes, its objects do, and slots
        and their readers do not care."""
        proxy = removed.get_interface(SLOT)
        if proxy is not None and manager.get_name_owner():
            say(f"{value(proxy, 'Name')}: gone")

    @staticmethod
    def on_changed(_, _object, proxy, changed, _invalidated):
        """The rates change every second; State and Consumers are news."""
        if proxy.get_interface_name() != SLOT:
            return
        news = [f"{name} is {text}" for name, text in changed.unpack().items()
                if name in ("State", "Consumers", "Format")]
        if news:
            say(f"{value(proxy, 'Name')}: {', '.join(news)}")

    @staticmethod
    def on_signal(_, _object, proxy, _sender, name, arguments):
        """ConsumerAttached, ConsumerDetached, Lapped."""
        say(f"{value(proxy, 'Name')}: {name} {arguments.unpack()}")

    def on_owner(self, manager, _property):
        if manager.get_name_owner() != self.owner:
            self.owner = manager.get_name_owner()
            say("the registry is there" if self.owner
                else "the registry is gone")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--follow", action="store_true",
                        help="go on, with a line for each change")
    parser.add_argument("--system", action="store_true",
                        help="ask the system bus")
    arguments = parser.parse_args()

    # The bus starts the registry where that is set up.
    manager = Gio.DBusObjectManagerClient.new_for_bus_sync(
        Gio.BusType.SYSTEM if arguments.system else Gio.BusType.SESSION,
        Gio.DBusObjectManagerClientFlags.NONE, NAME, PATH, None, None, None)
    if manager.get_name_owner() is None:
        raise SystemExit(f"{NAME} is not on the bus: start fc-registry")
    for found in manager.get_objects():
        proxy = found.get_interface(SLOT)
        if proxy is not None:
            print_slot(proxy)

    if arguments.follow:
        follower = Follower(manager)  # noqa: F841: it lives by this name
        loop = GLib.MainLoop()
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, loop.quit)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
        loop.run()


if __name__ == "__main__":
    main()
