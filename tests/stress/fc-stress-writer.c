/* The stress of slots: a writer, in each of its lives.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

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
  writer.max_consumers = options.entries;
  writer.leases = LEASES;
  writer.access
      = is_betrayed () || options.strangers ? FC_SHARE_ALL : FC_SHARE_USER;
  writer.trust = is_betrayed () ? FC_SHARE_ALL : FC_SHARE_USER;
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
  uint64_t planned; /* bytes */
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
  count (SHORTENED, stats.history_shortened - life->shortened);
  count (WRITER_DROPPED, stats.dropped - life->dropped);
  life->shortened = stats.history_shortened;
  life->dropped = stats.dropped;
  if (stats.bytes_allocated > life->planned)
    wrong ("%" PRIu64 " bytes are allocated, %" PRIu64 " were planned",
           stats.bytes_allocated, life->planned);
}

/* What its memory may never outgrow. */
static void
plan (life_t *life, const fc_writer_options_t *writer)
{
  fc_plan_t planned = { .struct_size = sizeof planned };

  if (fc_plan (writer, &planned) < 0)
    wrong ("plan: %s", fc_error_detail ());
  life->planned = planned.bytes_planned;
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
  count (WRITTEN, 1);
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
  if (ret == 0)
    count (WRITTEN, 1);
  else if (ret != -EAGAIN)
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
      plan (life, &writer);
      count (RENEWALS, (unsigned) ret);
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

/* One frame, and what else a writer does now and then. */
static void
write_one (life_t *life, bool copies)
{
  if (copies || chance (&life->random) % 4 == 0)
    write_copy (life);
  else
    write_in_place (life);
  if (life->holding && chance (&life->random) % 8 == 0)
    drop_held (life);
  if (chance (&life->random) % 64 == 0)
    fc_writer_set_sticky (life->writer, life->copy, 1000);
  if (chance (&life->random) % 256 == 0)
    tell_stats (life);
}

void
run_writer (uint64_t seed)
{
  fc_writer_options_t writer = writer_options (shared->renewals);
  life_t life = { .random = seed, .renewals = shared->renewals };
  int64_t next = now_ns ();
  bool copies;

  life.life = atomic_fetch_add (&shared->figure[WRITER_LIVES], 1) + 1;
  /* Killed with a cell out, a writer leaves a ring that is not carried on;
   * so some lives never have one out. */
  copies = life.life % 3 == 0;
  life.size = writer.frame_size;
  life.copy = aligned_alloc (BLOCK, 2 * (size_t) options.frame_size);
  life.writer = open_writer (&writer);
  plan (&life, &writer);
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
      write_one (&life, copies);
      if (options.paced)
        {
          next += SEC / options.paced;
          sleep_ns (next - now_ns ());
        }
    }
  finish (&life);
}
