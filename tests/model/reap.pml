/*
 * The consumer table: attach, lease, reap, takeover and what is left at the
 * end.
 *
 * CONSUMERS processes attach to a table of ENTRIES, lease frames, arm their
 * wake-up, close or die, and come again as another process, as often as they
 * like. A writer publishes, scans the leases of those entries whose bit in
 * `attached` is set, posts, and may die and be followed by another at any
 * time; so may the housekeeper, which reaps, in the middle of a reap. None of
 * these deaths is counted: whatever can follow from any number of them, while
 * FRAMES frames go by, is searched.
 *
 * lock[e] is the open-file-description lock on byte e of the table. Taking it
 * either succeeds or fails, at once, and the kernel drops it in the death of
 * its owner; nothing else tells the dead from the slow.
 *
 * The history is one place, which names frame 0 to begin with, and its store
 * is the commit, for leased-ring.pml has the head and the rest. A consumer
 * holds one lease at a time.
 *
 * What must hold, by the name that a failing run prints:
 *   whole       a leased frame is untorn and the one that the map named
 *   untouched   the writer stores into no cell that a living consumer holds
 *   kept        the lease of a living consumer is there until it lets go
 *   owned       an entry in use has its owner's lock and its bit
 *   found       the writer has a cell at once
 *   cleared     when all is over no lease and no bit is left in the table
 *
 * Options:  POSTS      consumers arm their wake-up and the writer wakes them
 *           STEADY     the writer does not die
 *           LIVING_ONLY  `cleared` is not asked for, so that a weakening shows
 *                      what it does to the living
 *           REAPERS    threads of the housekeeper's process that reap by one
 *                      open file description, which excludes them not: a mutex
 *                      does; they may stop for ever, rather than die
 */
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef REAPERS
#define REAPERS 1
#endif
#define PLANNED (1 + ENTRIES + 1)

#define NONE 255
#define FREE 255
#define HOUSEKEEPER CONSUMERS
#if REAPERS > 1
#define MAY_LOCK(e) (lock[e] == FREE || lock[e] == HOUSEKEEPER)
#else
#define MAY_LOCK(e) (lock[e] == FREE)
#endif
#if REAPERS > 1 && !defined(REAP_NO_MUTEX)
#define MAY_KEEP !keeping
#define KEEP keeping = true;
#define UNKEEP keeping = false;
#else
#define MAY_KEEP true
#define KEEP
#define UNKEEP
#endif
#define BIT(n) (1 << (n))
#define MUST(name, condition) name = (condition); assert (name)

hidden byte whole, untouched, kept, owned, found, cleared;

/* -DREACH turns each of these into a failure that tells that it is reached. */
hidden byte
  REAPED,         /* by the housekeeper, with a lease to clear */
  INHERITED,      /* an attach finds the entry of a dead consumer */
  FULL,           /* no entry to be had */
  LAPPED,         /* the place changed between look and lease */
  UNSEEN,         /* a scan passed an entry that now holds a lease */
  PASSED_OVER,    /* a scan leaves a leased cell on the retired list */
  LEFT,           /* bit seen set, but clear under the lock */
  LATE_POST,      /* the entry has changed hands since its bit was seen */
  HALF_REAPED,    /* a reaper died in the middle, another finishes */
  ANOTHER_LIFE,   /* a writer took over with a consumer attached */
  SETTLED;        /* the last look at the table */
#ifdef REACH
#define reach(name) assert (name != name)
#else
#define reach(name) skip
#endif

/* shared memory */
byte map_seq = 0, map_cell = 0; /* one word */
byte attached; /* bit e: entry e is in use */
byte lease[ENTRIES];
bit waiting[ENTRIES];
byte frame[PLANNED]; /* the frame in the cell; NONE while it is being filled */

/* the kernel's */
byte lock[ENTRIES];

/* the housekeeper's process's */
bit keeping;

/* for the checks */
byte held[CONSUMERS];
bit over;    /* the last writer has ended */
byte ended;  /* consumers that will not come again */

/* A store, and perhaps the death of whoever made it: nobody else can tell
 * whether the death was then or later, before the next store. */
#define MAY_DIE if :: goto die :: true fi
#define STORE(statement) atomic { statement; MAY_DIE }
#ifdef STEADY
#define WRITER_MAY_DIE skip
#else
#define WRITER_MAY_DIE MAY_DIE
#endif
#ifdef BITS_PLAIN
#define set_bit(e) bits = attached; STORE (attached = bits | BIT (e); bits = 0)
#define clear_bit(e)                                                          \
  bits = attached; STORE (attached = bits & ~BIT (e); bits = 0)
#else
#define set_bit(e) STORE (attached = attached | BIT (e))
#define clear_bit(e) STORE (attached = attached & ~BIT (e))
#endif
#ifdef POSTS
#define set_waiting(e, value) STORE (waiting[e] = value)
#else
#define set_waiting(e, value) skip
#endif

/* Leases first, the bit last: whoever sees the bit clear has nothing to look
 * for. The caller has the lock. */
inline free_entry (e)
{
#ifdef REAP_STATE_FIRST
  clear_bit (e);
#endif
  STORE (lease[e] = NONE);
  set_waiting (e, false);
#ifndef REAP_STATE_FIRST
  clear_bit (e)
#endif
}

proctype Consumer (byte me)
{
  byte e, seq, cell, bits;

attach:
  do
  :: atomic { over -> goto end }
  :: e < ENTRIES ->
    atomic {
      if
      :: lock[e] == FREE -> lock[e] = me; break
      :: else -> e++
      fi
    }
  :: atomic { e == ENTRIES -> reach (FULL); e = 0 }
  od;
  atomic {
    if
    :: attached & BIT (e) -> reach (INHERITED)
    :: else
    fi
  };
#ifdef ATTACH_BIT_FIRST
  set_bit (e);
  STORE (lease[e] = NONE);
  set_waiting (e, false);
#else
  free_entry (e);
#endif
#if !defined(ATTACH_BIT_FIRST) && !defined(LEASE_BEFORE_BIT)
  set_bit (e);
#endif

lease_next:
  do
  :: atomic { seq = map_seq; cell = map_cell };
    STORE (lease[e] = cell);
    atomic {
      if
      :: map_seq != seq || map_cell != cell -> reach (LAPPED); goto release
      :: else
      fi;
      held[me] = cell
    };
#ifdef LEASE_BEFORE_BIT
    set_bit (e);
#endif
#ifdef CLOSE_BEFORE_RELEASE
    clear_bit (e);
#else
    atomic { MUST (owned, lock[e] == me && (attached & BIT (e))) };
#endif
#ifdef REAP_THROUGH_OWNER
    /* its own lock does not stop it, and unlocking gives the byte away */
    free_entry (e);
    lock[e] = FREE;
#endif
    STORE (MUST (whole, frame[cell] == seq); MUST (kept, lease[e] == cell));
release:
    STORE (held[me] = NONE; lease[e] = NONE; seq = 0; cell = 0)
#ifdef POSTS
  :: set_waiting (e, true); /* and asleep, until woken or the slice ends */
    set_waiting (e, false)
#endif
  :: break
  od;
  /* close: nothing is leased any more, and the lock goes last */
#ifdef CLOSE_UNLOCK_FIRST
  lock[e] = FREE;
#endif
  free_entry (e);
#ifndef CLOSE_UNLOCK_FIRST
  lock[e] = FREE;
#endif
  atomic { e = 0; goto attach };

die:
  /* no step of this process comes after, and the kernel lets go for it */
  atomic {
    if
    :: e < ENTRIES && lock[e] == me -> lock[e] = FREE
    :: else
    fi;
    held[me] = NONE; e = 0; seq = 0; cell = 0; bits = 0;
    goto attach
  };
end:
  ended++
}

proctype Housekeeper ()
{
  byte e, bits;
  bit last, interrupted;

end_reap: /* another one stopped with the mutex */
  do
  :: atomic { ended == CONSUMERS && e == 0 && !last -> last = true }
  :: atomic { e == ENTRIES && last ->
#ifndef LIVING_ONLY
      do
      :: e > 0 -> e--; MUST (cleared, lease[e] == NONE)
      :: else -> break
      od;
      MUST (cleared, attached == 0);
#endif
      reach (SETTLED);
      break }
  :: atomic { e == ENTRIES && !last -> e = 0 }
  :: atomic { e < ENTRIES && MAY_KEEP ->
      KEEP
      if
      :: attached & BIT (e)
      :: else -> UNKEEP e++; goto end_reap
      fi
    };
    atomic {
      if
      :: MAY_LOCK (e) ->
#ifndef REAP_NO_LOCK
        lock[e] = HOUSEKEEPER
#endif
      :: else -> UNKEEP e++; goto end_reap
      fi
    };
    atomic {
      if
      :: attached & BIT (e) ->
        if
        :: lease[e] != NONE -> reach (REAPED)
        :: lease[e] == NONE && interrupted -> reach (HALF_REAPED)
        :: else
        fi
      :: else ->
        reach (LEFT);
#ifndef REAP_NO_RELOOK
        goto unlock
#endif
      fi
    };
    free_entry (e);
unlock:
    atomic {
      if
      :: lock[e] == HOUSEKEEPER -> lock[e] = FREE
      :: else
      fi;
      interrupted = false;
      UNKEEP
      e++
    }
  od;
  goto end;

die:
#if REAPERS > 1
end_stopped:
  false;
#endif
  atomic {
    if
    :: lock[e] == HOUSEKEEPER -> lock[e] = FREE
    :: else
    fi;
#ifdef REACH
    interrupted = !last; /* only for the marker */
#endif
    e = 0;
    bits = 0;
    goto end_reap
  };
end:
  skip
}

inline fill (value)
{
  atomic {
    do
    :: e < CONSUMERS -> MUST (untouched, held[e] != cell); e++
    :: else -> e = 0; break
    od;
    frame[cell] = value;
    WRITER_MAY_DIE
  }
}

proctype Writer ()
{
  byte seq, cell, e, seen;
  byte unused, retired;
  byte unseen; /* for reach: entries that the scan saw not attached */

takeover:
  atomic {
    unused = 0; seen = 0; cell = 0; e = 0; unseen = 0;
    retired = BIT (PLANNED) - 1;
    retired = retired & ~BIT (map_cell);
    seq = map_seq + 1
  };
#ifdef POSTS
  do
  :: e < ENTRIES ->
    if
    :: attached & BIT (e) ->
      atomic { waiting[e] = false; WRITER_MAY_DIE };
      atomic {
        if
        :: seq > 1 -> reach (ANOTHER_LIFE)
        :: else
        fi
      }
    :: else
    fi;
    e++
  :: else -> e = 0; break
  od;
#endif

publish:
  do
  :: atomic { seq == FRAMES -> break }
  :: seq < FRAMES ->
    if
    :: unused
    :: retired ->
      do
      :: e < ENTRIES ->
        atomic {
          if
          :: attached & BIT (e)
          :: else -> unseen = unseen | BIT (e); goto next_entry
          fi
        };
        atomic {
          if
          :: lease[e] != NONE -> seen = seen | BIT (lease[e])
          :: else
          fi
        };
next_entry:
        e++
      :: atomic { e == ENTRIES ->
          do
          :: e > 0 ->
            e--;
            if
            :: ((unseen & attached & BIT (e)) && lease[e] != NONE) ->
              reach (UNSEEN)
            :: else
            fi
          :: else -> break
          od;
          unseen = 0;
          if
          :: retired & seen -> reach (PASSED_OVER)
          :: else
          fi;
          unused = unused | (retired & ~seen);
          retired = retired & seen;
          seen = 0;
          break }
      od
    :: !unused && !retired
    fi;
    atomic {
      MUST (found, unused != 0);
      cell = 0;
      do
      :: unused & BIT (cell) -> break
      :: else -> cell++
      od;
      unused = unused & ~BIT (cell)
    };
    fill (NONE);
    fill (seq);
    atomic {
      retired = retired | BIT (map_cell);
      map_seq = seq;
      map_cell = cell;
      cell = 0;
      seq++;
      WRITER_MAY_DIE
    };
#ifdef POSTS
    do
    :: e < ENTRIES ->
      atomic {
        if
        :: attached & BIT (e)
        :: else -> goto next_post
        fi
      };
      atomic {
        if
        :: waiting[e] -> waiting[e] = false
        :: else -> goto next_post
        fi
      };
      atomic {
        if
        :: !(attached & BIT (e)) -> reach (LATE_POST)
        :: else
        fi
      };
next_post:
      e++
    :: else -> e = 0; break
    od
#endif
  od;
  over = true;
  goto end;

#ifndef STEADY
die:
  goto takeover;
#endif
end:
  skip
}

init
{
  byte i;

  atomic {
    do
    :: i < ENTRIES ->
      lease[i] = NONE;
      lock[i] = FREE;
      i++
    :: else -> i = 0; break
    od;
    do
    :: i < CONSUMERS -> held[i] = NONE; i++
    :: else -> i = 0; break
    od;
    run Writer ();
    run Housekeeper ();
#if REAPERS > 1
    run Housekeeper ();
#endif
    do
    :: i < CONSUMERS -> run Consumer (i); i++
    :: else -> break
    od
  }
}
