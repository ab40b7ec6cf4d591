/* The stress of slots: an honest consumer. All that it was promised is looked
 * at; where somebody whom the slot trusts is hostile, that is less.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <signal.h>

#define HELD_MAX 8
/* Longest wait for an end, or for a place, that has to come. */
#define BOUND (60 * SEC)

typedef enum
{
  COPIES,
  HOARDS,  /* as many leases as it may have, each looked at again */
  IS_SLOW, /* one lease, for a while */
  OBSERVES
} kind_t;

typedef struct
{
  fc_consumer_t *consumer;
  unsigned number;
  kind_t kind;
  bool by_fds;
  uint64_t random;
  uint64_t first;            /* where its whole count began */
  uint64_t next;             /* the first seq that may come */
  fc_frame_t held[HELD_MAX]; /* of older generations too */
  unsigned held_count;
} reader_t;

/* Frames ---------------------------------------------------------------- */

static void
torn (const fc_frame_t *frame, const char *when)
{
  count (TORN, 1);
  wrong ("torn %s: seq %" PRIu64, when, frame->seq);
}

/* Look at a lease once more. Who is lied about may lose it, and is told: what
 * is said to be intact after its bytes were used was whole. */
static void
look_at_lease (reader_t *reader, const fc_frame_t *frame, const char *when)
{
  bool whole = payload_whole (frame->data, frame->size, frame->seq);
  bool intact = fc_frame_intact (reader->consumer, frame) == 1;

  if (intact && !whole)
    torn (frame, when);
  else if (!intact && !options.liars)
    wrong ("a lease of seq %" PRIu64 " is not intact %s", frame->seq, when);
  else if (!intact)
    count (BROKEN_LEASES, 1);
}

static void
let_go (reader_t *reader)
{
  unsigned n;

  if (reader->held_count == 0)
    return;
  n = (unsigned) (chance (&reader->random) % reader->held_count);
  look_at_lease (reader, &reader->held[n], "while leased");
  fc_consumer_release (reader->consumer, &reader->held[n]);
  reader->held[n] = reader->held[--reader->held_count];
}

static void
check_counts (reader_t *reader)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  fc_consumer_stats (reader->consumer, &stats);
  if (stats.delivered + stats.dropped != stats.cursor - stats.first)
    wrong ("%" PRIu64 " delivered + %" PRIu64 " dropped, cursor %" PRIu64
           ", first %" PRIu64,
           stats.delivered, stats.dropped, stats.cursor, stats.first);
  if (stats.total_delivered + stats.total_dropped
      != stats.cursor - reader->first)
    wrong ("%" PRIu64 " delivered + %" PRIu64 " dropped in all, cursor %" PRIu64
           ", began at %" PRIu64,
           stats.total_delivered, stats.total_dropped, stats.cursor,
           reader->first);
}

static void
got_frame (reader_t *reader, const fc_frame_t *frame, int ret)
{
  if (frame->seq != reader->next + frame->dropped
      || ret != (frame->dropped ? FC_DROPPED : FC_OK))
    wrong ("returned %d, seq %" PRIu64 " after %" PRIu64 ", dropped %" PRIu64,
           ret, frame->seq, reader->next - 1, frame->dropped);
  if (frame->hold[0])
    look_at_lease (reader, frame, "as leased");
  else if (!payload_whole (frame->data, frame->size, frame->seq))
    torn (frame, "as copied");
  reader->next = frame->seq + 1;
  count (CHECKED, 1);
  if (frame->dropped)
    {
      count (LOST, frame->dropped);
      count (LAPS, 1);
    }
  check_counts (reader);
}

static int
copy_one (reader_t *reader)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int ret = fc_consumer_read (reader->consumer, &frame, 100 * MS);

  if (ret >= 0)
    got_frame (reader, &frame, ret);
  return ret;
}

static int
lease_one (reader_t *reader)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int ret = fc_consumer_lease (reader->consumer, &frame, 100 * MS);

  if (ret == -EAGAIN)
    {
      if (reader->held_count < LEASES - 1)
        wrong ("no lease with %u held", reader->held_count);
      let_go (reader);
      return FC_TIMEOUT;
    }
  if (ret < 0)
    return ret;
  got_frame (reader, &frame, ret);
  if (reader->held_count == HELD_MAX)
    let_go (reader);
  reader->held[reader->held_count++] = frame;
  if (reader->kind == IS_SLOW)
    {
      sleep_ns ((int64_t) (chance (&reader->random) % (30 * MS)));
      let_go (reader);
    }
  else if (reader->held_count >= LEASES - 1 && chance (&reader->random) % 4)
    let_go (reader);
  return ret;
}

static int
take_one (reader_t *reader)
{
  if (reader->kind == COPIES || reader->kind == OBSERVES
      || chance (&reader->random) % 8 == 0)
    return copy_one (reader);
  return lease_one (reader);
}

/* Attaching -------------------------------------------------------------- */

bool
may_be_turned_away (int error)
{
  char limit[40];

  snprintf (limit, sizeof limit, "all %u entries", options.entries);
  if (error == -EUSERS && !strstr (fc_error_detail (), limit))
    wrong ("the table is full, and that says: %s", fc_error_detail ());
  if (error == -EUSERS)
    return is_betrayed () || options.entries < options.consumers;
  return error == -EPROTO && options.liars;
}

/* As who sees no directory, and is handed descriptors. */
static int
attach_fds_once (reader_t *reader, int waited)
{
  int ring, table = -1;
  int ret = fc_slot_open_fds (options.dir, NULL, options.slot, &ring,
                              reader->kind == OBSERVES ? NULL : &table);

  if (ret < 0)
    return ret;
  ret = fc_consumer_attach_fds (reader->consumer, ring, table, waited);
  close (ring);
  if (table >= 0)
    close (table);
  return ret;
}

static int
attach_once (reader_t *reader)
{
  int64_t until = now_ns () + 10 * SEC;
  int ret;

  if (!reader->by_fds)
    return fc_consumer_attach (reader->consumer, 10 * SEC);
  for (int waited = 0; (ret = attach_fds_once (reader, waited)) == -ENOENT;
       waited = 1)
    {
      if (now_ns () > until)
        break;
      sleep_ns (2 * MS);
    }
  return ret;
}

/* The count goes on, or began: what was counted before stays as it is. */
static void
began_at (reader_t *reader)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  fc_consumer_stats (reader->consumer, &stats);
  reader->next = stats.first;
  reader->first = stats.first - stats.total_delivered - stats.total_dropped;
}

/* Attach, or attach again. False where there is no place to the end. */
static bool
attach (reader_t *reader, bool again)
{
  int64_t until = 0;
  int ret;

  for (;;)
    {
      ret = attach_once (reader);
      if (ret >= 0 || (again && ret == -ENOENT && shared->ending))
        break;
      if (!may_be_turned_away (ret))
        {
          wrong ("attach: %d, %s", ret, fc_error_detail ());
          _exit (1);
        }
      count (TURNED_AWAY, 1);
      /* a header that is damaged stays so until the next ring */
      if (shared->finished && ret == -EPROTO)
        return false;
      if (shared->finished && until == 0)
        until = now_ns () + BOUND;
      if (until && now_ns () > until)
        {
          wrong ("no place: %s", fc_error_detail ());
          _exit (1);
        }
      sleep_ns (5 * MS);
    }
  if (ret >= 0)
    count (ATTACHED, 1);
  if (ret == 1 && !options.liars)
    wrong ("the count began anew");
  if (ret == 1)
    count (COUNTS_ANEW, 1);
  if (ret == 1 || !again)
    began_at (reader);
  return true;
}

static bool
come (reader_t *reader)
{
  fc_consumer_options_t consumer = FC_CONSUMER_OPTIONS_INIT;
  int ret;

  consumer.dir = reader->by_fds ? "/nowhere" : options.dir;
  consumer.position.start
      = chance (&reader->random) % 2 ? FC_START_OLDEST : FC_START_LIVE;
  consumer.on_lap = (fc_on_lap_t) (reader->number % 4);
  consumer.observe = reader->kind == OBSERVES;
  /* Every third, for as long as from one frame to the next, or less. */
  consumer.spin_ns
      = reader->number % 3 == 2 ? chance (&reader->random) % (2 * MS) : 0;
  consumer.detached = 1;
  ret = fc_consumer_open (&reader->consumer, options.slot, &consumer);
  if (ret < 0)
    {
      wrong ("no consumer: %d, %s", ret, fc_error_detail ());
      _exit (1);
    }
  reader->first = reader->next = 0; /* until it has a place */
  return attach (reader, false);
}

static void
leave (reader_t *reader)
{
  while (reader->held_count)
    let_go (reader);
  fc_consumer_close (reader->consumer);
}

/* A life ----------------------------------------------------------------- */

/* A ring that was replaced is cut behind its last lease: a lie about a lease
 * can have it cut under a consumer. Nobody else is. */
static void
cut_off (int sig)
{
  (void) sig;
  count (CUT_OFF, 1);
  _exit (EXIT_CUT_OFF);
}

static void
check_end (reader_t *reader)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  fc_consumer_stats (reader->consumer, &stats);
  if (stats.cursor != shared->final_head)
    wrong ("ends at %" PRIu64 " of %" PRIu64, stats.cursor, shared->final_head);
}

/* What a read that brought no frame said; whether to go on. */
static bool
go_on (reader_t *reader, int ret)
{
  if (ret == FC_EOS && shared->finished)
    {
      check_end (reader);
      return false;
    }
  if (ret == FC_REPLACED || ret == FC_EOS)
    return attach (reader, true);
  if (ret == FC_WRITER_LOST)
    count (LOST_WRITERS, 1);
  else if (ret == -EPROTO && options.liars && options.renew)
    count (CUT_OFF, 1); /* before it touched what was cut */
  else if (ret != FC_TIMEOUT)
    wrong ("read: %d, %s", ret, fc_error_detail ());
  return true;
}

static void
read_to_the_end (reader_t *reader)
{
  int64_t stuck = 0;

  for (;;)
    {
      int ret = take_one (reader);

      if (ret >= 0)
        {
          stuck = 0;
          if (!once_in (&reader->random, options.stay))
            continue;
          leave (reader);
          if (!come (reader))
            return;
        }
      else if (!go_on (reader, ret))
        {
          return;
        }
      /* "none" is right until a writer is there; not for ever after it */
      if (shared->finished && stuck == 0)
        stuck = now_ns ();
      if (stuck && now_ns () - stuck > BOUND)
        {
          wrong ("no end: read says %d", ret);
          _exit (1);
        }
    }
}

void
run_consumer (unsigned number, uint64_t seed)
{
  reader_t reader
      = { .number = number,
          .kind = (kind_t) (number / 4 % 2 ? number % 3 : number % 4),
          .by_fds = options.fds && number % options.fds == 0,
          .random = seed };

  if (options.liars)
    signal (SIGBUS, cut_off);
  if (come (&reader))
    read_to_the_end (&reader);
  check_counts (&reader);
  leave (&reader);
  shared->done[number] = 1;
  _exit (0);
}
