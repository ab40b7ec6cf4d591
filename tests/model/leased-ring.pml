/*
 * The leased ring: publish, lease, wake and takeover.
 *
 * One writer (its frame path and its housekeeper), CONSUMERS consumers, a
 * history of DEPTH places and a file of START cells that may grow to PLANNED.
 * Every step between two semicolons outside an atomic makes at most one
 * access to shared memory; what a process does with its own memory is folded
 * into such a step. Memory is sequentially consistent here: that is what the
 * code's seq_cst accesses buy, and weak-memory.pml looks at the accesses that
 * are weaker.
 *
 * A payload is two halves, written and read in separate steps, so that a torn
 * frame shows. The writer may die after any shared store, LIVES - 1 times, and
 * the next one knows only what is in shared memory. A consumer that dies is,
 * here, one that stops for ever; reap.pml gives its entry to the next.
 *
 * To begin with the history is full (frames 0 to DEPTH - 1), for the steps
 * that fill it first are dull, and an emptied place comes about by itself.
 *
 * What must hold, by the name that a failing run prints:
 *   whole       a delivered frame is untorn and is the one asked for
 *   untouched   the writer stores into no cell that a consumer holds
 *   gone        a frame counted as lost had been committed and had left
 *   exact       the end is reported only when the cursor is the head: each of
 *               its steps was one frame delivered or one counted as lost, so
 *               the two counts add up (kept apart, they would only multiply
 *               the states)
 *   found       the writer has a cell at once unless memory is really out
 *   inside      a consumer reads only below the file's end as it knows it
 * and no process waits for ever (spin's "invalid end state": a lost wake-up).
 *
 * Options:  MEMORY_OUT  the file may not grow as leases need it: the history
 *                       is shortened, then the writer drops its own frame
 *           FEW         consumers woken by the frame path; the others are
 *                       the housekeeper's
 *           INTERRUPT   consumer 0 is interrupted once
 * Weakenings (each must fail) and REACH (each must be reached): see ./run.
 */
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef PLANNED
#define PLANNED (DEPTH + CONSUMERS + 1) /* history, a lease each, one filling */
#endif
#ifndef START
#define START PLANNED
#endif
#ifndef FRAMES
#define FRAMES 5
#endif
#ifndef LIVES
#define LIVES 1
#endif

#ifndef FEW
#define FEW CONSUMERS
#endif
#if FEW < CONSUMERS || START != PLANNED
#define HOUSEKEEPER
#endif

#define NONE 255
#define BIT(n) (1 << (n))
#define MUST(name, condition) name = (condition); assert (name)

hidden byte whole, untouched, gone, exact, found, inside;

#ifdef NAME_BEFORE_GROW
#define FILE_END PLANNED /* takes cells that the file does not hold yet */
#else
#define FILE_END size
#endif

/* -DREACH turns each of these into a failure that tells that it is reached. */
hidden byte
  LOST,           /* a place that names another frame */
  JUMPED,         /* the head more than the history ahead */
  LAPPED,         /* the place changed between look and lease */
  UNCOMMITTED,    /* takeover finds a place that head has not reached */
  SLEPT,          /* a consumer slept and was woken */
  STAYED,         /* waiting was 0 by the time that it would have slept */
  REUSED,         /* a cell proven free earlier is filled */
  PASSED_OVER,    /* a scan leaves a leased cell on the retired list */
  SHORTENED,      /* an oldest place given up for its cell */
  DROPPED,        /* nothing left at all: the new frame is dropped */
  APPENDED,       /* a consumer meets a cell beyond the end it knew */
  HANDED_OVER,    /* the housekeeper woke */
  INTERRUPTED,    /* an interrupt ended a wait */
  WOKEN_AGAIN;    /* takeover wakes a consumer no longer waiting */
#ifdef REACH
#define reach(name) assert (name != name)
#else
#define reach(name) skip
#endif

/* shared memory */
byte map_seq[DEPTH], map_cell[DEPTH]; /* one word: map[seq % DEPTH] */
byte head;
bit eos;
byte lease[CONSUMERS];
bit waiting[CONSUMERS];
byte size = START; /* cells that the file holds: st_size */
byte half0[PLANNED], half1[PLANNED];

/* the kernel's: whose sleep on `waiting` nobody has ended */
bit asleep[CONSUMERS];

/* the writer's own memory, lost when it dies; bit n is cell n */
byte unused;    /* proven free: out of the map, then seen unleased */
byte retired;   /* out of the map, not looked at since */
byte used;      /* cells of the file that it knows of */
bit asked;      /* the housekeeper is to wake */
bit joined;     /* the housekeeper is to end */
bit idle;       /* the housekeeper has ended */

/* known to nobody: for the checks */
byte held[CONSUMERS]; /* the cell whose lease was confirmed */
byte departed;        /* bit s: frame s was committed and left the map */
byte life = 1;
bit interrupt, interrupted;

/* Death is a choice of its own after the store, so that the housekeeper, who
 * dies with it, may still have done something in between. */
#if LIVES > 1
#define DIE                                                                   \
  atomic { life < LIVES -> life++; joined = false; idle = false;              \
    asked = false; goto takeover }
#define MAY_DIE                                                               \
  if                                                                          \
  :: DIE                                                                      \
  :: true                                                                     \
  fi
#else
#define MAY_DIE
#endif

/* The word leaves the map by the very store that puts another in its place. */
inline store_map (place, new_seq, new_cell)
{
  if
  :: map_seq[place] != NONE ->
    retired = retired | BIT (map_cell[place]);
    if
    :: map_seq[place] < head -> departed = departed | BIT (map_seq[place])
    :: else
    fi
  :: else
  fi;
  map_seq[place] = new_seq;
  map_cell[place] = new_cell
}

/* A lease seen here may be of one who will find the map changed and let go;
 * one not seen is of someone who has yet to look at the map again. */
inline look_at_leases ()
{
  seen = 0;
  i = 0;
  do
  :: atomic { i < CONSUMERS ->
      if
      :: lease[i] != NONE -> seen = seen | BIT (lease[i])
      :: else
      fi;
      i++ }
  :: atomic { i == CONSUMERS ->
      if
      :: retired & seen -> reach (PASSED_OVER)
      :: else
      fi;
      unused = unused | (retired & ~seen);
      retired = retired & seen;
      seen = 0;
      i = 0;
      break }
  od
}

/* Exchange first, wake second; only who got the 1 wakes. */
inline post (who)
{
#ifdef WAKE_FIRST
  if
  :: waiting[who] -> asleep[who] = false; waiting[who] = false
  :: else
  fi
#else
  atomic {
    if
    :: waiting[who] -> waiting[who] = false; posting = true
    :: else
    fi
  };
  if
  :: posting ->
    MAY_DIE;
    atomic { asleep[who] = false; posting = false }
  :: else
  fi
#endif
}

inline wake ()
{
  do
  :: i < FEW -> post (i); MAY_DIE; i++
  :: else -> break
  od;
  atomic { i = 0; asked = (FEW < CONSUMERS) }
}

proctype Writer ()
{
  byte seq, cell, seen, i;
  bit posting;

takeover:
  atomic {
    unused = 0; retired = 0; used = 0;
    seen = 0; i = 0; cell = 0; posting = false
  };
  /* A place that names a frame from head on: its writer died before the
   * commit. It is nobody's frame, so it becomes nobody's place. */
#ifndef TAKEOVER_KEEPS_PLACE
  do
  :: i < DEPTH ->
    if
    :: atomic { map_seq[i] != NONE && map_seq[i] >= head ->
        reach (UNCOMMITTED);
        map_seq[i] = NONE;
        map_cell[i] = NONE };
      MAY_DIE
    :: else
    fi;
    i++
  :: else -> break
  od;
#endif
  /* Free cells are what the map does not name, once the leases were seen. */
  atomic {
    used = size;
    retired = BIT (used) - 1;
    i = 0;
    do
    :: i < DEPTH ->
      if
      :: map_seq[i] != NONE -> retired = retired & ~BIT (map_cell[i])
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
#ifdef TAKEOVER_IGNORES_LEASES
    unused = retired;
    retired = 0;
#endif
    seq = head
  };
#ifndef TAKEOVER_NO_WAKE
  /* The dead writer may have taken a `waiting` and never woken for it. */
  if
  :: life > 1 ->
    do
    :: atomic { i < CONSUMERS ->
        if
        :: !waiting[i] -> reach (WOKEN_AGAIN)
        :: else
        fi;
        waiting[i] = false };
      MAY_DIE;
      asleep[i] = false;
      MAY_DIE;
      i++
    :: else -> break
    od;
    i = 0
  :: else
  fi;
#endif

publish:
  do
  :: atomic { seq == FRAMES -> break }
  :: seq < FRAMES ->
#ifdef SEED
    cell = seq % DEPTH; /* a cell is a place in the history */
#else
    /* what the housekeeper has appended since */
    atomic {
      do
      :: used < FILE_END -> unused = unused | BIT (used); used++
      :: else -> break
      od
    };
    /* A proven cell needs no second look, however long it lay there; when to
     * look again is free, so both are tried while there is a choice. */
    if
    :: unused -> skip
    :: retired -> look_at_leases ()
    :: !unused && !retired -> skip
    fi;
    if
    :: !unused ->
#ifndef MEMORY_OUT
      /* With all of the plan allocated this never comes about. */
      atomic { MUST (found, used < PLANNED) };
#endif
      /* shorten: the place first, the leases after it */
      do
      :: atomic { (unused || i == DEPTH) -> i = 0; break }
      :: !unused && i < DEPTH ->
        if
        :: atomic { map_seq[(seq + i) % DEPTH] != NONE ->
            store_map ((seq + i) % DEPTH, NONE, NONE);
            cell = i;
            reach (SHORTENED) };
          MAY_DIE;
#ifdef SHORTEN_NO_LOOK
          atomic { unused = retired; retired = 0 };
#else
          look_at_leases ();
#endif
          atomic { i = cell; cell = 0 }
        :: else
        fi;
        i++
      od;
      if
      :: atomic { !unused -> reach (DROPPED); goto publish }
      :: unused
      fi
    :: unused
    fi;
    atomic {
      cell = 0;
      do
      :: unused & BIT (cell) -> break
      :: else -> cell++
      od;
      unused = unused & ~BIT (cell)
    };
#endif
    atomic {
      i = 0;
      do
      :: i < CONSUMERS ->
        MUST (untouched, held[i] != cell);
        if
        :: lease[i] == cell -> reach (REUSED)
        :: else
        fi;
        i++
      :: else -> break
      od;
      i = 0;
      half0[cell] = seq
    };
    MAY_DIE;
    atomic {
      do
      :: i < CONSUMERS -> MUST (untouched, held[i] != cell); i++
      :: else -> break
      od;
      i = 0;
      half1[cell] = seq
    };
    MAY_DIE;
#ifdef HEAD_BEFORE_MAP
    head = seq + 1;
    MAY_DIE;
#endif
#ifdef SCAN_BEFORE_MAP
    /* looks at the leases of the cell that the next store will retire */
    do
    :: atomic { i < CONSUMERS ->
        if
        :: lease[i] != NONE -> seen = seen | BIT (lease[i])
        :: else
        fi;
        i++ }
    :: i == CONSUMERS -> i = 0; break
    od;
#endif
    atomic {
      store_map (seq % DEPTH, seq, cell);
#ifdef SCAN_BEFORE_MAP
      unused = unused | (retired & ~seen);
      retired = retired & seen;
      seen = 0;
#endif
      cell = 0
    };
    MAY_DIE;
#ifndef HEAD_BEFORE_MAP
    head = seq + 1;
    MAY_DIE;
#endif
    wake ();
    seq++
  od;

#ifdef INTERRUPT
  interrupted; /* not the code's: an interrupt lost would be seen by nobody */
#endif
  eos = true;
  MAY_DIE;
  wake ();
#ifdef HOUSEKEEPER
  joined = true;
  if
  :: idle
#if LIVES > 1
  :: DIE
#endif
  fi
#endif
}

proctype Housekeeper ()
{
  byte mine, i;
  bit posting;

takeover:
  atomic { mine = life; i = 0; posting = false };
  {
    do
    :: size < PLANNED ->
      size++
    :: atomic { asked -> asked = false; i = FEW };
      do
      :: i < CONSUMERS ->
        atomic {
          if
          :: waiting[i] -> waiting[i] = false; posting = true
          :: else
          fi
        };
        if
        :: atomic { posting ->
            asleep[i] = false; posting = false; reach (HANDED_OVER) }
        :: else
        fi;
        i++
      :: else -> break
      od
    :: atomic { joined && !asked -> break }
    od;
    idle = true
  } unless {
    atomic { life != mine -> goto takeover }
  };
end_idle:
  atomic { life != mine -> goto takeover }
}

/* FUTEX_WAIT: the look at `waiting` and falling asleep are one step to whoever
 * wakes. */
inline sleep ()
{
  if
#ifdef NO_COMPARE
  :: asleep[me] = true;
#else
  :: atomic { !waiting[me] -> reach (STAYED) }
  :: atomic { waiting[me] -> asleep[me] = true };
#endif
    atomic { !asleep[me] -> reach (SLEPT) }
  fi
}

proctype Consumer (byte me)
{
  byte cursor, known = START, seen_head, seq, cell, first;
  bit ended;

lease_next:
  do
  ::
#ifdef HEAD_BEFORE_STATE
    seen_head = head;
    ended = eos;
#else
    ended = eos;
    seen_head = head;
#endif
    if
    :: atomic { cursor == seen_head && ended -> break }
    :: cursor == seen_head && !ended ->
      /* wake: arm, look at everything again, only then sleep */
      atomic { waiting[me] = true; seen_head = 0 };
#ifndef NO_REARM
      if
      :: head != cursor
      :: head == cursor ->
        if
        :: eos
        :: !eos ->
#ifdef INTERRUPT
          if
#ifndef NO_INTERRUPT_LOOK
          :: me == 0 && interrupt -> goto awake
          :: else
#else
          :: true
#endif
          fi;
#endif
          sleep ()
        fi
      fi;
#else
      sleep ();
#endif
awake:
      waiting[me] = false;
#ifdef INTERRUPT
      if
      :: atomic { me == 0 && interrupt ->
          interrupt = false; interrupted = true; reach (INTERRUPTED) }
      :: else
      fi
#endif
    :: atomic { cursor < seen_head && seen_head > cursor + DEPTH ->
        reach (JUMPED);
        do
        :: seen_head > cursor + DEPTH ->
          MUST (gone, departed & BIT (cursor));
          cursor++
        :: else -> break
        od;
        seen_head = 0 }
    :: cursor < seen_head && seen_head <= cursor + DEPTH ->
#ifdef SEED
      /* whole when the head is not too far ahead, before and after */
      first = half0[cursor % DEPTH];
      seen_head = half1[cursor % DEPTH];
      atomic {
        if
        :: head <= cursor + DEPTH ->
          MUST (whole, first == cursor && seen_head == cursor)
        :: else
        fi;
        first = 0;
        seen_head = 0;
        cursor++
      };
#else
      atomic {
        seen_head = 0;
        ended = 0;
        seq = map_seq[cursor % DEPTH];
        cell = map_cell[cursor % DEPTH];
        if
        :: seq != cursor ->
          reach (LOST);
          MUST (gone, departed & BIT (cursor));
          cursor++;
          seq = 0;
          cell = 0;
          goto lease_next
        :: else
        fi
      };
      if
      :: atomic { cell >= known -> reach (APPENDED); known = size }
      :: else
      fi;
      atomic { lease[me] = cell; MUST (inside, cell < known) };
      atomic {
#ifndef NO_RECHECK
        if
        :: map_seq[cursor % DEPTH] != seq || map_cell[cursor % DEPTH] != cell ->
          reach (LAPPED);
          MUST (gone, departed & BIT (cursor));
          cursor++;
          seq = 0;
          goto release
        :: else
        fi;
#endif
        held[me] = cell;
        seq = 0
      };
      first = half0[cell];
      atomic {
        MUST (whole, first == cursor && half1[cell] == cursor);
        first = 0;
        cursor++
      };
release:
      atomic { held[me] = NONE; lease[me] = NONE; cell = 0 }
#endif
    fi;
  od;
  atomic { MUST (exact, cursor == head) }
}

#ifdef INTERRUPT
proctype Interrupter ()
{
  interrupt = true;
  waiting[0] = false;
  asleep[0] = false
}
#endif

init
{
  byte i;

  atomic {
    do
    :: i < DEPTH ->
      map_seq[i] = i; map_cell[i] = i; half0[i] = i; half1[i] = i;
      i++
    :: else -> break
    od;
    head = DEPTH;
    i = 0;
    do
    :: i < CONSUMERS -> lease[i] = NONE; held[i] = NONE; i++
    :: else -> break
    od;
    i = 0;
    run Writer ();
#ifdef HOUSEKEEPER
    run Housekeeper ();
#endif
#ifdef INTERRUPT
    run Interrupter ();
#endif
    do
    :: i < CONSUMERS -> run Consumer (i); i++
    :: else -> break
    od
  }
}
