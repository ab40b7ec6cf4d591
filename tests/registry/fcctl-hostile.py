#!/usr/bin/env python3
# framecache: fcctl, where whoever owns a slot's files means harm
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import signal
import unittest

from fcctl_case import Case, main
from spoilt_ring import ODD, SpoiltRing

OTHER = 65534
# As somebody who may read the slot and is not trusted with it.
OBSERVER = ['setpriv', f'--reuid={OTHER}', f'--regid={OTHER}',
            '--clear-groups'] if os.geteuid() == 0 else []


class Hostile(Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)
        writer = self.writer('cam0', rate=100, depth=4, size=5000,
                             access='all', consumers=3, format='numbers')
        self.holder('cam0', 1, 1)
        os.kill(writer.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, writer.pid, signal.SIGCONT)
        self.spoilt = SpoiltRing(self.directory, 'cam0')

    def check(self, *words, prefix=()):
        """It ends by itself, with an answer or a sentence."""
        result = self.run_fcctl(*words, prefix=prefix)
        what = f'{" ".join(words)}: {result}'
        self.assertIn(result.returncode, range(5), what)
        said = result.stderr.decode()
        self.assertRegex(said, r'\A(fcctl: .+\n)?\Z', what)
        if '--json' in words and result.returncode == 0:
            json.loads(result.stdout)
        self.assertNotIn(b'\x1b', result.stdout, what)

    def check_some(self, n):
        looks = (('show', 'cam0'), ('show', 'cam0', '--json'),
                 ('list', '--json'), ('health', 'cam0'), ('metrics',))
        self.check(*looks[n % len(looks)])
        self.check('dump', '--wait=0.3', 'cam0', '/dev/null',
                   prefix=OBSERVER)

    def check_all(self, prefix=()):
        for words in (('show', 'cam0', '--json'), ('list',), ('metrics',),
                      ('health', 'cam0'),
                      ('top', '--batch', '--count=1')):
            self.check(*words, prefix=prefix)

    def test_each_number_is_an_answer_or_a_sentence(self):
        for n, (area, at, value) in enumerate(self.spoilt.each(ODD[0])):
            with self.spoilt.spoilt(area, at, value), self.subTest(
                    table=area is self.spoilt.table, at=at, value=value):
                self.check_some(n)

    def test_a_format_of_anything(self):
        for text in (b'\xff\xfe\x00\x80cam', b'\x1b[2J\x1b[3',
                     b'\n\n\n\n\n\n\n', b'"\\\x01,{}\x00'):
            at = self.spoilt.format
            self.spoilt.ring[at:at + 7] = text[:7]
            self.check_all()
            self.check('doctor')

    @unittest.skipUnless(OBSERVER, 'only root can be another user')
    def test_cut_and_zeroed_files(self):
        ring = f'{self.directory}/cam0.ring'
        size = os.path.getsize(ring)
        for length in (size // 2, 3000, 100):
            os.truncate(ring, length)
            self.check_all(prefix=OBSERVER)
            for words in (('dump', '--wait=0.3'), ('snapshot', '--wait=0.3')):
                self.check(*words, 'cam0', '/dev/null', prefix=OBSERVER)
            self.check('top', '--latency', '--batch', '--count=1',
                       '--interval=0.3', prefix=OBSERVER)
        os.truncate(ring, size)
        self.check_all(prefix=OBSERVER)


main()
