/* A new format or size while consumers read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static fc_writer_options_t
larger_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.frame_size = 64 << 10;
  options.format = "test/larger";
  return options;
}

static void
renew_with_the_same_options_does_nothing (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  put (writer, 1);
  CHECK_RET (fc_writer_renew (writer, &options), 0);
  put (writer, 1);
  take (consumer, &next);
  CHECK_EQ (take (consumer, &next).info.flags & FC_FRAME_EPOCH, 0);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
renew_goes_on_counting (void)
{
  fc_writer_options_t options = small_ring (), larger = larger_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_consumer_stats_t stats;
  uint32_t generation = writer_stats (writer).generation;
  uint64_t next = 0;
  fc_frame_t frame;
  const void *format;
  size_t size;

  put (writer, 2);
  CHECK_RET (fc_writer_renew (writer, &larger), 1);
  CHECK_EQ (writer_stats (writer).generation, generation + 1);
  CHECK_EQ (writer_stats (writer).head, 2);
  put_size (writer, larger.frame_size);
  CHECK_EQ (slot_stat ("cam0").first_seq, 2);
  CHECK_EQ (slot_stat ("cam0").generation, generation + 1);

  /* first what the old generation still holds, then the news */
  take (consumer, &next);
  take (consumer, &next);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_OK (fc_consumer_format (consumer, &format, &size));
  CHECK_EQ (size, 11);
  CHECK (!memcmp (format, "test/larger", size));
  frame = take (consumer, &next);
  CHECK_EQ (frame.seq, 2);
  CHECK_EQ (frame.size, larger.frame_size);
  CHECK_EQ (frame.generation, generation + 1);
  CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, FC_FRAME_EPOCH);
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.frame_size, larger.frame_size);
  CHECK_EQ (stats.total_delivered, 3);
  CHECK_EQ (stats.total_dropped, 0);
  CHECK_EQ (count_files (test_dir), 3);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void *
renew_thread (void *arg)
{
  fc_writer_options_t larger = larger_ring ();

  WAIT_UNTIL (slot_waiting ("cam0") == 1);
  CHECK_RET (fc_writer_renew (arg, &larger), 1);
  return NULL;
}

static void
renew_wakes_who_waits (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  pthread_t thread = thread_new (renew_thread, writer);

  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_REPLACED);
  thread_join (thread);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
observers_follow_a_generation (void)
{
  fc_writer_options_t options = small_ring (), larger = larger_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  uint64_t next = 0;

  other.observe = 1;
  consumer = consumer_with ("cam0", &other);
  put (writer, 2);
  CHECK_RET (fc_writer_renew (writer, &larger), 1);
  put (writer, 2);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_EQ (next, 2);
  CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 4);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
losses_across_generations_are_exact (void)
{
  fc_writer_options_t options[2] = { small_ring (), larger_ring () };
  fc_writer_t *writer = writer_new ("cam0", &options[0]);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t random = 5, next = 0, dropped = 0;
  fc_consumer_stats_t stats;
  int generations = 0;

  for (int i = 1; i < 60; i++)
    {
      unsigned reads = (unsigned) (chance (&random) % 6);

      put (writer, (unsigned) (chance (&random) % 12));
      while (reads-- > 0)
        {
          fc_frame_t frame = FC_FRAME_INIT;
          int ret = fc_consumer_read (consumer, &frame, 0);

          if (ret == FC_REPLACED)
            {
              CHECK_OK (fc_consumer_attach (consumer, BOUND));
              check_counts (consumer);
              continue;
            }
          if (ret == FC_TIMEOUT)
            break;
          CHECK_CMP (ret, >=, 0);
          check_frame (&frame, ret, &next);
          dropped += frame.dropped;
        }
      if (chance (&random) % 3 == 0)
        CHECK_RET (fc_writer_renew (writer, &options[++generations % 2]), 1);
    }
  CHECK_CMP (generations, >, 5);
  put (writer, 1);
  while (drain (consumer, &next) == FC_REPLACED)
    CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_EQ (next, writer_stats (writer).head);
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.cursor, next);
  CHECK_EQ (stats.total_delivered + stats.total_dropped, next);
  CHECK_CMP (stats.total_dropped, >=, dropped);
  CHECK_EQ (writer_stats (writer).frames, next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static uint64_t
file_bytes (int fd)
{
  struct stat st;

  CHECK_EQ (fstat (fd, &st), 0);
  return (uint64_t) st.st_blocks * 512;
}

/* A consumer that stopped reading keeps what it leased, not the memory of
 * the generation that is gone. */
static void
replaced_ring_gives_its_memory_back (void)
{
  fc_writer_options_t options = small_ring (), larger = larger_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 1, cells, left;
  int fd;

  options.ring_depth = 64;
  options.frame_size = 256 << 10;
  cells = options.ring_depth * options.frame_size;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put_size (writer, options.frame_size);
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  put (writer, 3);
  fd = open (in_dir ("cam0.ring"), O_RDONLY | O_CLOEXEC);
  CHECK_CMP (file_bytes (fd), >=, cells);
  CHECK_RET (fc_writer_renew (writer, &larger), 1);
  put (writer, 5);
  WAIT_UNTIL (file_bytes (fd) < cells / 2);
  left = file_bytes (fd);
  CHECK (whole (frame.data, frame.size, 0));
  CHECK_RET (fc_frame_intact (consumer, &frame), 1);
  /* what it did not take in time it has lost, and exactly that */
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_OK (fc_consumer_attach (consumer, BOUND));
  check_counts (consumer);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 9);
  CHECK_EQ (consumer_stats (consumer).total_delivered
                + consumer_stats (consumer).total_dropped,
            9);
  CHECK (whole (frame.data, frame.size, 0));
  fc_consumer_release (consumer, &frame);
  WAIT_UNTIL (file_bytes (fd) < left || left < options.frame_size);
  close (fd);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
leases_of_an_old_generation_stay_whole (void)
{
  fc_writer_options_t options[2] = { small_ring (), larger_ring () };
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  fc_frame_t held[6];

  options[0].leases = options[1].leases = 8;
  writer = writer_new ("cam0", &options[0]);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  for (int i = 0; i < 6; i++)
    {
      int ret;

      put (writer, 1);
      held[i] = (fc_frame_t) FC_FRAME_INIT;
      ret = fc_consumer_lease (consumer, &held[i], BOUND);
      CHECK_EQ (ret, FC_OK);
      CHECK_EQ (held[i].seq, i);
      CHECK_RET (fc_writer_renew (writer, &options[(i + 1) % 2]), 1);
      CHECK_RET (drain (consumer, &(uint64_t){ 0 }), FC_REPLACED);
      CHECK_OK (fc_consumer_attach (consumer, BOUND));
    }
  for (int i = 0; i < 6; i++)
    {
      put (writer, 20);
      CHECK (whole (held[i].data, held[i].size, held[i].seq));
      CHECK_RET (fc_frame_intact (consumer, &held[i]), 1);
      if (i % 2)
        fc_consumer_release (consumer, &held[i]);
    }
  fc_consumer_close (consumer);
  for (int i = 0; i < 6; i += 2)
    {
      CHECK (whole (held[i].data, held[i].size, held[i].seq));
      fc_consumer_release (consumer, &held[i]);
    }
  fc_writer_close (writer);
}

static void
cells_of_an_old_generation_are_copied_into_the_new (void)
{
  fc_writer_options_t options = small_ring (), larger = larger_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t out = FC_FRAME_INIT, held = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  uint64_t next = 1;

  CHECK_OK (fc_writer_acquire (writer, &held));
  fill (held.data, 8192, 0);
  held.size = 8192;
  CHECK_OK (fc_writer_commit_hold (writer, &held));
  CHECK_OK (fc_writer_acquire (writer, &out));
  fill (out.data, 4096, 1);
  CHECK_RET (fc_writer_renew (writer, &larger), 1);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_EQ (consumer_stats (consumer).cursor, 1);
  fill ((char *) out.data, 8192, 1);
  out.size = 8192;
  CHECK_RET (fc_writer_commit (writer, &out), 1);
  CHECK_EQ (out.seq, 1);
  take (consumer, &next);
  put (writer, 20);
  CHECK (whole (held.data, 8192, 0));
  fc_writer_unhold (writer, &held);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
old_cell_too_large_for_the_new_ring_is_refused (void)
{
  fc_writer_options_t options = small_ring (), larger = larger_ring ();
  fc_writer_t *writer = writer_new ("cam0", &larger);
  fc_frame_t out = FC_FRAME_INIT, dropped = FC_FRAME_INIT;

  CHECK_OK (fc_writer_acquire (writer, &out));
  CHECK_OK (fc_writer_acquire (writer, &dropped));
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  out.size = larger.frame_size;
  CHECK_RET (fc_writer_commit (writer, &out), -EMSGSIZE);
  fc_writer_abandon (writer, &dropped);
  CHECK_EQ (put (writer, 1), 0);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  fc_writer_close (writer);
}

static void
renew_that_is_refused_changes_nothing (void)
{
  fc_writer_options_t options = small_ring (), bad = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  bad.frame_size = 0;
  CHECK_RET (fc_writer_renew (writer, &bad), -EINVAL);
  bad = small_ring ();
  bad.ring_depth = FC_CELLS_MAX;
  CHECK_RET (fc_writer_renew (writer, &bad), -EINVAL);
  bad = small_ring ();
  bad.frame_size = 1ull << 44;
  CHECK_CMP (fc_writer_renew (writer, &bad), <, 0);
  put (writer, 2);
  take (consumer, &next);
  take (consumer, &next);
  CHECK_EQ (count_files (test_dir), 3);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
writer_closing_after_renewals_leaves_only_the_lock (void)
{
  fc_writer_options_t options[2] = { small_ring (), larger_ring () };
  fc_writer_t *writer = writer_new ("cam0", &options[0]);

  for (int i = 1; i < 30; i++)
    {
      CHECK_RET (fc_writer_renew (writer, &options[i % 2]), 1);
      put (writer, 2);
    }
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static const test_t tests[] = {
  TEST (renew_with_the_same_options_does_nothing),
  TEST (renew_goes_on_counting),
  TEST (renew_wakes_who_waits),
  TEST (observers_follow_a_generation),
  TEST (losses_across_generations_are_exact),
  TEST (replaced_ring_gives_its_memory_back),
  TEST (leases_of_an_old_generation_stay_whole),
  TEST (cells_of_an_old_generation_are_copied_into_the_new),
  TEST (old_cell_too_large_for_the_new_ring_is_refused),
  TEST (renew_that_is_refused_changes_nothing),
  TEST (writer_closing_after_renewals_leaves_only_the_lock),
};
TEST_MAIN (tests)
