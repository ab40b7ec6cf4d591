# framecache: a slot's files, spoilt while they are in use
#
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of hostile writers share: the numbers that whoever owns a
slot's files can write there, at the places that docs/ring-format.md gives."""
import contextlib
import glob
import mmap
import struct

ODD = (2**64 - 1, 0, 2**63, 2**40, 2**32 - 1)


class SpoiltRing:
    def __init__(self, directory, slot):
        self.ring = self.map(f'{directory}/{slot}.ring')
        self.table = self.map(glob.glob(f'{directory}/.{slot}.*.consumers')[0])
        words, of_map, _, headers, self.format = (
            self.number(self.ring, at) for at in (128, 136, 144, 152, 160))
        (entries,) = struct.unpack_from('<I', self.table, 36)
        self.places = [
            *((self.ring, at) for at in range(0, 208, 8)),
            *((self.ring, words + at) for at in
              (0, 128, 256, 264, 384, 392, 400, 408, 512, 520, 528)),
            *((self.ring, of_map + 8 * i) for i in range(4)),
            *((self.ring, headers + 128 * i + 8 * k)
              for i in range(2) for k in range(16)),
            *((self.table, at) for at in range(0, 40, 8)), (self.table, 128),
            *((self.table, entries + at) for at in (0, *range(128, 208, 8),
                                                    256))]

    @staticmethod
    def map(path):
        with open(path, 'r+b') as file:
            return mmap.mmap(file.fileno(), 0)

    @staticmethod
    def number(area, at):
        return struct.unpack_from('<Q', area, at)[0]

    @contextlib.contextmanager
    def spoilt(self, area, at, value):
        """One number, until the block ends."""
        good = self.number(area, at)
        struct.pack_into('<Q', area, at, value)
        yield
        struct.pack_into('<Q', area, at, good)

    def each(self, *values):
        """Each place with each of VALUES."""
        for area, at in self.places:
            for value in values:
                yield area, at, value
