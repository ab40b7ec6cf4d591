"""Executions of small programs under the axioms of Armv8-A and of x86-TSO.

A program is some threads of a few accesses each, with the orders that C gives
them. candidates () makes every execution that there could be: each read from
each write to its place, each order of the writes to one place. allowed ()
looks which of them an architecture allows, by the compilers' mapping of C to
its instructions and by its axioms:

  armv8   acquire and seq_cst loads are ldar, stores stlr, fences dmb
  rcpc    the same, but acquire loads are ldapr (Armv8.3 on)
  x86     seq_cst stores are xchg, the rest is plain

The axioms of Armv8-A are those that Arm publishes in the Architecture
Reference Manual (B2.3, "internal visibility", "external visibility" and
"atomic"), without mixed sizes, tags and translation; those of x86 are TSO's in
the form that has one global order of what is seen. An atomic read-modify-write
is a pair of exclusives here. Those of Armv8.1 are single instructions and
order more, never less.

SPDX-License-Identifier: LGPL-2.1-or-later
"""

import itertools
import re
from dataclasses import dataclass, field

ARCHITECTURES = ("x86", "armv8", "rcpc")
ACQUIRES = ("acquire", "acq_rel", "seq_cst")
RELEASES = ("release", "acq_rel", "seq_cst")


@dataclass
class Event:
    number: int
    thread: int
    kind: str  # R, W or F
    order: str
    place: str = ""
    value: object = None  # what is written: a number, or f(what was read)
    register: str = ""
    partner: int = -1  # of a read-modify-write: the read's write
    after: frozenset = frozenset()  # reads that this one depends on by control
    address: frozenset = frozenset()  # ... or by an address or a value


@dataclass
class Program:
    """threads: lists of statements, one of

    W PLACE VALUE ORDER         a store; VALUE may be a register
    R PLACE REGISTER ORDER      a load
    R PLACE REGISTER ORDER [OTHER]   ... from an address that OTHER gives
    X PLACE VALUE REGISTER ORDER     an exchange; VALUE +N or -N is an addition
    F ORDER                     a fence
    IF CONDITION                this way is taken: what comes depends on it
    """

    threads: list
    initial: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    conditions: list = field(default_factory=list)

    def __post_init__(self):
        for number, lines in enumerate(self.threads):
            self._read(number, lines)

    def _add(self, **what):
        event = Event(number=len(self.events), **what)
        self.events.append(event)
        return event

    def _read(self, thread, lines):
        known = {}  # register: the read
        control = set()
        for line in lines:
            verb, *words = line.split()
            if verb == "IF":
                text = line[3:]
                self.conditions.append(text)
                control |= {known[name] for name in re.findall(r"[a-z]\w*",
                                                               text)
                            if name in known}
                continue
            common = {"thread": thread, "after": frozenset(control)}
            if verb == "F":
                self._add(kind="F", order=words[0], **common)
            elif verb == "R":
                place, register, order, *index = words
                index = {known[name.strip("[]")] for name in index}
                read = self._add(kind="R", place=place, register=register,
                                 order=order, address=frozenset(index),
                                 **common)
                known[register] = read.number
            elif verb == "W":
                place, value, order = words
                data = {known[value]} if value in known else set()
                self._add(kind="W", place=place, order=order,
                          value=value if data else int(value),
                          address=frozenset(data), **common)
            elif verb == "X":
                place, value, register, order = words
                read = self._add(kind="R", place=place, register=register,
                                 order=order, **common)
                known[register] = read.number
                step = int(value)
                change = ((lambda was, step=step: was + step)
                          if value[0] in "+-" else step)
                write = self._add(kind="W", place=place, order=order,
                                  value=change, **common)
                read.partner, write.partner = write.number, read.number
            else:
                raise ValueError(line)


@dataclass
class Execution:
    program: Program
    source: dict  # read: write, or None for the value at the beginning
    order: dict  # place: its writes, first to last
    registers: dict
    memory: dict

    def pairs(self):
        """rf, co and fr, each as pairs of events."""
        co = [pair for writes in self.order.values()
              for pair in itertools.combinations(writes, 2)]
        rf, fr = [], []
        for read, write in self.source.items():
            writes = self.order.get(self.program.events[read].place, ())
            if write is not None:
                rf.append((write, read))
                writes = writes[writes.index(write) + 1:]
            fr += [(read, other) for other in writes]
        return rf, co, fr


def _values(program, source):
    """What each read and write has; None where values feed on themselves."""
    value = {}

    def find(number, open_=()):
        if number in value:
            return value[number]
        if number in open_:
            raise RecursionError
        event = program.events[number]
        open_ = (*open_, number)
        if event.kind == "R":
            write = source[number]
            found = (program.initial.get(event.place, 0) if write is None
                     else find(write, open_))
        elif callable(event.value):
            found = event.value(find(event.partner, open_))
        elif isinstance(event.value, str):
            (read,) = event.address
            found = find(read, open_)
        else:
            found = event.value
        value[number] = found
        return found

    try:
        for event in program.events:
            if event.kind != "F":
                find(event.number)
    except RecursionError:
        return None
    return value


def candidates(program):
    """Every execution of PROGRAM on the way that its conditions name."""
    events = program.events
    writes = {}
    for event in events:
        if event.kind == "W":
            writes.setdefault(event.place, []).append(event.number)
    reads = [e for e in events if e.kind == "R"]
    choices = [[None] + [w for w in writes.get(read.place, ())
                         if w != read.partner] for read in reads]
    for chosen in itertools.product(*choices):
        source = {read.number: write for read, write in zip(reads, chosen)}
        value = _values(program, source)
        if value is None:
            continue
        registers = {read.register: value[read.number] for read in reads}
        if not all(eval(text, {}, registers) for text in program.conditions):
            continue
        for order in itertools.product(
                *(itertools.permutations(w) for w in writes.values())):
            order = dict(zip(writes, order))
            memory = dict(program.initial)
            memory.update({place: value[w[-1]] for place, w in order.items()})
            yield Execution(program, source, order, registers, memory)


def acyclic(count, pairs):
    after = [set() for _ in range(count)]
    for one, other in pairs:
        after[one].add(other)
    state = [0] * count

    def closed(node):
        state[node] = 1
        for other in after[node]:
            if state[other] == 1 or (state[other] == 0 and closed(other)):
                return True
        state[node] = 2
        return False

    return not any(state[node] == 0 and closed(node)
                   for node in range(count))


def program_order(events):
    return [(a, b) for a in events for b in events
            if a.thread == b.thread and a.number < b.number]


def _fenced(events, orders, before, after):
    """Pairs in program order with a fence of ORDERS between them."""
    return [(a.number, b.number) for a, b in program_order(events)
            if a.kind in before and b.kind in after
            and any(f.kind == "F" and f.order in orders
                    and f.thread == a.thread and a.number < f.number < b.number
                    for f in events)]


def _arm(execution, rcpc):
    """Ordered-before: obs, dob, aob and bob."""
    events = execution.program.events
    rf, co, fr = execution.pairs()

    def acquires(event):  # A
        return event.kind == "R" and event.order in ACQUIRES and not (
            rcpc and event.order == "acquire" and event.partner < 0)

    def acquires_weakly(event):  # Q
        return event.kind == "R" and event.order == "acquire"

    def releases(event):  # L
        return event.kind == "W" and event.order in RELEASES

    def outside(pairs):
        return [(a, b) for a, b in pairs
                if events[a].thread != events[b].thread]

    def inside(pairs):
        return [(a, b) for a, b in pairs
                if events[a].thread == events[b].thread]

    ob = outside(rf) + outside(co) + outside(fr)
    by_value = [(read, e.number) for e in events for read in e.address]
    by_control = [(read, e.number) for e in events for read in e.after]
    ob += by_value
    ob += [(a, b) for a, b in by_control if events[b].kind == "W"]
    ob += [(a, e.number) for a, b in by_value if events[b].kind == "R"
           for e in events if e.kind == "W" and e.number > b
           and e.thread == events[b].thread]
    ob += [(a, d) for a, b in by_control + by_value
           for c, d in inside(co) if b == c]
    ob += [(a, d) for a, b in by_value for c, d in inside(rf) if b == c]

    rmw = [(e.number, e.partner) for e in events
           if e.kind == "R" and e.partner >= 0]
    ob += rmw
    ob += [(b, d) for _, b in rmw for c, d in inside(rf)
           if b == c and (acquires(events[d]) or acquires_weakly(events[d]))]

    ob += _fenced(events, ("release", "acq_rel", "seq_cst"), "RW", "RW")
    ob += _fenced(events, ("acquire",), "R", "RW")
    for a, b in program_order(events):
        if (acquires(a) or acquires_weakly(a) or releases(b)
                or (releases(a) and acquires(b))):
            ob.append((a.number, b.number))
    return ob


def _tso(execution):
    """The one order: all but a store before a later load."""
    events = execution.program.events
    rf, co, fr = execution.pairs()
    order = [(w, r) for w, r in rf if events[w].thread != events[r].thread]
    order += co + fr
    # xchg and what has the lock prefix are fences, too.
    locked = {e.number for e in events if e.kind != "F" and (
        e.partner >= 0 or (e.kind == "W" and e.order == "seq_cst"))}
    order += _fenced(events, ("seq_cst",), "RW", "RW")
    for a, b in program_order(events):
        if a.kind == "F" or b.kind == "F":
            continue
        between = any(a.number <= n <= b.number for n in locked
                      if events[n].thread == a.thread)
        if a.kind == "R" or b.kind == "W" or between:
            order.append((a.number, b.number))
    return order


def consistent(execution, architecture):
    events = execution.program.events
    rf, co, fr = execution.pairs()
    same_place = [(a.number, b.number) for a, b in program_order(events)
                  if a.place and a.place == b.place]
    if not acyclic(len(events), same_place + rf + co + fr):
        return False
    # Nothing comes between the halves of a read-modify-write.
    for read in events:
        if read.kind != "R" or read.partner < 0:
            continue
        writes = execution.order[read.place]
        source = execution.source[read.number]
        first = 0 if source is None else writes.index(source) + 1
        if any(events[w].thread != read.thread
               for w in writes[first:writes.index(read.partner)]):
            return False
    seen = (_tso(execution) if architecture == "x86"
            else _arm(execution, architecture == "rcpc"))
    return acyclic(len(events), seen)


def allowed(program, condition):
    """The architectures on which an execution ends with CONDITION."""
    ends = [e for e in candidates(program)
            if eval(condition, {}, {**e.memory, **e.registers})]
    return {a for a in ARCHITECTURES if any(consistent(e, a) for e in ends)}
