# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a slot from Python: frames as numpy arrays, in the writer's memory.

    with framecache.Consumer("cam0") as consumer:
        for frame in consumer:
            print(frame.planes[0].mean())

Nothing is copied. The arrays are read-only, and a frame stays as it is for as
long as an array of it lives, because its lease does. A consumer has three
leases unless its writer gave it more (leases, max-leases), so keep a copy of
what is to be kept: frame.planes[0].copy(). A frame that finds no lease free,
and each one of a slot that does not trust this user, is a copy itself.

It takes libfc and python3-numpy; it is an example, to be copied and changed.
The structs are those of framecache/fc.h, which says what the fields mean.
"""

import concurrent.futures
import ctypes
import errno
import os
import sys
import weakref

import numpy

from picture import planes_of

DROPPED, TIMEOUT, EOS = 1, -errno.ETIMEDOUT, -errno.ENODATA
WRITER_LOST, REPLACED = -errno.EOWNERDEAD, -errno.ESTALE
FRAME_EPOCH = 0x100
TIME_NONE = 2**64 - 1
LIVE, LATEST, OLDEST = 0, 1, 2  # where to begin


class Info(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                *((name, ctypes.c_uint64) for name in (
                    "user_flags", "pts", "dts", "duration", "running_time",
                    "offset", "offset_end", "capture_ns", "commit_ns",
                    "wall_ns")),
                ("meta", ctypes.c_void_p), ("meta_size", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32)]


class RawFrame(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("epoch", ctypes.c_uint32),
                ("data", ctypes.c_void_p), ("size", ctypes.c_size_t),
                ("capacity", ctypes.c_size_t),
                *((name, ctypes.c_uint64) for name in (
                    "seq", "key_seq", "keys", "dropped", "dropped_keys")),
                ("generation", ctypes.c_uint32), ("sticky", ctypes.c_uint32),
                ("info", Info), ("hold", ctypes.c_void_p * 2)]


class Position(ctypes.Structure):
    _fields_ = [("start", ctypes.c_int), ("back", ctypes.c_uint32),
                ("value", ctypes.c_uint64), ("key", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32)]


# A newer libfc may have more at the end: struct_size tells it what is here.
class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("observe", ctypes.c_uint32),
                ("dir", ctypes.c_char_p), ("wait_ns", ctypes.c_int64),
                ("position", Position), ("on_lap", ctypes.c_int),
                ("detached", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("trust_uid_set", ctypes.c_uint32),
                ("trust_uid", ctypes.c_uint32), ("use_fds", ctypes.c_uint32),
                ("ring_fd", ctypes.c_int), ("table_fd", ctypes.c_int),
                ("log", ctypes.c_void_p), ("log_data", ctypes.c_void_p),
                ("spin_ns", ctypes.c_uint64)]


def library():
    fc = ctypes.CDLL("libfc.so.0")
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    frame = ctypes.POINTER(RawFrame)
    for name, result, arguments in (
            ("fc_error_detail", ctypes.c_char_p, []),
            ("fc_consumer_open", integer, [
                ctypes.POINTER(pointer), ctypes.c_char_p,
                ctypes.POINTER(Options)]),
            ("fc_consumer_attach", integer, [pointer, ctypes.c_int64]),
            ("fc_consumer_lease", integer, [pointer, frame, ctypes.c_int64]),
            ("fc_consumer_read", integer, [pointer, frame, ctypes.c_int64]),
            ("fc_consumer_release", None, [pointer, frame]),
            ("fc_consumer_format", integer, [
                pointer, ctypes.POINTER(pointer),
                ctypes.POINTER(ctypes.c_size_t)]),
            ("fc_consumer_interrupt", None, [pointer]),
            ("fc_consumer_resume", None, [pointer]),
            ("fc_consumer_close", None, [pointer])):
        function = getattr(fc, name)
        function.restype, function.argtypes = result, arguments
    return fc


FC = library()


class Error(OSError):
    """What libfc says: an errno, and a sentence for the user."""

    def __init__(self, result):
        super().__init__(-result, FC.fc_error_detail().decode())


class Frame:
    """One frame: memory, its bytes; planes, its pixels (see picture.py), none
    where it is not raw video of a format that is known; its times in ns."""

    def __init__(self, raw, memory, caps):
        self.memory, self.caps = memory, caps
        self.seq, self.dropped = raw.seq, raw.dropped
        self.pts = None if raw.info.pts == TIME_NONE else raw.info.pts
        self.capture_ns = raw.info.capture_ns
        self.first_of_writer = bool(raw.info.flags & FRAME_EPOCH)
        block = ctypes.string_at(raw.info.meta, raw.info.meta_size)
        self.planes = planes_of(caps, memory, block)

    def array(self, dtype=numpy.uint8):
        """All of its bytes, for what is not video: sound, numbers."""
        return numpy.frombuffer(self.memory, dtype)


class Consumer:
    """Reads SLOT, which is waited for up to WAIT seconds (None: without end).
    For one thread at a time."""

    def __init__(self, slot, start=LIVE, wait=None, directory=None):
        self.handle, self.caps = ctypes.c_void_p(), ""
        options = Options(struct_size=ctypes.sizeof(Options), detached=1)
        options.position.start = start
        options.dir = directory.encode() if directory else None
        # What fcctl top shows: without it, "python3" for each script.
        options.name = os.path.basename(sys.argv[0]).encode()[:31] or None
        self.check(FC.fc_consumer_open(ctypes.byref(self.handle),
                                       slot.encode(), ctypes.byref(options)))
        try:
            self.attach(wait)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        """Frame after frame, until the writer ends. One who dies is waited
        for, and so is a slot that is made anew with another format."""
        while (frame := self.next()) is not None:
            yield frame

    @staticmethod
    def check(result):
        if result < 0:
            raise Error(result)
        return result

    @staticmethod
    def nanoseconds(seconds):
        return -1 if seconds is None else int(seconds * 1e9)

    def attach(self, wait=None):
        """Again after the end: with the next writer next () goes on. The wait
        is in a thread of its own, because Python heeds Ctrl-C only between two
        calls of libfc. Asking again and again would lose the first frames of a
        slot that comes between two times."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: self.check(
                FC.fc_consumer_attach(self.handle, self.nanoseconds(wait))))
            try:
                waiting.result()
            except KeyboardInterrupt:
                FC.fc_consumer_interrupt(self.handle)
                concurrent.futures.wait([waiting])
                FC.fc_consumer_resume(self.handle)
                raise

    def read_format(self):
        """Each writer may have another one, and a reserved slot has none before
        its first."""
        data, size = ctypes.c_void_p(), ctypes.c_size_t()
        result = FC.fc_consumer_format(self.handle, ctypes.byref(data),
                                       ctypes.byref(size))
        self.caps = (ctypes.string_at(data, size.value).decode()
                     if result == 0 else "")

    def next(self, timeout=None):
        """The next frame, or None at the end of the stream. Raises Error, with
        errno.ETIMEDOUT where none came in TIMEOUT seconds. It waits for a
        short time at once, and again: that loses no frame."""
        left = self.nanoseconds(timeout)
        while True:
            turn = 200_000_000 if left < 0 else min(left, 200_000_000)
            raw, memory, result = self.take(turn)
            if result >= 0:
                if raw.info.flags & FRAME_EPOCH or not self.caps:
                    self.read_format()
                return Frame(raw, memory, self.caps)
            if result == EOS:
                return None
            if result == REPLACED:
                self.attach(None if left < 0 else left / 1e9)
            elif result not in (TIMEOUT, WRITER_LOST) or left == turn:
                raise Error(result)
            elif left > 0:
                left -= turn

    def take(self, timeout):
        """A frame, leased if that can be: it, its memory, the result."""
        raw = RawFrame(struct_size=ctypes.sizeof(RawFrame))
        raw.info.struct_size = ctypes.sizeof(Info)
        result = FC.fc_consumer_lease(self.handle, ctypes.byref(raw), timeout)
        if result >= 0:
            return raw, self.leased(raw), result
        if result in (-errno.EAGAIN, -errno.EPERM):
            result = FC.fc_consumer_read(self.handle, ctypes.byref(raw),
                                         timeout)
        memory = ctypes.string_at(raw.data, raw.size) if result >= 0 else b""
        return raw, memory, result

    def leased(self, raw):
        """RAW's memory as a read-only buffer. Whatever is made of it refers to
        BYTES, so the lease ends with the last of these: it may do so in any
        thread, and after the consumer was closed."""
        bytes_ = (ctypes.c_ubyte * raw.size).from_address(raw.data)
        weakref.finalize(bytes_, FC.fc_consumer_release, self.handle,
                         ctypes.byref(raw)).atexit = False
        return memoryview(bytes_).toreadonly()

    def close(self):
        FC.fc_consumer_close(self.handle)
        self.handle = ctypes.c_void_p()
