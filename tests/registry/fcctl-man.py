#!/usr/bin/env python3
# framecache: the manual pages can be read, and fcctl's say what it does
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from fcctl_case import BOUND, Case, main

SOURCES = pathlib.Path(os.environ['FC_ROOT'], 'docs/man')
PAGES = os.environ.get('FC_MAN')  # where they were built, if they were
OPTION = re.compile(r'^(?:\*(-.)\*, )?\*(--[a-z-]+)\*(?:=_([A-Z]+)_)?$', re.M)
HELP = re.compile(r'^  (?:(-.), )?(--[a-z-]+)(?:=([A-Z]+))?  ', re.M)


def source(name):
    return (SOURCES / f'{name}.1.scd').read_text()


def section(page, title):
    return re.search(rf'^# {title}$(.*?)(?=^# |\Z)', page, re.M | re.S)[1]


class Sources(Case):
    def commands(self):
        commands = re.search(r'^Commands:\n(.*?)\n\n', self.fcctl('--help'),
                             re.M | re.S)[1]
        return re.findall(r'^  ([a-z]+) ', commands, re.M)

    def test_page_of_fcctl_names_its_commands(self):
        named = re.findall(r'^\*fcctl-([a-z]+)\*\(1\)$',
                           section(source('fcctl'), 'COMMANDS'), re.M)
        self.assertEqual(named, self.commands())

    def test_options_are_those_of_help(self):
        common = OPTION.findall(section(source('fcctl'), 'OPTIONS'))
        self.assertEqual(sorted(common),
                         sorted(HELP.findall(self.fcctl('--help'))))
        common = [option for option in common if option[1] != '--version']
        for command in self.commands():
            own = OPTION.findall(section(source(f'fcctl-{command}'),
                                         'OPTIONS'))
            self.assertEqual(sorted(own + common),
                             sorted(HELP.findall(
                                 self.fcctl(command, '--help'))), command)

    def test_synopsis_is_the_usage(self):
        for command in self.commands():
            synopsis = section(source(f'fcctl-{command}'), 'SYNOPSIS')
            usage = re.search(r'^Usage:\n  (.*)$',
                              self.fcctl(command, '--help'), re.M)[1]
            self.assertEqual(re.sub('[*_]', '', synopsis).strip(),
                             usage.strip())

    def test_exit_codes_are_those_of_help(self):
        told = re.search(r'^Exit codes:\n(.*)\Z', self.fcctl('--help'),
                         re.M | re.S)[1]
        self.assertEqual(
            re.findall(r'^\*(\d)\*$', section(source('fcctl'), 'EXIT STATUS'),
                       re.M),
            re.findall(r'^  (\d)  ', told, re.M))

    def test_pages_that_are_named_are_there(self):
        for page in SOURCES.glob('*.scd'):
            for name, number in re.findall(r'\*(fc[\w-]+|framecache)\*\((\d)\)',
                                           page.read_text()):
                self.assertTrue((SOURCES / f'{name}.{number}.scd').exists(),
                                f'{page.name} names {name}({number})')

    def words_of_json(self, command):
        text = section(source(f'fcctl-{command}'), 'JSON')
        return {word.replace('\\', '')
                for word in re.findall(r'(?<![\w\\])_([a-z0-9\\_]+?)_(?!\w)',
                                       text)}

    def test_members_of_a_slot_and_a_consumer(self):
        self.writer('cam0', format='\udcff')
        self.holder('cam0', 1, 0)
        slot = self.show('cam0')
        self.assertEqual(self.words_of_json('show'),
                         set(slot) | set(slot['consumer_list'][0]))

    def test_members_of_a_plan(self):
        self.assertEqual(self.words_of_json('plan'),
                         set(self.json('plan', '4096')))


@unittest.skipUnless(PAGES, 'scdoc is not installed')
class Pages(Case):
    def built(self):
        pages = [pathlib.Path(PAGES, path.stem)
                 for path in sorted(SOURCES.glob('*.scd'))]
        self.assertEqual([page for page in pages if not page.exists()], [])
        return pages

    def lint(self, *command):
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=BOUND, check=False, text=True,
            env=self.environment(MANWIDTH='80', MANPAGER='cat'))
        return result.stdout

    @unittest.skipUnless(shutil.which('mandoc'), 'mandoc is not installed')
    def test_mandoc_finds_nothing(self):
        for page in self.built():
            lines = self.lint('mandoc', '-Tlint', '-Wwarning',
                              page).splitlines()
            # scdoc begins every paragraph, also the first of a section.
            self.assertEqual([line for line in lines
                              if 'skipping paragraph macro' not in line], [])

    @unittest.skipUnless(shutil.which('man'), 'man is not installed')
    def test_man_shows_them(self):
        # Small systems have one that only says that it is none.
        if not self.lint('man', '--version').startswith('man '):
            self.skipTest('man is not installed')
        for page in self.built():
            text = self.lint('man', '--warnings', '-l', page)
            title = f'{page.stem}({page.suffix[1:]})'
            self.assertTrue(text.startswith(title), text)
            self.assertNotIn('warning', text)


main()
