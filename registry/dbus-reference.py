#!/usr/bin/env python3
# framecache: docs/dbus.md from the interfaces' XML
#
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the reference of D-Bus interfaces, as Markdown.

usage: dbus-reference.py FILE.xml... > docs/dbus.md
       dbus-reference.py --check docs/dbus.md FILE.xml...

Of each interface, method, signal and property the comment before it is its
documentation: its name and a colon, `@argument: ...` for each argument, an
empty line, and text. Text is Markdown; a table has no line below its head, as
XML comments have no two hyphens. What has no documentation, or documents what
is not there, is an error.
"""
import pathlib
import sys
import textwrap
import xml.etree.ElementTree as ElementTree

HEAD = '''\
# The registry on D-Bus

<!-- Made from registry/*.xml by registry/dbus-reference.py: change those. -->

What the registry is, and how it is started but by hand: fc-registry(8).

<!-- docs-test: background -->
```sh
fc-registry
```

<!-- docs-test: check gdbus wait --session --timeout 30 org.framecache.Registry1 -->

```sh
busctl --user tree org.framecache.Registry1
busctl --user call org.framecache.Registry1 /org/framecache/Registry1 \\
  org.framecache.Registry1 CreateSlot 'sa{sv}' cam0 4 \\
  width u 640 height u 480 pixel-format s NV12 ring-depth u 30
busctl --user introspect org.framecache.Registry1 \\
  /org/framecache/Registry1/slot/cam0
gdbus call --session --dest org.framecache.Registry1 \\
  --object-path /org/framecache/Registry1 \\
  --method org.framecache.Registry1.RemoveSlot cam0 '{}'
```
'''
EMITS = 'org.freedesktop.DBus.Property.EmitsChangedSignal'
SILENT = {'const': 'never changes', 'false': 'no signal when it changes'}


class Doc:
    """A documentation comment, taken apart."""

    def __init__(self, name, comment):
        head, _, self.body = textwrap.dedent(comment).strip().partition('\n\n')
        fields = [field.partition(':') for field in head.split('\n@')]
        self.texts = {key: ' '.join(text.split()) for key, _, text in fields}
        if fields[0][0] != name:
            sys.exit(f'{name}: what documents it has to begin with "{name}:"')

    def take(self, key):
        if not self.texts.get(key):
            sys.exit(f'{key}: no documentation')
        return self.texts.pop(key)

    def end(self, name):
        self.texts.pop(name, None)
        if self.texts:
            sys.exit(f'{name}: documents what is not there: {self.texts}')


def documented(element):
    """Its children that are no annotations, each with its documentation."""
    comment = None
    for child in element:
        if child.tag is ElementTree.Comment:
            comment = child.text
        elif child.tag != 'annotation' and child.tag != 'arg':
            name = child.get('name')
            if comment is None:
                sys.exit(f'{name}: no documentation')
            yield child, name, Doc(name, comment)
            comment = None


def with_tables(text):
    """Markdown wants a line below a table's head."""
    inside = False
    for line in text.split('\n'):
        yield line
        if line.startswith('|') and not inside:
            yield '|' + ' --- |' * (line.count('|') - 1)
        inside = line.startswith('|')


def signature(name, arguments):
    def words(direction):
        return ', '.join(f'{arg.get("type")} {arg.get("name")}'
                         for arg in arguments
                         if arg.get('direction', 'in') == direction)

    result = words('out')
    return f'{name} ({words("in")})' + (f' → ({result})' if result else '')


def describe_call(element, name, doc):
    arguments = element.findall('arg')
    yield f'#### {signature(name, arguments)}\n'
    for arg in arguments:
        yield f'- `{arg.get("name")}`: {doc.take(arg.get("name"))}'
    if arguments:
        yield ''
    yield from with_tables(doc.body)
    yield ''
    doc.end(name)


def describe_property(element, name, doc):
    emits = [annotation.get('value')
             for annotation in element.findall('annotation')
             if annotation.get('name') == EMITS]
    words = [element.get('type')] + [SILENT[value] for value in emits]
    yield f'- **{name}** ({", ".join(words)}): {doc.take(name)}'
    doc.end(name)


def describe_interface(element, name, doc):
    summary = doc.take('short_description')
    doc.end(name)
    yield f'## {name}: {summary}\n'
    yield from with_tables(doc.body)
    yield ''
    members = list(documented(element))
    for title, tag, describe in (('Methods', 'method', describe_call),
                                 ('Signals', 'signal', describe_call),
                                 ('Properties', 'property',
                                  describe_property)):
        some = [member for member in members if member[0].tag == tag]
        if some:
            yield f'### {title}\n'
        for member in some:
            yield from describe(*member)
    yield ''


def reference(paths):
    lines = [HEAD]
    for path in paths:
        builder = ElementTree.TreeBuilder(insert_comments=True)
        parser = ElementTree.XMLParser(target=builder)
        for interface in documented(ElementTree.parse(path, parser).getroot()):
            lines.extend(describe_interface(*interface))
    return '\n'.join(lines).rstrip() + '\n'


def main():
    if sys.argv[1] != '--check':
        print(reference(sys.argv[1:]), end='')
    elif pathlib.Path(sys.argv[2]).read_text() != reference(sys.argv[3:]):
        sys.exit(f'{sys.argv[2]} is not what the interfaces say: make it anew')


main()
