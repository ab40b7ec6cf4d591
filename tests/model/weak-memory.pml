/*
 * The orderings under a weak memory: what each of them is for.
 *
 * Every shared variable has a buffer of one store for its writer; buffers are
 * emptied in any order (weaker than x86, where they keep theirs). A fence, or
 * an access with release or seq_cst, waits until the named buffers are empty;
 * only the release of head (P3) holds back just its own buffer, as hardware
 * does, for waiting there would do P1's work as well. Loads happen in the
 * written order where an acquire or a fence says so, and in any order where a
 * case says "any order". Dropping one ordering is -DNO_<name>, and must fail.
 *
 * TEST 1, publish and lease (frame 1 gives way to frame 2, whose cell is the
 * other one; then cell 0 is filled with frame 3):
 *   P1  map store before the look at the leases         (seq_cst, StoreLoad)
 *   P2  the frame's bytes before the map names it       (release)
 *   P3  the map before head                             (release)
 *   L1  lease store before the second look at the map   (seq_cst, StoreLoad)
 *   L3  the bytes before the lease is given back        (release)
 *   L4  head before the first look at the map           (acquire)
 *   Not needed: that the bytes are read after a look at the map (-DNO_L2).
 *   Head has said that the frame is whole (L4), and bytes read too early are
 *   bytes from before the second look, which finds the map unchanged since.
 * TEST 2, wake:
 *   W1  head store before the look at waiting           (seq_cst, StoreLoad)
 *   W2  waiting store before the second look at head    (seq_cst, StoreLoad)
 * TEST 3, an observer's copy:
 *   O1  NONE into the header's seq before the bytes     (release FENCE: the
 *       store's own release orders what is before it, not what is after)
 *   O2  the bytes before the header's seq               (release)
 *   O3  first look at seq before the copy               (acquire)
 *   O4  the copy before the second look at seq          (acquire fence)
 * TEST 4, the sticky block (serial 1 in place 1; serials 2 and 3 follow):
 *   S1  the block before its serial                     (release)
 *   S2  serial s before the first byte of block s + 1   (release FENCE): that
 *       block overwrites block s - 1, whose readers must find the serial moved
 *   S3  first look at the serial before the copy        (acquire)
 *   S4  the copy before the second look at the serial   (acquire fence)
 * TEST 5, attach:
 *   A1  the bit before the lease                        (seq_cst or release)
 *   A2  lease store before the second look at the map   (seq_cst, StoreLoad)
 *   A3  map store before the look at the bits           (seq_cst, StoreLoad)
 *   In machines with store buffers the lease's own store, which is seq_cst and
 *   so a release, gives A1 as well; C11 gives it only to a bit that is set
 *   with seq_cst. In which order the writer looks at bit and lease is free
 *   (-DANY_ORDER): both looks come after its map store, and that decides.
 * TEST 6, the end:
 *   E1  the last head before the state                  (release)
 *   E2  the look at the state before the look at head   (acquire)
 */
#ifndef TEST
#define TEST 1
#endif

#define NONE 0 /* no frame, no lease, nothing */

/* A variable: what memory holds, and the store on its way there. */
#define SHARED(name, first) byte name = first; byte b_##name; bit p_##name
#define PUT(name, value)                                                      \
  atomic { !p_##name -> b_##name = value; p_##name = true }
#define DONE(name) (!p_##name)
#define FLUSH(name)                                                           \
  atomic { p_##name -> name = b_##name; b_##name = 0; p_##name = false }

#define MUST(name, condition) name = (condition); assert (name)
hidden byte whole, untouched, exact;

/* -DREACH turns each of these into a failure that tells that it is reached. */
hidden byte
  TAKEN,   /* the reader takes what it looked for */
  REFUSED, /* it finds that the writer was faster */
  YIELDED; /* the writer sees the reader and leaves it alone */
#ifdef REACH
#define reach(name) assert (name != name)
#else
#define reach(name) skip
#endif

#if TEST == 1
/* Cell 0 holds frame 1 and the map names it; head is 1. */
SHARED (map, 1);
SHARED (head, 1);
SHARED (lease, NONE);
SHARED (x0, 1); SHARED (x1, 1); /* the halves of cell 0 */
SHARED (y0, 0); SHARED (y1, 0); /* the halves of cell 1 */

active proctype Memory ()
{
end:
  do
  :: FLUSH (map)
#ifdef NO_P3
  :: FLUSH (head)
#else
  :: atomic { DONE (map) && p_head -> head = b_head; p_head = false }
#endif
  :: FLUSH (lease)
  :: FLUSH (x0)
  :: FLUSH (x1)
  :: FLUSH (y0)
  :: FLUSH (y1)
  od
}

active proctype Writer ()
{
  PUT (y0, 2);
  PUT (y1, 2);
#ifndef NO_P2
  DONE (y0) && DONE (y1);
#endif
  PUT (map, 2); /* frame 2, cell 1: retires cell 0 */
  PUT (head, 2);
#ifndef NO_P1
  DONE (map);
#endif
  if
  :: atomic { lease == 1 -> reach (YIELDED) } /* cell 0 stays as it is */
  :: lease != 1 ->
    PUT (x0, 3);
    PUT (x1, 3)
  fi
}

inline read (half, of_1, of_2)
{
  atomic {
    if
    :: cursor == 1 -> h = of_1
    :: else -> h = of_2
    fi;
    torn = torn || h != cursor;
    h = 0;
    half = true
  }
}

/* Its cursor is at frame 1 or 2; the depth is 1: only the newest is there. */
active proctype Consumer ()
{
  byte cursor, word, again, h;
  bit got0, got1, torn;

  if
  :: cursor = 1 /* committed before */
  :: cursor = 2
  fi;
#ifdef NO_L4
  word = map;
#endif
  h = head;
  if
  :: cursor > h -> goto end
  :: else
  fi;
#ifdef NO_L2
  if
  :: read (got0, x0, y0)
  :: true
  fi;
#endif
#ifndef NO_L4
  word = map;
#endif
  if
  :: word != cursor ->
    MUST (exact, cursor == 1); /* frame 2 is never overwritten: not lost */
    goto end
  :: else
  fi;
  PUT (lease, cursor);
#ifndef NO_L1
  DONE (lease);
#endif
#ifdef NO_L2
  if
  :: read (got1, x1, y1)
  :: true
  fi;
#endif
  again = map;
  if
  :: atomic { again != word -> reach (REFUSED) }
  :: again == word ->
#ifdef NO_L3
    DONE (lease);
    PUT (lease, NONE);
#endif
    do
    :: !got0 -> read (got0, x0, y0)
    :: !got1 -> read (got1, x1, y1)
    :: got0 && got1 -> break
    od;
    atomic { MUST (whole, !torn); reach (TAKEN) }
  fi;
#ifndef NO_L3
  DONE (lease);
  PUT (lease, NONE);
#endif
end:
  skip
}
#endif

#if TEST == 2
SHARED (head, 0);
SHARED (waiting, 0);
bit asleep; /* the kernel's */

active proctype Memory ()
{
end:
  do
  :: FLUSH (head)
  :: FLUSH (waiting)
  od
}

active proctype Writer ()
{
  byte was;

  PUT (head, 1);
#ifndef NO_W1
  DONE (head);
#endif
  if
  :: waiting ->
    atomic { was = waiting; waiting = 0 }; /* an exchange acts on memory */
    if
    :: was -> asleep = 0; reach (YIELDED)
    :: else
    fi
  :: else
  fi
}

active proctype Consumer ()
{
  PUT (waiting, 1);
#ifndef NO_W2
  DONE (waiting);
#endif
  if
  :: atomic { head == 1 -> reach (REFUSED) }
  :: head == 0 ->
    DONE (waiting); /* the kernel compares what is in memory */
    if
    :: atomic { waiting -> asleep = 1 }; atomic { !asleep -> reach (TAKEN) }
    :: !waiting
    fi
  fi
}
#endif

#if TEST == 3
SHARED (seq, 1);
SHARED (x0, 1);
SHARED (x1, 1);

active proctype Memory ()
{
end:
  do
  :: FLUSH (seq)
  :: FLUSH (x0)
  :: FLUSH (x1)
  od
}

active proctype Writer ()
{
  PUT (seq, NONE);
#ifndef NO_O1
  DONE (seq);
#endif
  PUT (x0, 2);
  PUT (x1, 2);
#ifndef NO_O2
  DONE (x0) && DONE (x1);
#endif
  PUT (seq, 2)
}

active proctype Observer ()
{
  byte first, second, c0, c1;
  bit looked, got0, got1, again;

  do /* any order of what is not ordered */
  :: !looked -> first = seq; looked = true
#ifdef NO_O3
  :: !got0 -> c0 = x0; got0 = true
  :: !got1 -> c1 = x1; got1 = true
#else
  :: looked && !got0 -> c0 = x0; got0 = true
  :: looked && !got1 -> c1 = x1; got1 = true
#endif
#ifdef NO_O4
  :: looked && !again -> second = seq; again = true
#else
  :: looked && got0 && got1 && !again -> second = seq; again = true
#endif
  :: looked && got0 && got1 && again -> break
  od;
  if
  :: atomic { first == second && first != NONE ->
      MUST (whole, c0 == first && c1 == first);
      reach (TAKEN) }
  :: atomic { first != second || first == NONE -> reach (REFUSED) }
  fi
}
#endif

#if TEST == 4
SHARED (serial, 1);
SHARED (x0, 0); SHARED (x1, 0); /* place 0: serial 0 */
SHARED (y0, 1); SHARED (y1, 1); /* place 1: serial 1 */

active proctype Memory ()
{
end:
  do
  :: FLUSH (serial)
  :: FLUSH (x0)
  :: FLUSH (x1)
  :: FLUSH (y0)
  :: FLUSH (y1)
  od
}

active proctype Writer ()
{
  PUT (x0, 2);
  PUT (x1, 2);
#ifndef NO_S1
  DONE (x0) && DONE (x1);
#endif
  PUT (serial, 2);
#ifndef NO_S2
  DONE (serial);
#endif
  PUT (y0, 3);
  PUT (y1, 3);
#ifndef NO_S1
  DONE (y0) && DONE (y1);
#endif
  PUT (serial, 3)
}

active proctype Consumer ()
{
  byte first, second, c0, c1, d0, d1;
  bit looked, got0, got1, again;

  do /* any order of what is not ordered */
  :: !looked -> first = serial; looked = true
#ifdef NO_S3
  :: !got0 -> atomic { c0 = x0; d0 = y0; got0 = true }
  :: !got1 -> atomic { c1 = x1; d1 = y1; got1 = true }
#else
  :: looked && !got0 -> atomic { c0 = x0; d0 = y0; got0 = true }
  :: looked && !got1 -> atomic { c1 = x1; d1 = y1; got1 = true }
#endif
#ifdef NO_S4
  :: looked && !again -> second = serial; again = true
#else
  :: looked && got0 && got1 && !again -> second = serial; again = true
#endif
  :: looked && got0 && got1 && again -> break
  od;
  if
  :: atomic { first == second ->
      if
      :: first % 2 == 0 -> MUST (whole, c0 == first && c1 == first)
      :: else -> MUST (whole, d0 == first && d1 == first)
      fi;
      reach (TAKEN) }
  :: atomic { first != second -> reach (REFUSED) }
  fi
}
#endif

#if TEST == 5
SHARED (map, 1);
SHARED (bit_set, 0);
SHARED (lease, NONE);
bit holds;

active proctype Memory ()
{
end:
  do
  :: FLUSH (map)
  :: FLUSH (bit_set)
  :: FLUSH (lease)
  od
}

active proctype Writer ()
{
  byte seen_bit, seen_word;

  PUT (map, 2);
#ifndef NO_A3
  DONE (map);
#endif
#ifdef ANY_ORDER
  if
  :: seen_word = lease; seen_bit = bit_set
  :: seen_bit = bit_set; seen_word = lease
  fi;
#else
  seen_bit = bit_set;
  if
  :: seen_bit -> seen_word = lease
  :: else
  fi;
#endif
  if
  :: atomic { seen_bit && seen_word == 1 -> reach (YIELDED) }
  :: else ->
    /* Writes into the cell from here on, for as long as it likes: a lease
     * that is confirmed by then is one too many. */
    atomic { MUST (untouched, !holds) }
  fi
}

active proctype Consumer ()
{
  byte word;

  PUT (bit_set, 1);
  word = map;
#ifndef NO_A1
  DONE (bit_set);
#endif
  if
  :: word != 1 -> goto end
  :: else
  fi;
  PUT (lease, 1);
#ifndef NO_A2
  DONE (lease);
#endif
  atomic {
    if
    :: map == word -> holds = true; reach (TAKEN)
    :: else -> reach (REFUSED)
    fi
  };
end:
  skip
}
#endif

#if TEST == 6
SHARED (head, 1);
SHARED (ended, 0);

active proctype Memory ()
{
end:
  do
  :: FLUSH (head)
  :: FLUSH (ended)
  od
}

active proctype Writer ()
{
  PUT (head, 2);
#ifndef NO_E1
  DONE (head);
#endif
  PUT (ended, 1)
}

active proctype Consumer ()
{
  byte h, e; /* its cursor is 1 */

#ifdef NO_E2
  h = head;
  e = ended;
#else
  e = ended;
  h = head;
#endif
  if
  :: atomic { e && h == 1 -> MUST (exact, false) } /* frame 1 is not taken */
  :: atomic { e && h == 2 -> reach (TAKEN) }
  :: atomic { !e -> reach (REFUSED) }
  fi
}
#endif
