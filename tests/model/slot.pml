/*
 * A slot's files: its lock, which goes with it, its ring and the ring's table,
 * half-made ones, and who makes, collects and removes them.
 *
 * Writers open the slot, each makes a ring and then another one in its place,
 * and closes, or dies after any step. Beside them somebody collects what
 * crashes leave, and somebody removes the slot by force. Each step between two
 * semicolons outside an atomic is at most one system call. A name leads to an
 * inode; the lock's file is another inode each time that it is made anew.
 *
 * What must hold, by the name that a failing run prints:
 *   alone    one process at most has the slot's lock
 *   whole    a ring that a living writer has shown, or that is left to the
 *            next one, has its table while it has its name
 *   swept    when all is over, one more collection leaves nothing
 *
 * Who removes by force does without the lock where it is taken.
 *
 * Weakenings (each must fail) and REACH (each must be reached): see ./run.
 */
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef RINGS
#define RINGS 2 /* that a writer makes, one after the other */
#endif
#define IDS (RINGS * WRITERS)
#ifndef INODES
#define INODES 2 /* lock files; and one more for the last collection */
#endif
#define COLLECTOR (WRITERS + 1)
#define REMOVER (WRITERS + 2)

#define BIT(n) (1 << (n))
#define MUST(name, condition) name = (condition); assert (name)

hidden byte alone, whole, swept;

/* -DREACH turns each of these into a failure that tells that it is reached. */
hidden byte
  REMADE,    /* the lock that was got had lost its name */
  BUSY,      /* the lock is taken */
  UNNAMED,   /* no temporary left to give the name to */
  FORCED,    /* removed beside a living writer */
  SHOWN,     /* a ring got its name between removal and sweep */
  COLLECTED; /* the ring of a dead writer */
#ifdef REACH
#define reach(name) assert (name != name)
#else
#define reach(name) skip
#endif

/* the directory; 0 is no file */
byte lock_name, ring;
byte temps, tables; /* bit n: that of ring n */

/* the kernel's, by inode */
byte made; /* how many lock files there were */
bit linked[INODES + 2];
byte owner[INODES + 2];

/* for the checks */
byte holders, ended;

#define MAY_DIE if :: mortal -> goto die :: true fi
#define STORE(statement) atomic { statement; MAY_DIE }

/* Open the lock's file, or make it; lock it; look whether it has its name
 * still, for who had it may have taken that away. */
inline take_lock ()
{
  fd = 0;
open_lock:
  if
  :: atomic { lock_name -> fd = lock_name }
  :: !lock_name ->
    if
    :: atomic { !lock_name && made < INODES + !mortal ->
        made++; fd = made; lock_name = fd; linked[fd] = true }
    :: atomic { !lock_name && made == INODES + !mortal -> goto done }
    :: lock_name -> goto open_lock
    fi
  fi;
  if
  :: atomic { owner[fd] == 0 -> owner[fd] = me }
  :: atomic { owner[fd] != 0 -> fd = 0; reach (BUSY) }
  fi;
#ifdef NO_LINK_LOOK
  atomic {
    if
    :: fd -> holders++; holds = true
    :: else
    fi
  };
#else
  atomic {
    if
    :: fd && linked[fd] -> holders++; holds = true
    :: fd && !linked[fd] -> reach (REMADE); owner[fd] = 0; goto open_lock
    :: else
    fi
  };
#endif
  atomic { MUST (alone, holders <= 1) }
}

#define NO_HOLDER                                                             \
  if                                                                          \
  :: holds -> holders--; holds = false                                        \
  :: else                                                                     \
  fi
#define LET_GO                                                                \
  atomic {                                                                    \
    NO_HOLDER;                                                                \
    if                                                                        \
    :: fd -> owner[fd] = 0; fd = 0                                            \
    :: else                                                                   \
    fi                                                                        \
  }

/* By its name: who has the lock has the inode that is named, and after this
 * does nothing more. */
inline unlink_lock ()
{
  if
  :: ring
  :: !ring -> atomic { linked[lock_name] = false; lock_name = 0; NO_HOLDER }
  fi
}

inline let_go_with_file ()
{
#ifdef UNLOCK_FIRST
  LET_GO;
  unlink_lock ()
#else
  unlink_lock ();
  LET_GO
#endif
}

/* What no ring names, of what was listed. */
inline sweep (some_temps, some_tables)
{
  do
  :: atomic { i < IDS && (some_temps & BIT (i)) -> temps = temps & ~BIT (i) };
    atomic {
      if
      :: (some_tables & BIT (i)) && named != i + 1 ->
        tables = tables & ~BIT (i)
      :: else
      fi;
      i++;
      MAY_DIE
    }
  :: atomic { i < IDS && !(some_temps & BIT (i)) ->
      if
      :: (some_tables & BIT (i)) && named != i + 1 ->
        tables = tables & ~BIT (i)
      :: else
      fi;
      i++;
      MAY_DIE }
  :: i == IDS -> i = 0; break
  od
}

inline make (id)
{
#ifndef NAME_BEFORE_TABLE
  STORE (tables = tables | BIT (id));
#endif
  STORE (temps = temps | BIT (id));
  atomic {
    if
    :: temps & BIT (id) -> temps = temps & ~BIT (id); ring = id + 1
    :: else -> reach (UNNAMED); failed = true
    fi;
    MAY_DIE
  };
  atomic {
    if
    :: ring == id + 1 -> MUST (whole, tables & BIT (id))
    :: else
    fi
  };
#ifdef NAME_BEFORE_TABLE
  STORE (tables = tables | BIT (id));
#endif
}

proctype Writer (byte me)
{
  byte fd, i, named, own;
  bit failed, holds, mortal = true;

  take_lock ();
  if
  :: !fd -> goto done
  :: else
  fi;
  named = ring;
  sweep (temps, tables);
  atomic { named = 0; own = RINGS * (me - 1) };
  make (own);
  if
  :: failed -> goto discard
  :: else -> skip
  fi;
#if RINGS > 1
  atomic { own++ };
  make (own);
  if
  :: failed -> skip
  :: else -> STORE (tables = tables & ~BIT (own - 1))
  fi;
#endif
  atomic {
    if
    :: ring == own + 1 -> MUST (whole, tables & BIT (own))
    :: else
    fi
  };
  /* close: the ring, unless it is no longer its own, and the tables */
  atomic {
    if
    :: ring == own + 1 || (failed && ring == own) -> ring = 0
    :: else
    fi;
    MAY_DIE
  };
  if
  :: failed -> STORE (tables = tables & ~BIT (own - 1))
  :: else
  fi;
discard:
  STORE (tables = tables & ~BIT (own));
  let_go_with_file ();
  goto done;

die:
  LET_GO;
done:
  atomic { fd = 0; i = 0; named = 0; own = 0; failed = false; ended++ }
}

proctype Collector (byte me; bit mortal)
{
  byte fd, i, named, some_temps, some_tables;
  bit holds;

  /* What was made since the list is left to the next time. */
  some_temps = temps;
  some_tables = tables;
#ifdef NAMED_BEFORE_LOCK
  named = ring;
#endif
  take_lock ();
#ifndef SWEEP_WITHOUT_LOCK
  if
  :: !fd -> goto done
  :: else
  fi;
#endif
#ifndef NAMED_BEFORE_LOCK
  named = ring;
#endif
  sweep (some_temps, some_tables);
#ifdef SWEEP_WITHOUT_LOCK
  if
  :: !fd -> goto done
  :: else
  fi;
#endif
  atomic {
    if
    :: ring -> MUST (whole, tables & BIT (ring - 1))
    :: else
    fi
  };
  /* With the lock: its writer is dead, or was never there. */
  if
  :: ring && mortal /* it is too young yet */
  :: atomic { ring -> named = ring; ring = 0; reach (COLLECTED); MAY_DIE };
    STORE (tables = tables & ~BIT (named - 1))
  :: !ring
  fi;
  let_go_with_file ();
  goto done;

die:
  LET_GO;
done:
  atomic {
    fd = 0; i = 0; named = 0; some_temps = 0; some_tables = 0; ended++
  }
}

/* By force. */
proctype Remover (byte me)
{
  byte fd, i, named, gone;
  bit holds, mortal = true;

  take_lock ();
  gone = ring;
  STORE (ring = 0);
  if
  :: fd ->
    sweep (temps, tables);
    let_go_with_file ();
    goto done
  :: !fd -> reach (FORCED)
  fi;
#ifdef FORCED_SWEEPS_TABLES
  sweep (temps, tables);
#else
  if
  :: gone -> STORE (tables = tables & ~BIT (gone - 1))
  :: else
  fi;
  /* A table goes with its ring's temporary, or not at all. */
  do
  :: i < IDS ->
    if
    :: atomic { temps & BIT (i) -> temps = temps & ~BIT (i); MAY_DIE };
      STORE (tables = tables & ~BIT (i))
    :: atomic { !(temps & BIT (i)) ->
        if
        :: ring == i + 1 -> reach (SHOWN)
        :: else
        fi }
    fi;
    i++
  :: i == IDS -> break
  od;
#endif
  goto done;

die:
  LET_GO;
done:
  atomic { fd = 0; i = 0; named = 0; gone = 0; ended++ }
}

init
{
  byte i;

  atomic {
    do
    :: i < WRITERS -> i++; run Writer (i)
    :: else -> break
    od;
    run Collector (COLLECTOR, true);
    run Remover (REMOVER)
  };
  atomic { ended == WRITERS + 2 -> run Collector (COLLECTOR, false) };
  atomic {
    ended == WRITERS + 3 ->
      MUST (swept, !ring && !temps && !tables && !lock_name)
  }
}
