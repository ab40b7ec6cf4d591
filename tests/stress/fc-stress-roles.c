/* The stress of one slot: its writer and its consumers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

/* Payload --------------------------------------------------------------- */

typedef struct
{
  uint64_t seq;
  uint64_t index;
  uint64_t life;
  uint64_t sum; /* of all words of the block but this */
} block_t;

static uint64_t
sum_words (const uint64_t *word, size_t count)
{
  uint64_t a = 1, b = 0;

  for (size_t i = 0; i < count; i++)
    {
      if (i == offsetof (block_t, sum) / 8)
        continue;
      a += word[i];
      b += a ^ (a >> 31);
    }
  return a ^ b;
}

void
payload_fill (void *data, size_t size, uint64_t seq, uint64_t life)
{
  for (size_t at = 0; at + BLOCK <= size; at += BLOCK)
    {
      uint64_t *word = (uint64_t *) ((char *) data + at);
      block_t *block = (block_t *) word;
      uint64_t w = seq * 0x9e3779b97f4a7c15u + at + life;

      for (size_t i = sizeof *block / 8; i < BLOCK / 8; i++)
        word[i] = w += 0xd1b54a32d192ed03u;
      block->seq = seq;
      block->index = at / BLOCK;
      block->life = life;
      block->sum = sum_words (word, BLOCK / 8);
    }
}

bool
payload_whole (const void *data, size_t size, uint64_t seq)
{
  uint64_t life = size >= BLOCK ? ((const block_t *) data)->life : 0;

  for (size_t at = 0; at + BLOCK <= size; at += BLOCK)
    {
      const uint64_t *word = (const uint64_t *) ((const char *) data + at);
      const block_t *block = (const block_t *) word;

      if (block->seq != seq || block->index != at / BLOCK || block->life != life
          || block->sum != sum_words (word, BLOCK / 8))
        return false;
    }
  return true;
}

/* Writer ---------------------------------------------------------------- */

fc_writer_options_t
writer_options (unsigned variant)
{
  fc_writer_options_t writer = FC_WRITER_OPTIONS_INIT;
  static const char *formats[] = { "stress/a", "stress/b", "stress/c" };

  writer.dir = options.dir;
  writer.ring_depth = options.depth + variant % 3;
  writer.frame_size = (uint64_t) options.frame_size * (1 + variant % 2);
  writer.format = formats[variant % 3];
  writer.format_size = 8;
  writer.max_consumers = options.consumers + 4;
  writer.leases = 4;
  writer.first_seq = options.first_seq;
  writer.observers = 1;
  return writer;
}

typedef struct
{
  fc_writer_t *writer;
  uint64_t life;
  uint64_t random;
  uint64_t shortened; /* already told */
  uint64_t dropped;
  unsigned renewals;
  bool without_ring; /* the old one had to go, and the new one did not fit */
  fc_frame_t held;
  bool holding;
  void *copy; /* what frames that are copied in are made in */
  size_t size;
} life_t;

static void
tell_stats (life_t *life)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;

  fc_writer_stats (life->writer, &stats);
  atomic_fetch_add (&shared->shortened,
                    stats.history_shortened - life->shortened);
  atomic_fetch_add (&shared->writer_dropped, stats.dropped - life->dropped);
  life->shortened = stats.history_shortened;
  life->dropped = stats.dropped;
}

static uint64_t
next_seq (life_t *life)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;

  fc_writer_stats (life->writer, &stats);
  return stats.head;
}

static void
drop_held (life_t *life)
{
  if (!life->holding)
    return;
  if (!payload_whole (life->held.data, life->held.size, life->held.seq))
    wrong ("a held cell was written again");
  fc_writer_unhold (life->writer, &life->held);
  life->holding = false;
}

static void
write_in_place (life_t *life)
{
  uint64_t dice = chance (&life->random) % 16, seq = next_seq (life);
  fc_frame_t frame = FC_FRAME_INIT;
  int ret = fc_writer_acquire (life->writer, &frame);

  /* counted by the writer: leases took more cells than it has by now */
  if (ret == -EAGAIN)
    return;
  if (ret < 0)
    {
      wrong ("acquire: %d, %s", ret, fc_error_detail ());
      return;
    }
  if (dice == 0)
    {
      memset (frame.data, 0xee, BLOCK);
      fc_writer_abandon (life->writer, &frame);
      return;
    }
  frame.size = life->size;
  payload_fill (frame.data, frame.size, seq, life->life);
  if (dice == 1 && !life->holding)
    {
      ret = fc_writer_commit_hold (life->writer, &frame);
      life->held = frame;
      life->holding = ret >= 0;
    }
  else
    ret = fc_writer_commit (life->writer, &frame);
  if (ret < 0 || frame.seq != seq)
    wrong ("commit: %d, seq %" PRIu64 " instead of %" PRIu64 ", %s", ret,
           frame.seq, seq, fc_error_detail ());
}

static void
write_copy (life_t *life)
{
  uint64_t seq = next_seq (life);
  int ret;

  payload_fill (life->copy, life->size, seq, life->life);
  ret = fc_writer_write (life->writer, life->copy, life->size, NULL, NULL);
  if (ret < 0 && ret != -EAGAIN)
    wrong ("write: %d, %s", ret, fc_error_detail ());
}

static void
renew (life_t *life, unsigned renewals)
{
  fc_writer_options_t writer = writer_options (renewals);
  fc_frame_t frame = FC_FRAME_INIT;
  int ret;

  drop_held (life);
  ret = fc_writer_renew (life->writer, &writer);
  life->without_ring = false;
  if (ret >= 0)
    {
      life->size = writer.frame_size;
      atomic_fetch_add (&shared->renewed, (unsigned) ret);
      return;
    }
  if (ret != -ENOSPC || !options.tmpfs)
    wrong ("renew: %d, %s", ret, fc_error_detail ());
  ret = fc_writer_acquire (life->writer, &frame);
  life->without_ring = ret == -ESTALE;
  if (ret == 0)
    fc_writer_abandon (life->writer, &frame);
}

/* Memory can be out in a small file system while it is being filled. */
static fc_writer_t *
open_writer (const fc_writer_options_t *writer_options)
{
  fc_writer_t *writer = NULL;
  int64_t until = now_ns () + 30 * SEC;
  int ret;

  do
    {
      ret = fc_writer_open (&writer, options.slot, writer_options);
      if (ret == 0)
        return writer;
      sleep_ns (5 * MS);
    }
  while (ret == -ENOSPC && options.tmpfs && now_ns () < until);
  wrong ("no writer: %d, %s", ret, fc_error_detail ());
  _exit (1);
}

/* The end: everybody is given what there is, then it must all be back. */
static _Noreturn void
finish (life_t *life)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  int64_t until;

  drop_held (life);
  /* the space that was taken is free again by now */
  if (life->without_ring)
    renew (life, life->renewals);
  tell_stats (life);
  shared->final_head = next_seq (life);
  /* before the deed: an end that is seen is then always the last one */
  shared->finished = true;
  if (fc_writer_finish (life->writer) < 0)
    wrong ("finish: %s", fc_error_detail ());
  while (!shared->closing)
    sleep_ns (MS);
  until = now_ns () + 10 * SEC;
  do
    {
      fc_writer_stats (life->writer, &stats);
      sleep_ns (MS);
    }
  while ((stats.consumers || stats.cells_leased) && now_ns () < until);
  if (stats.consumers || stats.cells_leased || stats.cells_out)
    wrong ("left over: %u entries, %u leased cells, %u cells out",
           stats.consumers, stats.cells_leased, stats.cells_out);
  fc_writer_close (life->writer);
  _exit (0);
}

void
run_writer (uint64_t seed)
{
  fc_writer_options_t writer = writer_options (shared->renewals);
  life_t life = { .random = seed, .renewals = shared->renewals };
  int64_t next = now_ns ();
  bool copies;

  life.life = atomic_fetch_add (&shared->lives, 1) + 1;
  /* Killed with a cell out, a writer leaves a ring that is not carried on;
   * so some lives never have one out. */
  copies = life.life % 3 == 0;
  life.size = writer.frame_size;
  life.copy = aligned_alloc (BLOCK, 2 * (size_t) options.frame_size);
  life.writer = open_writer (&writer);
  while (!shared->ending)
    {
      unsigned renewals = shared->renewals;

      if (renewals != life.renewals || life.without_ring)
        {
          life.renewals = renewals;
          renew (&life, renewals);
        }
      if (life.without_ring)
        {
          sleep_ns (MS);
          continue;
        }
      if (copies || chance (&life.random) % 4 == 0)
        write_copy (&life);
      else
        write_in_place (&life);
      if (life.holding && chance (&life.random) % 8 == 0)
        drop_held (&life);
      if (chance (&life.random) % 64 == 0)
        fc_writer_set_sticky (life.writer, life.copy, 1000);
      if (chance (&life.random) % 256 == 0)
        tell_stats (&life);
      if (options.paced)
        {
          next += SEC / options.paced;
          sleep_ns (next - now_ns ());
        }
    }
  finish (&life);
}

/* Consumer -------------------------------------------------------------- */

#define HELD_MAX 8

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
  report_t *report;
  kind_t kind;
  uint64_t random;
  uint64_t first;
  uint64_t next;             /* the first seq that may come */
  fc_frame_t held[HELD_MAX]; /* of older generations too */
  unsigned held_count;
} reader_t;

static void
look (const fc_frame_t *frame, const char *when)
{
  if (payload_whole (frame->data, frame->size, frame->seq))
    return;
  atomic_fetch_add (&shared->torn, 1);
  wrong ("torn %s: seq %" PRIu64, when, frame->seq);
}

static void
let_go (reader_t *reader)
{
  unsigned n;
  fc_frame_t *frame;

  if (reader->held_count == 0)
    return;
  n = (unsigned) (chance (&reader->random) % reader->held_count);
  frame = &reader->held[n];
  look (frame, "while leased");
  if (fc_frame_intact (reader->consumer, frame) != 1)
    wrong ("a lease of seq %" PRIu64 " is not intact", frame->seq);
  fc_consumer_release (reader->consumer, frame);
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
  reader->report->laps = stats.laps;
  reader->report->cursor = stats.cursor;
}

static void
got_frame (reader_t *reader, const fc_frame_t *frame, int ret)
{
  report_t *report = reader->report;

  if (frame->seq != reader->next + frame->dropped
      || ret != (frame->dropped ? FC_DROPPED : FC_OK))
    wrong ("returned %d, seq %" PRIu64 " after %" PRIu64 ", dropped %" PRIu64,
           ret, frame->seq, reader->next - 1, frame->dropped);
  look (frame, "as delivered");
  reader->next = frame->seq + 1;
  report->dropped += frame->dropped;
  report->delivered++;
  check_counts (reader);
}

static int
take_one (reader_t *reader)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int ret;

  if (reader->kind == COPIES || reader->kind == OBSERVES
      || chance (&reader->random) % 8 == 0)
    {
      ret = fc_consumer_read (reader->consumer, &frame, 100 * MS);
      if (ret >= 0)
        got_frame (reader, &frame, ret);
      return ret;
    }
  ret = fc_consumer_lease (reader->consumer, &frame, 100 * MS);
  if (ret == -EAGAIN)
    {
      if (reader->held_count < 3)
        wrong ("no lease with %u of 3 held", reader->held_count);
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
  else if (reader->held_count >= 3 && chance (&reader->random) % 4)
    let_go (reader);
  return ret;
}

static void
attach (reader_t *reader)
{
  int ret = fc_consumer_attach (reader->consumer, 10 * SEC);

  if (ret == 1)
    wrong ("the count began anew");
  else if (ret < 0 && !(shared->ending && ret == -ENOENT))
    wrong ("attach: %d, %s", ret, fc_error_detail ());
  reader->report->generations++;
}

static void
open_consumer (reader_t *reader, unsigned number)
{
  fc_consumer_options_t consumer = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  int ret;

  consumer.dir = options.dir;
  consumer.wait_ns = 30 * SEC;
  consumer.position.start
      = chance (&reader->random) % 2 ? FC_START_OLDEST : FC_START_LIVE;
  consumer.on_lap = (fc_on_lap_t) (number % 4);
  consumer.observe = reader->kind == OBSERVES;
  ret = fc_consumer_open (&reader->consumer, options.slot, &consumer);
  if (ret < 0)
    {
      wrong ("no consumer: %d, %s", ret, fc_error_detail ());
      _exit (1);
    }
  fc_consumer_stats (reader->consumer, &stats);
  reader->first = reader->next = stats.first;
}

void
run_consumer (unsigned number, uint64_t seed)
{
  reader_t reader
      = { .report = &shared->report[number],
          .kind = (kind_t) (number / 4 % 2 ? number % 3 : number % 4),
          .random = seed };
  int64_t stuck = 0;
  int ret;

  open_consumer (&reader, number);
  for (;;)
    {
      ret = take_one (&reader);
      if (ret >= 0)
        {
          stuck = 0;
          continue;
        }
      if (ret == FC_EOS && shared->finished)
        break;
      if (ret == FC_REPLACED || ret == FC_EOS)
        attach (&reader);
      else if (ret == FC_WRITER_LOST)
        reader.report->lost_writers++;
      else if (ret != FC_TIMEOUT)
        wrong ("read: %d, %s", ret, fc_error_detail ());
      /* "none" is right until a writer is there; not for ever after it */
      if (shared->finished && stuck == 0)
        stuck = now_ns ();
      if (stuck && now_ns () - stuck > 20 * SEC)
        {
          wrong ("no end: read says %d", ret);
          _exit (1);
        }
    }
  check_counts (&reader);
  if (reader.report->cursor != shared->final_head)
    wrong ("ends at %" PRIu64 " of %" PRIu64, reader.report->cursor,
           shared->final_head);
  while (reader.held_count)
    let_go (&reader);
  fc_consumer_close (reader.consumer);
  reader.report->done = 1;
  _exit (0);
}
