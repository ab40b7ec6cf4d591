/* What goes in comes out: contents, info, sizes and order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/mman.h>

static const char meta[] = "a block of metadata\0with a nul in it";

static fc_info_t
odd_info (void)
{
  fc_info_t info = FC_INFO_INIT;

  info.flags = FC_FRAME_KEY | FC_FRAME_HEADER | FC_FRAME_DISCONT;
  info.user_flags = 0xfedcba9876543210u;
  info.pts = 1001;
  info.dts = 0;
  info.duration = 3;
  info.running_time = 1ull << 62;
  info.offset = 5;
  info.offset_end = 6;
  info.capture_ns = 7;
  info.meta = meta;
  info.meta_size = sizeof meta;
  return info;
}

static void
check_odd_info (const fc_info_t *info)
{
  fc_info_t odd = odd_info ();

  CHECK_EQ (info->struct_size, sizeof *info);
  CHECK_EQ (info->flags & ~FC_FRAME_EPOCH, odd.flags);
  CHECK_EQ (info->user_flags, odd.user_flags);
  CHECK_EQ (info->pts, odd.pts);
  CHECK_EQ (info->dts, odd.dts);
  CHECK_EQ (info->duration, odd.duration);
  CHECK_EQ (info->running_time, odd.running_time);
  CHECK_EQ (info->offset, odd.offset);
  CHECK_EQ (info->offset_end, odd.offset_end);
  CHECK_EQ (info->capture_ns, odd.capture_ns);
  CHECK_EQ (info->meta_size, odd.meta_size);
  CHECK (info->meta != NULL && !memcmp (info->meta, meta, sizeof meta));
}

static int64_t
wall_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

static void
every_field_arrives_by_copy (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_info_t info = odd_info ();
  fc_frame_t frame = FC_FRAME_INIT;
  char data[1000], mine[2000];
  int64_t before = now_ns (), wall_before = wall_ns ();
  uint64_t seq = 99;

  fill (data, sizeof data, 0);
  CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, &seq));
  CHECK_EQ (seq, 0);
  CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, NULL));

  CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
  CHECK_EQ (frame.seq, 0);
  CHECK_EQ (frame.size, sizeof data);
  CHECK (!memcmp (frame.data, data, sizeof data));
  check_odd_info (&frame.info);
  CHECK_CMP ((int64_t) frame.info.commit_ns, >=, before);
  CHECK_CMP ((int64_t) frame.info.commit_ns, <=, now_ns ());
  CHECK_CMP ((int64_t) frame.info.wall_ns, >=, wall_before);
  CHECK_CMP ((int64_t) frame.info.wall_ns, <=, wall_ns ());
  CHECK_EQ (frame.generation, slot_stat ("cam0").generation);
  CHECK_EQ (frame.epoch, slot_stat ("cam0").epoch);
  CHECK_EQ (frame.key_seq, 0);

  frame = (fc_frame_t) FC_FRAME_INIT;
  frame.data = mine;
  frame.capacity = sizeof mine;
  CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
  CHECK (frame.data == mine);
  CHECK_EQ (frame.seq, 1);
  CHECK_EQ (frame.size, sizeof data);
  CHECK (!memcmp (mine, data, sizeof data));
  check_odd_info (&frame.info);
  check_counts (consumer);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
every_field_arrives_by_lease (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t in = FC_FRAME_INIT, out = FC_FRAME_INIT;

  CHECK_OK (fc_writer_acquire (writer, &in));
  CHECK_EQ (in.capacity, 8192);
  CHECK_EQ ((uintptr_t) in.data % (uintptr_t) sysconf (_SC_PAGESIZE), 0);
  fill (in.data, 8192, 0);
  in.size = 8192;
  in.info = odd_info ();
  CHECK_OK (fc_writer_commit (writer, &in));
  CHECK_OK (fc_consumer_lease (consumer, &out, BOUND));
  CHECK_EQ (out.size, 8192);
  CHECK_EQ ((uintptr_t) out.data % (uintptr_t) sysconf (_SC_PAGESIZE), 0);
  CHECK (whole (out.data, out.size, 0));
  check_odd_info (&out.info);
  CHECK_RET (fc_frame_intact (consumer, &out), 1);
  CHECK_EQ (consumer_stats (consumer).leases_out, 1);
  fc_consumer_release (consumer, &out);
  CHECK_EQ (consumer_stats (consumer).leases_out, 0);
  check_counts (consumer);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
fields_left_out_are_none (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_writer_write (writer, "x", 1, NULL, NULL));
  CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
  CHECK_EQ (frame.info.pts, FC_TIME_NONE);
  CHECK_EQ (frame.info.dts, FC_TIME_NONE);
  CHECK_EQ (frame.info.duration, FC_TIME_NONE);
  CHECK_EQ (frame.info.running_time, FC_TIME_NONE);
  CHECK_EQ (frame.info.offset, FC_TIME_NONE);
  CHECK_EQ (frame.info.meta_size, 0);
  CHECK_EQ (frame.info.user_flags, 0);
  CHECK_EQ (frame.info.capture_ns, frame.info.commit_ns);
  CHECK_EQ (frame.key_seq, FC_SEQ_NONE);
  CHECK_EQ (frame.sticky, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
gap_has_no_bytes (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_info_t info = FC_INFO_INIT;
  fc_frame_t frame = FC_FRAME_INIT;

  info.flags = FC_FRAME_GAP;
  info.pts = 40;
  info.duration = 20;
  CHECK_OK (fc_writer_write (writer, NULL, 0, &info, NULL));
  CHECK_OK (fc_writer_write (writer, NULL, 0, &info, NULL));
  CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
  CHECK_EQ (frame.size, 0);
  CHECK_EQ (frame.info.flags & FC_FRAME_GAP, FC_FRAME_GAP);
  CHECK_EQ (frame.info.pts, 40);
  frame = (fc_frame_t) FC_FRAME_INIT;
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  CHECK_EQ (frame.size, 0);
  CHECK_EQ (frame.info.duration, 20);
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
sizes_vary_from_frame_to_frame (void)
{
  static const size_t sizes[]
      = { 1, 7, 8, 9, 4095, 4096, 4097, 8191, 8192, 0, 3, 8192 };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    {
      put_size (writer, sizes[i]);
      CHECK_EQ (take (consumer, &next).size, sizes[i]);
    }
  CHECK_EQ (next, 12);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
seq_is_given_at_commit (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  fc_frame_t frame[3] = { FC_FRAME_INIT, FC_FRAME_INIT, FC_FRAME_INIT };
  static const int order[3] = { 2, 0, 1 };
  uint64_t next = 0;

  options.writer_cells = 3;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  for (int i = 0; i < 3; i++)
    {
      CHECK_OK (fc_writer_acquire (writer, &frame[i]));
      for (int j = 0; j < i; j++)
        CHECK (frame[i].data != frame[j].data);
    }
  CHECK_EQ (writer_stats (writer).cells_out, 3);
  for (uint64_t i = 0; i < 3; i++)
    {
      fc_frame_t *f = &frame[order[i]];

      fill (f->data, 8192, i);
      f->size = 8192;
      CHECK_OK (fc_writer_commit (writer, f));
      CHECK_EQ (f->seq, i);
    }
  for (int i = 0; i < 3; i++)
    take (consumer, &next);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
acquiring_stops_at_the_limit (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame[3] = { FC_FRAME_INIT, FC_FRAME_INIT, FC_FRAME_INIT };

  /* writer_cells is 2 where it is not given */
  CHECK_OK (fc_writer_acquire (writer, &frame[0]));
  CHECK_OK (fc_writer_acquire (writer, &frame[1]));
  CHECK_RET (fc_writer_acquire (writer, &frame[2]), -EAGAIN);
  /* and a copy still goes through: it needs no cell of the caller's */
  for (int i = 0; i < 20; i++)
    CHECK_OK (fc_writer_write (writer, "copy", 4, NULL, NULL));
  CHECK_EQ (writer_stats (writer).copied, 20);
  fc_writer_abandon (writer, &frame[0]);
  CHECK_OK (fc_writer_acquire (writer, &frame[2]));
  fc_writer_abandon (writer, &frame[1]);
  fc_writer_abandon (writer, &frame[2]);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  CHECK_EQ (writer_stats (writer).head, 20);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
abandoned_cell_is_not_published (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  for (int i = 0; i < 50; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_OK (fc_writer_acquire (writer, &frame));
      memset (frame.data, 0xee, frame.capacity);
      fc_writer_abandon (writer, &frame);
      put (writer, 1);
      take (consumer, &next);
    }
  CHECK_EQ (writer_stats (writer).head, 50);
  CHECK_EQ (consumer_stats (consumer).dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
held_cell_is_not_written_again (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t held = FC_FRAME_INIT, other = FC_FRAME_INIT, one = FC_FRAME_INIT;
  void *place;

  CHECK_OK (fc_writer_acquire (writer, &held));
  fill (held.data, 8192, 0);
  held.size = 8192;
  CHECK_OK (fc_writer_commit_hold (writer, &held));
  place = held.data;
  put (writer, 40);
  CHECK (held.data == place && whole (held.data, 8192, 0));
  CHECK_EQ (writer_stats (writer).cells_out, 1);

  /* a held cell counts towards the limit of two */
  CHECK_OK (fc_writer_acquire (writer, &other));
  CHECK_RET (fc_writer_acquire (writer, &one), -EAGAIN);
  fc_writer_abandon (writer, &other);
  fc_writer_unhold (writer, &held);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  CHECK_OK (fc_writer_acquire (writer, &one));
  CHECK_OK (fc_writer_acquire (writer, &other));
  fc_writer_abandon (writer, &one);
  fc_writer_abandon (writer, &other);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  fc_writer_close (writer);
}

static void
held_cell_returns_to_use (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint32_t cells = writer_stats (writer).cells;
  uint64_t next = 0;

  for (int i = 0; i < 500; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_OK (fc_writer_acquire (writer, &frame));
      fill (frame.data, 8192, (uint64_t) i);
      frame.size = 8192;
      CHECK_OK (fc_writer_commit_hold (writer, &frame));
      take (consumer, &next);
      /* first while the frame is in the history, then when it no longer is */
      if (i % 2)
        for (int j = 0; j < 6; j++, i++)
          {
            put (writer, 1);
            take (consumer, &next);
          }
      fc_writer_unhold (writer, &frame);
    }
  CHECK_EQ (consumer_stats (consumer).dropped, 0);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).cells, cells);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
cells_outlive_the_writer (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t held = FC_FRAME_INIT, out = FC_FRAME_INIT;

  CHECK_OK (fc_writer_acquire (writer, &held));
  fill (held.data, 8192, 0);
  held.size = 8192;
  CHECK_OK (fc_writer_commit_hold (writer, &held));
  CHECK_OK (fc_writer_acquire (writer, &out));
  fc_writer_close (writer);
  CHECK (!exists (in_dir ("cam0.ring")));
  CHECK (whole (held.data, 8192, 0));
  memset (out.data, 0x55, out.capacity);
  CHECK (whole (held.data, 8192, 0));
  fc_writer_unhold (writer, &held);
  memset (out.data, 0xaa, out.capacity);
  fc_writer_abandon (writer, &out);
}

static void
what_does_not_fit_is_refused_and_given_back (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  static char big[8193];
  fc_info_t info = FC_INFO_INIT;

  CHECK_RET (fc_writer_write (writer, big, sizeof big, NULL, NULL), -EMSGSIZE);
  info.meta = big;
  info.meta_size = FC_META_MAX + 1;
  CHECK_RET (fc_writer_write (writer, big, 10, &info, NULL), -EMSGSIZE);
  info.meta_size = 0;
  info.flags = 0x80000000u;
  CHECK_RET (fc_writer_write (writer, big, 10, &info, NULL), -EINVAL);
  /* libfc's to set, not the writer's */
  info.flags = FC_FRAME_EPOCH;
  CHECK_RET (fc_writer_write (writer, big, 10, &info, NULL), -EINVAL);
  for (int i = 0; i < 10; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_OK (fc_writer_acquire (writer, &frame));
      frame.size = i % 2 ? 8193 : 8192;
      frame.info.flags = i % 2 ? 0 : 0x40u;
      CHECK_RET (fc_writer_commit (writer, &frame),
                 i % 2 ? -EMSGSIZE : -EINVAL);
    }
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  CHECK_EQ (writer_stats (writer).head, 0);
  fc_writer_close (writer);
}

static void
largest_meta_arrives_whole (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  char block[FC_META_MAX], data[8192];

  for (uint64_t i = 0; i < 12; i++)
    {
      fc_info_t info = FC_INFO_INIT;
      fc_frame_t frame = FC_FRAME_INIT;
      size_t size = i % 2 ? sizeof block : sizeof block - 5 * i;

      fill (block, size, ~i);
      fill (data, sizeof data, i);
      info.meta = block;
      info.meta_size = (uint32_t) size;
      CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, NULL));
      if (i % 3)
        CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
      else
        CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
      CHECK (whole (frame.data, frame.size, i));
      CHECK_EQ (frame.info.meta_size, size);
      CHECK (whole (frame.info.meta, size, ~i));
      if (i % 3 == 0)
        fc_consumer_release (consumer, &frame);
    }
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
key_seq_is_the_newest_key_frame (void)
{
  static const uint64_t expected[]
      = { FC_SEQ_NONE, FC_SEQ_NONE, 2, 2, 2, 5, 6, 6, 6, 6, 6, 6, 6 };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);

  for (int i = 0; i < 13; i++)
    {
      fc_info_t info = FC_INFO_INIT;
      fc_frame_t frame = FC_FRAME_INIT;

      info.flags = i == 2 || i == 5 || i == 6 ? FC_FRAME_KEY : FC_FRAME_DELTA;
      CHECK_OK (fc_writer_write (writer, "k", 1, &info, NULL));
      CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
      CHECK_EQ (frame.key_seq, expected[i]);
    }
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
too_small_a_buffer_takes_nothing (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  char data[8192];
  uint64_t next = 0;

  put (writer, 2);
  memset (data, 0x77, sizeof data);
  frame.data = data;
  frame.capacity = 100;
  CHECK_RET (fc_consumer_read (consumer, &frame, BOUND), -EMSGSIZE);
  CHECK_EQ (frame.size, 8192);
  for (size_t i = 0; i < sizeof data; i++)
    CHECK_EQ (data[i], 0x77);
  CHECK_EQ (consumer_stats (consumer).cursor, 0);
  check_counts (consumer);
  take (consumer, &next);
  take (consumer, &next);
  CHECK_EQ (next, 2);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

#if !ONE_MAPPING
static void
scribble (void *arg)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  fc_frame_t frame = FC_FRAME_INIT;

  (void) arg;
  options.wait_ns = BOUND;
  consumer = consumer_with ("cam0", &options);
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  signal (SIGSEGV, SIG_DFL);
  *(volatile char *) frame.data = 1;
}

static void
leased_memory_is_read_only (void)
{
  fc_writer_options_t options = small_ring ();
  pid_t pid = spawn (scribble, NULL);
  fc_writer_t *writer = writer_new ("cam0", &options);
  int status;

  put (writer, 1);
  status = reap (pid);
  CHECK (WIFSIGNALED (status) && WTERMSIG (status) == SIGSEGV);
  fc_writer_close (writer);
}

#endif

static void
stats_count_what_was_written (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_writer_stats_t stats;

  put (writer, 7);
  CHECK_OK (fc_writer_write (writer, "abc", 3, NULL, NULL));
  stats = writer_stats (writer);
  CHECK_EQ (stats.head, 8);
  CHECK_EQ (stats.frames, 8);
  CHECK_EQ (stats.bytes, 7 * 8192 + 3);
  CHECK_EQ (stats.copied, 1);
  CHECK_EQ (stats.consumers, 0);
  CHECK_EQ (stats.cells_out, 0);
  CHECK_EQ (stats.dropped, 0);
  CHECK_EQ (slot_stat ("cam0").bytes_total, 7 * 8192 + 3);
  CHECK_EQ (slot_stat ("cam0").head, 8);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (every_field_arrives_by_copy),
  TEST (every_field_arrives_by_lease),
  TEST (fields_left_out_are_none),
  TEST (gap_has_no_bytes),
  TEST (sizes_vary_from_frame_to_frame),
  TEST (seq_is_given_at_commit),
  TEST (acquiring_stops_at_the_limit),
  TEST (abandoned_cell_is_not_published),
  TEST (held_cell_is_not_written_again),
  TEST (held_cell_returns_to_use),
  TEST (cells_outlive_the_writer),
  TEST (what_does_not_fit_is_refused_and_given_back),
  TEST (largest_meta_arrives_whole),
  TEST (key_seq_is_the_newest_key_frame),
  TEST (too_small_a_buffer_takes_nothing),
#if !ONE_MAPPING
  TEST (leased_memory_is_read_only),
#endif
  TEST (stats_count_what_was_written),
};
TEST_MAIN (tests)
