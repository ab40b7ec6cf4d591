#!/usr/bin/env python3
# framecache: fcctl metrics is what Prometheus takes
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import http.client
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import subprocess
import time
import unittest

from prometheus_client.parser import text_string_to_metric_families

from fcctl_case import (BOUND, FAILED, FCCTL, USAGE, Case, main, wait_for)

PROMTOOL = os.environ.get('FC_PROMTOOL') or shutil.which('promtool')
HOSTILE = 'a"b\\c\nd\x1b[2Je\\"f{g="h"}'
CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'


class Metrics(Case):
    def parse(self, text):
        """{(name, label pairs): value}, each once."""
        samples = {}
        self.types = {}
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                self.assertNotIn(key, samples)
                samples[key] = sample.value
        return samples

    def samples(self):
        return self.parse(self.fcctl('metrics'))

    def slots(self):
        """A live slot with consumers, one of hostile texts, a reserved and a
        lost one."""
        self.writer('cam0', size=5000, depth=9, rate=50, consumers=5)
        self.holder('cam0', 2, 1, '--name=recorder')
        self.writer('bad', format=HOSTILE)
        self.holder('bad', 1, 0, '--name=' + HOSTILE[:31])
        self.fcctl('create', 'reserved', '4096')
        self.writer('lost').kill()


class Formats(Metrics):
    def test_parser_reads_it_and_finds_the_slots(self):
        self.slots()
        before = self.show('cam0')
        samples = self.samples()
        after = self.show('cam0')

        def of(name, /, **labels):
            return samples['framecache_' + name, frozenset(labels.items())]

        self.assertEqual(of('slots'), 4)
        for slot, state in (('cam0', 'live'), ('reserved', 'reserved'),
                            ('lost', 'lost')):
            states = {dict(labels)['state']: value
                      for (name, labels), value in samples.items()
                      if name == 'framecache_slot_state'
                      and dict(labels)['slot'] == slot}
            self.assertEqual([s for s in states if states[s]], [state])
        for name, key in (
                ('slot_frames_total', 'head'),
                ('slot_payload_bytes_total', 'bytes_total'),
                ('slot_allocated_bytes', 'bytes_allocated'),
                ('slot_planned_bytes', 'bytes_planned'),
                ('slot_consumers', 'consumers'),
                ('slot_max_consumers', 'max_consumers'),
                ('slot_frame_size_bytes', 'frame_size'),
                ('slot_ring_depth_frames', 'ring_depth'),
                ('slot_generation', 'generation'),
                ('slot_epoch', 'epoch'),
                ('slot_writer_dropped_frames_total', 'writer_dropped')):
            self.assertLessEqual(before[key], of(name, slot='cam0'), name)
            self.assertGreaterEqual(after[key], of(name, slot='cam0'), name)
        self.assertAlmostEqual(of('slot_created_timestamp_seconds',
                                  slot='cam0'),
                               before['created_wall_ns'] / 1e9, places=3)
        self.assertLess(abs(of('slot_newest_frame_timestamp_seconds',
                               slot='cam0') - time.time()), BOUND)
        self.assertNotIn(('framecache_slot_newest_frame_timestamp_seconds',
                          frozenset({('slot', 'reserved')})), samples)
        self.assertEqual(of('slot_reserved', slot='reserved'), 1)
        for consumer in before['consumer_list']:
            labels = {'slot': 'cam0', 'entry': str(consumer['entry']),
                      'pid': str(consumer['pid']), 'name': 'recorder'}
            self.assertEqual(of('consumer_leases', **labels), 1)
            self.assertEqual(of('consumer_delivered_frames_total', **labels),
                             consumer['delivered'])
            self.assertGreaterEqual(of('consumer_lag_frames', **labels),
                                    consumer['lag'])

    def test_hostile_texts_stay_in_their_labels(self):
        self.slots()
        formats = [dict(labels)['format']
                   for name, labels in self.samples()
                   if name == 'framecache_slot_info'
                   and dict(labels)['slot'] == 'bad']
        self.assertEqual(formats, [r'a"b\c\x0ad\x1b[2Je\"f{g="h"}'])

    def test_long_format_is_cut(self):
        self.writer('cam0', format='x' * 5000)
        for line in self.fcctl('metrics').splitlines():
            self.assertLess(len(line), 1000)

    def test_each_has_help_and_type_before_its_samples(self):
        self.slots()
        typed = set()
        for line in self.fcctl('metrics').splitlines():
            if line.startswith('# '):
                typed.add(re.match(r'# (HELP|TYPE) (\w+) \S', line).groups())
                continue
            name = re.match(r'(framecache_\w+)[{ ]', line)[1]
            self.assertIn(('HELP', name), typed)
            self.assertIn(('TYPE', name), typed)

    def test_counters_alone_are_totals(self):
        self.slots()
        self.samples()
        text = self.fcctl('metrics')
        for name, kind in re.findall(r'^# TYPE (\w+) (\w+)$', text, re.M):
            self.assertEqual(kind == 'counter', name.endswith('_total'), name)

    @unittest.skipUnless(PROMTOOL, 'promtool is not installed')
    def test_promtool_has_nothing_to_say(self):
        for prepare in (lambda: None, self.slots):
            prepare()
            result = subprocess.run(
                [PROMTOOL, 'check', 'metrics'],
                input=self.fcctl('metrics').encode(), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=BOUND, check=False)
            self.assertEqual((result.returncode, result.stdout), (0, b''))

    def test_no_slots(self):
        samples = self.samples()
        self.assertEqual(samples['framecache_slots', frozenset()], 0)
        self.assertEqual(len(samples), 2)

    def test_manual_page_names_them_all(self):
        self.slots()
        page = pathlib.Path(os.environ['FC_ROOT'],
                            'docs/man/fcctl-metrics.1.scd').read_text()
        page = page[page.index('# METRICS'):page.index('# OPTIONS')]
        named = re.findall(r'^((?:_[\w\\]+_(?:, )?)+)$', page, re.M)
        named = {word.strip('_').replace('\\', '')
                 for line in named for word in line.split(', ')}
        told = {name.removeprefix('framecache_') for name in re.findall(
            r'^# TYPE (\w+) ', self.fcctl('metrics'), re.M)}
        self.assertEqual(named, told)


class Files(Metrics):
    def test_file_is_replaced_as_a_whole(self):
        folder = self.scratch()
        path = folder / 'framecache.prom'
        self.writer('cam0')
        self.assertEqual(self.fcctl('metrics', f'--output={path}'), '')
        first = path.stat()
        self.assertEqual(stat.S_IMODE(first.st_mode) & 0o600, 0o600)
        self.assertIn(('framecache_slots', frozenset()),
                      self.parse(path.read_text()))
        self.writer('cam1')
        with open(path, encoding='utf-8') as before:
            self.fcctl('metrics', '-o', str(path))
            self.assertNotIn('cam1', before.read())
        self.assertIn('cam1', path.read_text())
        self.assertEqual(os.listdir(folder), ['framecache.prom'])

    def test_failure_leaves_the_file(self):
        folder = self.scratch()
        path = folder / 'framecache.prom'
        path.write_text('old')
        os.chmod(self.directory, 0o777)
        self.fails(FAILED, 'metrics', f'--output={path}')
        self.assertEqual(path.read_text(), 'old')
        os.chmod(self.directory, 0o700)
        self.assertIn('/nowhere/', self.fails(
            FAILED, 'metrics', f'--output={folder}/nowhere/x.prom'))
        self.assertEqual(os.listdir(folder), ['framecache.prom'])

    def test_no_json(self):
        self.fails(USAGE, 'metrics', '--json')

    def test_file_or_http(self):
        self.fails(USAGE, 'metrics', '--http', '--output=/dev/null')


class Scrapes(Metrics):
    """As systemd does it for a socket with Accept=yes."""

    def setUp(self):
        super().setUp()
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        server = subprocess.Popen(
            ['systemd-socket-activate', '--accept', '--inetd',
             f'--listen=127.0.0.1:{self.port}', f'--setenv=FC_DIR='
             f'{self.directory}', FCCTL, 'metrics', '--http'],
            env=self.environment(SYSTEMD_LOG_LEVEL='err'))
        self.addCleanup(server.wait, BOUND)
        self.addCleanup(server.terminate)
        wait_for(self.listens, 'the socket')

    def listens(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), BOUND).close()
        except ConnectionRefusedError:
            return False
        return True

    def request(self, method, path):
        connection = http.client.HTTPConnection('127.0.0.1', self.port,
                                                timeout=BOUND)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={'X-Large': 'x' * 4000})
        response = connection.getresponse()
        return response, response.read().decode()

    def raw(self, data):
        with socket.create_connection(('127.0.0.1', self.port),
                                      BOUND) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b''
            while chunk := connection.recv(4096):
                answer += chunk
        return answer.split(b'\r\n')[0]

    def test_metrics(self):
        self.slots()
        for path in ('/metrics', '/', '/metrics?x=y'):
            response, body = self.request('GET', path)
            self.assertEqual(response.status, 200)
            self.assertEqual(response.headers['Content-Type'], CONTENT_TYPE)
            self.assertEqual(int(response.headers['Content-Length']),
                             len(body.encode()))
            self.assertEqual(self.parse(body)['framecache_slots',
                                              frozenset()], 4)
        response, body = self.request('HEAD', '/metrics')
        self.assertEqual((response.status, body), (200, ''))

    def test_other_requests(self):
        self.assertEqual(self.request('GET', '/other')[0].status, 404)
        response, _ = self.request('POST', '/metrics')
        self.assertEqual(response.status, 405)
        self.assertEqual(response.headers['Allow'], 'GET, HEAD')
        for junk in (b'', b'\0\0\0\0\r\n\r\n', b'GET\r\n\r\n',
                     b'GET /metrics HTTP/2\r\n\r\n', b'\x16\x03\x01\r\n\r\n',
                     b'GET /metrics HTTP/1.1\r\nno end'):
            self.assertIn(b' 400 ', self.raw(junk), junk)
        self.assertIn(b' 200 ', self.raw(b'GET / HTTP/1.0\r\n\r\n'))

    def test_head_without_end_is_cut_off(self):
        try:
            self.assertIn(b' 400 ', self.raw(b'x' * 1000000))
        except (ConnectionResetError, BrokenPipeError):
            pass  # as is any client's whose words are not waited for

    def test_directory_that_will_not_do(self):
        os.chmod(self.directory, 0o777)
        response, body = self.request('GET', '/metrics')
        self.assertEqual(response.status, 500)
        self.assertIn('others may write', body)

    def test_client_that_says_nothing_is_left(self):
        with socket.create_connection(('127.0.0.1', self.port),
                                      BOUND) as connection:
            self.assertEqual(connection.recv(1), b'')


class Units(Case):
    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_rights_that_are_left_are_enough(self):
        text = pathlib.Path(os.environ['fcctl-metrics@.service']).read_text()
        rights = re.search(r'^CapabilityBoundingSet=(\S+)$', text, re.M)[1]
        rights = rights.removeprefix('CAP_').lower()
        os.chmod(self.directory, 0o700)
        self.fcctl('create', 'cam0', '4096', '--owner=nobody')
        os.chown(self.directory, pwd.getpwnam('nobody').pw_uid, -1)
        setpriv = ('setpriv', '--inh-caps=-all')
        self.fails(FAILED, 'metrics',
                   prefix=(*setpriv, '--bounding-set=-all'))
        self.assertIn('slot="cam0"', self.fcctl(
            'metrics', prefix=(*setpriv, f'--bounding-set=-all,+{rights}')))

    def test_systemd_takes_them(self):
        folder = self.scratch()
        for name in ('fcctl-metrics.socket', 'fcctl-metrics@.service'):
            text = pathlib.Path(os.environ[name]).read_text()
            # What is not installed yet can not be started.
            text = re.sub(r'^ExecStart=\S+', f'ExecStart={FCCTL}', text,
                          flags=re.M)
            (folder / name).write_text(text)
        result = subprocess.run(
            ['systemd-analyze', 'verify', '--man=no',
             folder / 'fcctl-metrics.socket',
             folder / 'fcctl-metrics@.service'],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BOUND,
            check=False, env=self.environment(SYSTEMD_LOG_LEVEL='warning'))
        self.assertEqual((result.returncode, result.stdout), (0, b''))


main()
