#!/usr/bin/env python3
# framecache: fcctl health
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import signal
import time

from fcctl_case import OK, PROBLEMS, USAGE, Case, main, wait_for


class Health(Case):
    def sick(self, *words):
        return self.fcctl('health', *words, code=PROBLEMS)

    def test_live_slot(self):
        self.writer('cam0', rate=50)
        self.assertRegex(self.fcctl('health', 'cam0'),
                         r'^cam0: live, newest frame [\d.]+ \S+ ago\n$')
        self.assertIn('cam0: live', self.fcctl('health'))

    def test_no_slot(self):
        self.assertEqual(self.sick(), 'there are no slots\n')
        self.assertIn('there is no slot cam0', self.sick('cam0'))

    def test_dead_writer(self):
        writer = self.writer('cam0')
        writer.kill()
        self.assertEqual(self.sick('cam0'),
                         f'cam0: its writer, pid {writer.pid}, died\n')

    def test_ended_stream(self):
        self.writer('cam0').tell('finish')
        self.assertEqual(self.sick('cam0'), 'cam0: it is over (eos)\n')

    def test_stopped_writer(self):
        writer = self.writer('cam0', rate=50)
        os.kill(writer.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, writer.pid, signal.SIGCONT)
        wait_for(lambda: self.run_fcctl('health').returncode == PROBLEMS,
                 'stalled')
        self.assertRegex(self.sick('cam0'), r'^cam0: no frame for [\d.]+ s\n$')

    def test_slow_writer_is_no_stopped_one(self):
        writer = self.writer('cam0', rate=100)
        wait_for(lambda: self.show('cam0')['head'] > 2, 'frames')
        writer.tell('pause')
        self.fcctl('health', 'cam0', '--max-age=3600')
        wait_for(lambda: self.show('cam0')['newest_age_ns'] > 50e6, 'a pause')
        self.sick('cam0', '--max-age=0.05')

    def health_since(self, ago, *words):
        """Exit code and output where cam0's writer came AGO s ago."""
        def look():
            os.utime(ring, (0, then))
            result = self.run_fcctl('health', 'cam0', *words)
            # The writer fills memory with zeros at first, a touch too.
            return os.stat(ring).st_mtime == then and result

        ring = f'{self.directory}/cam0.ring'
        then = int(time.time()) - ago
        result = wait_for(look, 'a writer at rest')
        return result.returncode, result.stdout.decode()

    def test_writer_that_has_written_nothing_has_its_time(self):
        self.fcctl('create', 'cam0', '4096')
        self.writer('cam0', rate=0)
        # A second to come is none ago, and leaves a slow machine its time.
        self.assertEqual(self.health_since(-1), (OK, 'cam0: live\n'))
        code, text = self.health_since(10)
        self.assertEqual(code, PROBLEMS)
        self.assertRegex(text, r'no frame yet, [\d.]+ s after its writer came')
        self.assertEqual(self.health_since(10, '--max-age=9')[0], PROBLEMS)
        self.assertEqual(self.health_since(10, '--max-age=3600')[0], OK)

    def test_writer_that_came_back_has_its_time(self):
        self.writer('cam0', rate=50).kill()
        self.writer('cam0', rate=0)
        wait_for(lambda: self.show('cam0')['newest_age_ns'] > 2.1e9,
                 'an old frame')
        self.assertEqual(self.health_since(-1)[0], OK)
        self.assertEqual(self.health_since(10)[0], PROBLEMS)

    def test_reserved_slot(self):
        self.fcctl('create', 'cam0', '4096')
        self.assertIn('no writer has come yet', self.sick('cam0'))
        self.fcctl('health', 'cam0', '--allow-reserved')

    def test_all_that_are_named_and_any_where_none_is(self):
        self.writer('live', rate=50)
        self.writer('dead').kill()
        self.fcctl('health')
        self.fcctl('health', 'live', 'live')
        self.sick('live', 'dead')
        self.sick('dead', 'live')
        self.sick('live', 'none')

    def test_json(self):
        self.writer('live', rate=50)
        self.writer('dead').kill()
        for words, code, healthy in (([], OK, True),
                                     (['dead', 'live'], PROBLEMS, False)):
            report = self.json('health', *words, code=code)
            self.assertIs(report['healthy'], healthy)
            slots = {slot['name']: slot for slot in report['slots']}
            self.assertEqual(set(slots), {'live', 'dead'})
            self.assertEqual(
                (slots['live']['healthy'], slots['live']['state'],
                 slots['live']['reason']), (True, 'live', None))
            self.assertEqual((slots['dead']['healthy'],
                              slots['dead']['state']), (False, 'lost'))
            self.assertIn('died', slots['dead']['reason'])
        report = self.json('health', 'none', code=PROBLEMS)
        self.assertEqual(report['slots'][0]['state'], None)
        self.assertEqual(self.json('health', '-d', '/dev/shm/fc-test-none',
                                   code=PROBLEMS),
                         {'slots': [], 'healthy': False})

    def test_what_is_no_time(self):
        for text in ('-1', 'nan', 'inf', '1e300', 'soon'):
            self.fails(USAGE, 'health', f'--max-age={text}')


main()
