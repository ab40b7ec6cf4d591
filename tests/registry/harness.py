# framecache: a bus, a slot directory and a registry for a test
#
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of fc-registry share.

Each test has a bus of its own, a slot directory of its own in shared memory,
and programs that it started; all of it goes when the test ends, however that
is. Every wait has a bound, and reaching it fails the test.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from gi.repository import Gio, GLib

BOUND = 60  # s; only ever reached by what hangs
NAME = 'org.framecache.Registry1'
ROOT = '/org/framecache/Registry1'
REGISTRY = 'org.framecache.Registry1'
SLOT = 'org.framecache.Slot1'
PROPERTIES = 'org.freedesktop.DBus.Properties'
MANAGER = 'org.freedesktop.DBus.ObjectManager'
INVALID_ARGS = 'org.freedesktop.DBus.Error.InvalidArgs'
ERROR = 'org.framecache.Error.'

BUS_CONFIG = '''\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
'''


# A command's prefix: mounts of its own, that it may change.
OWN_MOUNTS = (['unshare', '-m'] if os.geteuid() == 0 else
              ['unshare', '--map-current-user', '--keep-caps', '-m'])


def can_unshare(*flags):
    return subprocess.run(['unshare', *flags, 'true'], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def program(name):
    """One that was built, by the name of its variable."""
    return os.environ[name]


def path_of(name):
    return f'{ROOT}/slot/' + ''.join(
        c if c.isascii() and c.isalnum() else f'_{ord(c):02x}' for c in name)


def variants(options):
    """An a{sv} of plain values, each of the type that first fits."""
    def variant(value):
        if isinstance(value, GLib.Variant):
            return value
        if isinstance(value, bool):
            return GLib.Variant('b', value)
        if isinstance(value, int):
            return GLib.Variant('t' if value >= 0 else 'x', value)
        return GLib.Variant('d' if isinstance(value, float) else 's', value)

    return {key: variant(value) for key, value in options.items()}


def memory_of(pid):
    """Bytes of memory of its own, to the page (statm is not so exact)."""
    with open(f'/proc/{pid}/smaps_rollup') as file:
        for line in file:
            if line.startswith('Anonymous:'):
                return int(line.split()[1]) * 1024
    raise AssertionError('the kernel tells nothing')


def error_name(error):
    return Gio.DBusError.get_remote_error(error)


class Client:
    """A connection to the bus, and what a client does on it."""

    def __init__(self, address):
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address,
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.signals = []

    def close(self):
        if not self.connection.is_closed():
            self.connection.close_sync(None)

    def call(self, path, interface, method, arguments=None, fds=None):
        reply, self.fds = self.connection.call_with_unix_fd_list_sync(
            NAME, path, interface, method, arguments, None,
            Gio.DBusCallFlags.NONE, BOUND * 1000, fds, None)
        return reply.unpack()

    def registry(self, method, signature='()', *arguments):
        result = self.call(ROOT, REGISTRY, method,
                           GLib.Variant(signature, arguments))
        return result[0] if len(result) == 1 else result

    def slot(self, name, method, signature='()', *arguments):
        result = self.call(path_of(name), SLOT, method,
                           GLib.Variant(signature, arguments))
        return result[0] if len(result) == 1 else result

    def create(self, name, **options):
        """Keywords have _ for -."""
        options = {key.replace('_', '-'): value
                   for key, value in options.items()}
        return self.registry('CreateSlot', '(sa{sv})', name,
                             variants(options))

    def remove(self, name, **options):
        return self.registry('RemoveSlot', '(sa{sv})', name,
                             variants(options))

    def plan(self, **options):
        options = {key.replace('_', '-'): value
                   for key, value in options.items()}
        return self.registry('Plan', '(a{sv})', variants(options))

    def open(self, name, **options):
        """The descriptors, the caller's to close."""
        handles = self.registry('OpenSlot', '(sa{sv})', name,
                                variants(options))
        return [self.fds.get(handle) for handle in handles]

    def get(self, name, prop):
        """A slot's property, or the registry's where NAME is None."""
        path, interface = ((ROOT, REGISTRY) if name is None
                           else (path_of(name), SLOT))
        return self.call(path, PROPERTIES, 'Get',
                         GLib.Variant('(ss)', (interface, prop)))[0]

    def get_all(self, name):
        return self.call(path_of(name), PROPERTIES, 'GetAll',
                         GLib.Variant('(s)', (SLOT,)))[0]

    def objects(self):
        return self.call(ROOT, MANAGER, 'GetManagedObjects')[0]

    def list(self):
        return self.registry('ListSlots')

    def watch(self):
        """Gather the registry's signals in self.signals from now on."""
        def gather(connection, sender, path, interface, signal, arguments):
            self.signals.append((path, signal, arguments.unpack()))

        self.connection.signal_subscribe(
            NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, gather)
        # The subscription is the bus's once it has answered another call.
        self.registry('ListSlots')

    def take(self, signal, path=None, check=lambda arguments: True):
        """The arguments of the first such signal, which is waited for."""
        def find():
            for i, (of, name, arguments) in enumerate(self.signals):
                if (name == signal and path in (None, of)
                        and check(arguments)):
                    del self.signals[:i + 1]
                    return (arguments,)
            return None

        try:
            return wait_for(find, f'{signal} of {path}')[0]
        except AssertionError as failure:
            raise AssertionError(f'{failure}; there is {self.signals}')


def wait_for(condition, what):
    """What CONDITION returns, once that is true; main loop sources run."""
    context = GLib.MainContext.default()
    end = time.monotonic() + BOUND
    while True:
        while context.iteration(False):
            pass
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'never came: {what}')
        time.sleep(0.005)


class Program:
    """One that does what a line on its standard input says, and answers."""

    def __init__(self, *command, **popen):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            **popen)
        self.pid = self.process.pid

    def answer(self):
        return self.process.stdout.readline().strip()

    def tell(self, line):
        self.process.stdin.write(f'{line}\n')
        self.process.stdin.flush()
        return self.answer()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """Its input's end ends it."""
        with self.process:
            if self.process.poll() is None:
                self.process.stdin.close()
                self.process.wait(BOUND)


class Case(unittest.TestCase):
    """A test with a bus and a slot directory; registries when it wants."""

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix='fc-test-'))
        self.addCleanup(shutil.rmtree, self.scratch)
        self.directory = tempfile.mkdtemp(prefix='fc-test-', dir='/dev/shm')
        os.chmod(self.directory, 0o755)  # for slots that are shared
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.state_file = self.scratch / 'state' / 'registry.json'
        self.address = self.start_bus()

    def shortDescription(self):
        return None  # the test's name is enough

    # The bus ----------------------------------------------------------------

    def bus_config(self, socket):
        services = self.scratch / 'services'
        services.mkdir()
        return BUS_CONFIG.format(socket=socket, services=services)

    def start_bus(self):
        socket = self.scratch / 'bus'
        config = self.scratch / 'bus.conf'
        config.write_text(self.bus_config(socket))
        # What it says is about limits that a test machine may not let it raise.
        self.daemon = subprocess.Popen(
            ['dbus-daemon', f'--config-file={config}', '--nofork',
             '--nopidfile', '--print-address'], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.daemon.stdout.close)
        self.addCleanup(self.end, self.daemon)
        return self.daemon.stdout.readline().strip()

    def client(self):
        client = Client(self.address)
        self.addCleanup(client.close)
        return client

    # Programs ---------------------------------------------------------------

    def end(self, process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(BOUND)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def environment(self):
        inherited = {key: value for key, value in os.environ.items()
                     if key != 'FC_DIR'}
        return dict(inherited, DBUS_SESSION_BUS_ADDRESS=self.address,
                    DBUS_SYSTEM_BUS_ADDRESS=self.address,
                    XDG_STATE_HOME=str(self.scratch / 'home'),
                    G_DEBUG='fatal-warnings', LC_ALL='C.UTF-8')

    def spawn_registry(self, *options, prefix=(), **popen):
        """Started, and perhaps not there yet."""
        process = subprocess.Popen(
            [*prefix, program('FC_REGISTRY'),
             f'--directory={self.directory}',
             f'--state-file={self.state_file}', *options],
            env=self.environment(), **popen)
        self.addCleanup(self.end_registry, process)
        return process

    def end_registry(self, process):
        """One that runs still ends well: sanitizers speak up at the end."""
        if process.poll() is None:
            self.end(process)
            # Or it had not come to hear of it yet.
            self.assertIn(process.returncode, (0, -signal.SIGTERM))

    def start_registry(self, *options, **keywords):
        process = self.spawn_registry(*options, **keywords)
        client = self.client()
        wait_for(lambda: process.poll() is None and self.owner(client),
                 'the registry')
        return process

    def owner(self, client):
        """The name's owner, by its unique name, or None."""
        try:
            return client.connection.call_sync(
                'org.freedesktop.DBus', '/org/freedesktop/DBus',
                'org.freedesktop.DBus', 'GetNameOwner',
                GLib.Variant('(s)', (NAME,)), None, Gio.DBusCallFlags.NONE,
                -1, None).unpack()[0]
        except GLib.Error:
            return None

    def start_program(self, *command, **popen):
        program = Program(*command, **popen)
        self.addCleanup(program.end)
        return program

    def writer(self, *slots, **options):
        """A slot-writer, whose slots are there."""
        words = [f'--{key}={value}' for key, value in options.items()]
        writer = self.start_program(
            program('SLOT_WRITER'), f'--directory={self.directory}', *words,
            *slots)
        self.assertEqual(writer.answer(), 'ready')
        return writer

    def reader(self, slot):
        """A slot-reader that is attached."""
        reader = self.start_program(
            program('SLOT_READER'), f'--directory={self.directory}', slot)
        self.assertEqual(reader.answer(), 'consumer')
        return reader

    def run_tool(self, *command, **keywords):
        """A program that ends by itself; what it printed."""
        result = subprocess.run(
            command, env=self.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=BOUND, check=False,
            **keywords)
        self.assertEqual(result.returncode, 0,
                         f'{" ".join(command)}: {result.stdout}')
        return result.stdout

    # Assertions -------------------------------------------------------------

    def refused(self, error, call, *arguments, **keywords):
        """CALL fails with the D-Bus error ERROR; its sentence."""
        with self.assertRaises(GLib.Error) as caught:
            call(*arguments, **keywords)
        self.assertEqual(error_name(caught.exception), error,
                         caught.exception.message)
        Gio.DBusError.strip_remote_error(caught.exception)
        return caught.exception.message


def main():
    # Whoever ends this test lets it clean up: an exit fails the one that runs.
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    unittest.main(verbosity=2, failfast=True)
