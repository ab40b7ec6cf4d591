/*
 * Two generations of a slot: replace, drain, reopen, cut.
 *
 * A writer fills ring 0, makes ring 1, gives it the slot's name (the commit
 * point), marks ring 0 replaced and wakes its consumers. They drain ring 0 and
 * reopen at their cursor, for the count of frames goes on. Some time later,
 * between any two frames of ring 1, ring 0 is cut: its map is emptied, then the
 * leases are looked at, then the file ends behind the last leased cell.
 *
 * The writer may die after any shared store, LIVES - 1 times. One that died
 * before the rename has replaced nothing; one that died after it has left ring
 * 0 without a name and unmarked, and nobody will ever mark it: its consumers
 * find out when a slice of waiting ends, by the link count.
 *
 * An upstream of the writer has a cell of ring 0 out and writes into it when it
 * likes.
 *
 * Attaching is one step here (reap.pml takes it apart) and so is filling a
 * cell (leased-ring.pml). The last two frames before it are there at the
 * beginning.
 *
 * What must hold, by the name that a failing run prints:
 *   whole       a delivered frame is the one asked for
 *   untouched   the writer stores into no cell that a consumer holds
 *   inside      nobody reads or writes behind the end of a file (SIGBUS)
 *   gone        a frame counted as lost had been committed and had left
 *   exact       at the end the cursor is the head, over both generations
 *   found       the writer has a cell at once
 *   renamed     who is told "replaced" finds another ring under the name
 *
 * Options:  TIGHT  both rings do not fit: ring 0 is marked and cut before ring
 *                  1 is made; who reopens too early has to try again
 */
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef LIVES
#define LIVES 1
#endif
#ifndef FRAMES
#define FRAMES 6
#endif
#define DEPTH 2
#define REPLACE_AT 3 /* the first frame of ring 1 */
#define CELLS (DEPTH + CONSUMERS + 2) /* a lease each, one filling, one out */
#define OUT (CELLS - 1)

#define NONE 255
#define BIT(n) (1 << (n))
#define MUST(name, condition) name = (condition); assert (name)

hidden byte whole, untouched, inside, gone, exact, found, renamed;

/* -DREACH turns each of these into a failure that tells that it is reached. */
hidden byte
  LOST,           /* a place of ring 1 names another frame */
  LOST_TO_CUT,    /* a place was emptied before its frame was read */
  LAPPED_BY_CUT,  /* emptied between look and lease */
  REOPENED,       /* a consumer goes on in ring 1 after a wake-up */
  UNLINKED,       /* ... and by the link count */
  SHORT,          /* the file ends behind a leased cell, not at 0 */
  READ_SHORT,     /* a lease of a file cut short is read */
  OUT_WRITTEN,    /* upstream writes after the replacement */
  TOO_EARLY,      /* reopened before there was another ring */
  REPLACED_AGAIN; /* the next writer replaces what is marked already */
#ifdef REACH
#define reach(name) assert (name != name)
#else
#define reach(name) skip
#endif

/* shared memory: two rings, and the name */
#define PLACE(g, seq) ((g) * DEPTH + (seq) % DEPTH)
#define CELL(g, cell) ((g) * CELLS + (cell))
byte map_seq[2 * DEPTH], map_cell[2 * DEPTH];
byte head[2];
byte state[2];
#define LIVE 1
#define EOS 2
#define REPLACED 3
byte size[2]; /* cells below the end of the file */
byte frame[2 * CELLS];
byte current; /* the ring that has the name */

/* A consumer is in one table at a time. */
byte at[CONSUMERS];
byte lease[CONSUMERS];
bit waiting[CONSUMERS];
bit asleep[CONSUMERS]; /* the kernel's */

/* the writer's own */
bit out = 1;

/* for the checks */
byte held[CONSUMERS];
byte departed; /* bit s: frame s was committed and left its map */
byte life = 1;

#if LIVES > 1
#define MAY_DIE                                                               \
  if                                                                          \
  :: life < LIVES -> life++; out = 0; goto takeover                           \
  :: true                                                                     \
  fi
#else
#define MAY_DIE skip
#endif
#define STORE(statement) atomic { statement; MAY_DIE }

inline store_map (place, new_seq, new_cell)
{
  if
  :: map_seq[place] != NONE ->
    retired = retired | BIT (map_cell[place]);
    if
    :: map_seq[place] < head[g] -> departed = departed | BIT (map_seq[place])
    :: else
    fi
  :: else
  fi;
  map_seq[place] = new_seq;
  map_cell[place] = new_cell
}

inline look_at_leases (ring)
{
  seen = 0;
  do
  :: atomic { i < CONSUMERS ->
      if
      :: at[i] == ring && lease[i] != NONE -> seen = seen | BIT (lease[i])
      :: else
      fi;
      i++ }
  :: atomic { i == CONSUMERS -> i = 0; break }
  od
}

inline wake (ring)
{
  do
  :: i < CONSUMERS ->
    atomic {
      if
      :: at[i] == ring && waiting[i] -> waiting[i] = false
      :: else -> goto next_wake
      fi;
      MAY_DIE
    };
    STORE (asleep[i] = false);
next_wake:
    i++
  :: else -> i = 0; break
  od
}

inline truncate ()
{
  atomic {
    cell = CELLS;
    do
    :: cell > 0 && !(seen & BIT (cell - 1)) -> cell--
    :: else -> break
    od;
    size[0] = cell;
    if
    :: cell > 0 -> reach (SHORT)
    :: else
    fi;
    cell = 0;
    MAY_DIE
  }
}

inline empty_map ()
{
  do
  :: i < DEPTH -> STORE (store_map (i, NONE, NONE)); i++
  :: else -> i = 0; break
  od
}

#ifdef CUT_IN_USE
#define MAY_CUT true
#else
#define MAY_CUT !out
#endif

/* Ring 0 is given up: places, then leases, then the end of the file; and not
 * while an upstream may still write into a cell of it. */
inline cut ()
{
  MAY_CUT;
#ifdef TRUNCATE_BEFORE_SCAN
  seen = 0;
  empty_map ();
  truncate ();
  look_at_leases (0);
#else
#ifdef SCAN_BEFORE_NONE
  look_at_leases (0);
  empty_map ();
  truncate ();
#else
#ifdef TRUNCATE_BEFORE_NONE
  look_at_leases (0);
  truncate ();
  empty_map ();
#else
  empty_map ();
  look_at_leases (0);
  truncate ();
#endif
#endif
#endif
  seen = 0
}

proctype Writer ()
{
  byte g, seq, cell, seen, i, unused, retired;
  bit replaced; /* ring 0 is to be cut */

takeover:
  atomic {
    g = current; seq = head[g];
    cell = 0; seen = 0; i = 0; unused = 0; replaced = false;
    do
    :: i < DEPTH ->
      if
      :: map_seq[PLACE (g, i)] != NONE && map_seq[PLACE (g, i)] >= head[g] ->
        map_seq[PLACE (g, i)] = NONE
      :: else
      fi;
      i++
    :: else -> i = 0; break
    od;
    retired = BIT (OUT) - 1;
    do
    :: i < DEPTH ->
      if
      :: map_seq[PLACE (g, i)] != NONE ->
        retired = retired & ~BIT (map_cell[PLACE (g, i)])
      :: else
      fi;
      i++
    :: else -> i = 0; break
    od;
    if
    :: state[g] == REPLACED -> reach (REPLACED_AGAIN); goto replace
    :: else
    fi
  };
  if
  :: life > 1 ->
    do
    :: i < CONSUMERS ->
      if
      :: atomic { at[i] == g -> waiting[i] = false; MAY_DIE };
        STORE (asleep[i] = false)
      :: else
      fi;
      i++
    :: else -> i = 0; break
    od
  :: else
  fi;

publish:
  do
  :: atomic { seq == FRAMES && !replaced -> break }
  :: g == 1 && replaced && MAY_CUT -> cut (); replaced = false
  :: g == 0 && seq == REPLACE_AT ->
replace:
#ifdef TIGHT
    STORE (state[0] = REPLACED);
    wake (0);
    cut ();
#endif
    /* nobody sees ring 1 yet */
    atomic {
      do
      :: i < DEPTH -> map_seq[DEPTH + i] = NONE; i++
      :: else -> i = 0; break
      od;
      head[1] = head[0];
      state[1] = LIVE;
      size[1] = CELLS;
      unused = 0;
      retired = BIT (OUT) - 1
    };
#if defined(MARK_BEFORE_RENAME) && !defined(TIGHT)
    STORE (state[0] = REPLACED);
#endif
    STORE (current = 1);
#if !defined(TIGHT) && !defined(MARK_BEFORE_RENAME)
    STORE (state[0] = REPLACED);
#endif
#if !defined(TIGHT) && !defined(REPLACE_NO_WAKE)
    wake (0);
#endif
    atomic {
      g = 1;
#ifndef TIGHT
      replaced = true
#endif
    }
  :: seq < FRAMES && !(g == 0 && seq == REPLACE_AT) ->
    if
    :: unused
    :: !unused ->
      look_at_leases (g);
      atomic {
        unused = retired & ~seen;
        retired = retired & seen;
        seen = 0
      }
    fi;
    atomic {
      MUST (found, unused != 0);
      do
      :: unused & BIT (cell) -> break
      :: else -> cell++
      od;
      unused = unused & ~BIT (cell);
      do
      :: i < CONSUMERS ->
        MUST (untouched, !(at[i] == g && held[i] == cell));
        i++
      :: else -> i = 0; break
      od;
      frame[CELL (g, cell)] = seq;
      MAY_DIE
    };
    STORE (store_map (PLACE (g, seq), seq, cell); cell = 0);
    STORE (head[g] = seq + 1);
    wake (g);
    seq++
  od;
  STORE (state[1] = EOS);
  wake (1)
}

/* An element of the writer's process that fills a frame in place. */
proctype Upstream ()
{
end_out:
  atomic {
    out ->
      MUST (inside, OUT < size[0]);
      frame[CELL (0, OUT)] = 0;
      if
      :: state[0] == REPLACED -> reach (OUT_WRITTEN)
      :: else
      fi;
      out = 0
  }
}

proctype Consumer (byte me)
{
  byte g, cursor, seen_state, seen_head, seq, cell;
  bit unlinked; /* no name leads to this ring any more */

lease_next:
  do
  ::
#ifdef HEAD_BEFORE_STATE
    seen_head = head[g];
    seen_state = state[g];
#else
    seen_state = state[g];
    seen_head = head[g];
#endif
    if
    :: atomic { cursor == seen_head && seen_state == EOS -> break }
    :: atomic { (cursor == seen_head
                 && (seen_state == REPLACED || unlinked)) ->
        if
        :: current == g ->
#ifndef TIGHT
          MUST (renamed, current != g);
#endif
          reach (TOO_EARLY)
        :: unlinked && seen_state == LIVE -> reach (UNLINKED)
        :: else -> reach (REOPENED)
        fi };
      atomic {
        current != g;
        g = current;
        at[me] = g;
        waiting[me] = false;
        seen_head = 0;
        seen_state = 0;
        unlinked = false
      }
    :: cursor == seen_head && seen_state == LIVE && !unlinked ->
      atomic { waiting[me] = true; seen_head = 0; seen_state = 0 };
      if
      :: head[g] != cursor
      :: head[g] == cursor ->
        if
        :: state[g] != LIVE
        :: state[g] == LIVE ->
          if
          :: atomic { waiting[me] -> asleep[me] = true }
          :: !waiting[me]
          fi;
          if
          :: !asleep[me]
#ifndef NO_LINK_LOOK
          /* The slice ends and finds no link. The code's slices always end;
           * here they may only when nobody is left to post. */
          :: atomic { life > 1 && current != g ->
              asleep[me] = false;
#ifdef LEAVE_AT_ONCE
              waiting[me] = false;
              g = current;
              at[me] = g;
              goto lease_next
#else
              unlinked = true
#endif
            }
#endif
          fi
        fi
      fi;
      waiting[me] = false
    :: atomic { cursor < seen_head && seen_head > cursor + DEPTH ->
        do
        :: seen_head > cursor + DEPTH ->
          MUST (gone, departed & BIT (cursor));
          cursor++
        :: else -> break
        od;
        seen_head = 0;
        seen_state = 0 }
    :: cursor < seen_head && seen_head <= cursor + DEPTH ->
      atomic {
        seen_head = 0;
        seen_state = 0;
        seq = map_seq[PLACE (g, cursor)];
        cell = map_cell[PLACE (g, cursor)];
        if
        :: seq != cursor ->
          if
          :: g == 1 -> reach (LOST)
          :: g == 0 && seq == NONE -> reach (LOST_TO_CUT)
          :: else
          fi;
          MUST (gone, departed & BIT (cursor));
          cursor++;
          seq = 0;
          cell = 0;
          goto lease_next
        :: else
        fi
      };
      lease[me] = cell;
      atomic {
#ifndef NO_RECHECK
        if
        :: (map_seq[PLACE (g, cursor)] != seq
            || map_cell[PLACE (g, cursor)] != cell) ->
          if
          :: map_seq[PLACE (g, cursor)] == NONE -> reach (LAPPED_BY_CUT)
          :: else
          fi;
          MUST (gone, departed & BIT (cursor));
          goto release
        :: else
        fi;
#endif
        held[me] = cell
      };
      atomic {
        MUST (inside, cell < size[g]);
        if
        :: size[g] < CELLS -> reach (READ_SHORT)
        :: else
        fi;
        MUST (whole, frame[CELL (g, cell)] == cursor)
      };
release:
      atomic {
        held[me] = NONE;
        lease[me] = NONE;
        seq = 0;
        cell = 0;
        cursor++
      }
    fi
  od;
  atomic { MUST (exact, g == 1 && cursor == head[1]) }
}

init
{
  byte i;

  atomic {
    do
    :: i < DEPTH ->
      map_seq[i] = i; map_cell[i] = i; frame[i] = i;
      map_seq[DEPTH + i] = NONE;
      i++
    :: else -> i = 0; break
    od;
    head[0] = DEPTH;
    state[0] = LIVE;
    size[0] = CELLS;
    do
    :: i < CONSUMERS -> lease[i] = NONE; held[i] = NONE; i++
    :: else -> i = 0; break
    od;
    run Writer ();
    run Upstream ();
    do
    :: i < CONSUMERS -> run Consumer (i); i++
    :: else -> break
    od
  }
}
