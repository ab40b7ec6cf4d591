/* Memory that runs out is an error with numbers, or a shorter history; never
 * a signal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/statvfs.h>

#define FRAME_4K (3840ull * 2160 * 3 / 2)

static uint64_t
bytes_free (void)
{
  struct statvfs vfs;

  CHECK_EQ (statvfs (test_dir, &vfs), 0);
  return (uint64_t) vfs.f_bavail * vfs.f_frsize;
}

/* Take all that is free but LEFT bytes. */
static int
take_space (uint64_t left)
{
  int fd = open (in_dir ("filler"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  uint64_t available = bytes_free ();

  CHECK (fd >= 0);
  if (available > left)
    CHECK_EQ (posix_fallocate (fd, 0, (off_t) (available - left)), 0);
  return fd;
}

static void
give_space (int fd)
{
  CHECK_EQ (ftruncate (fd, 0), 0);
  close (fd);
}

static bool
names_number (uint64_t number)
{
  char text[24];

  snprintf (text, sizeof text, "%" PRIu64, number);
  return strstr (fc_error_detail (), text) != NULL;
}

static void
slot_that_does_not_fit_says_what_it_takes (void)
{
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_writer_t *writer = NULL;
  uint64_t before;

  mount_tmpfs (test_dir, 64 << 20, 0);
  options.frame_size = FRAME_4K;
  options.ring_depth = 0;
  options.max_consumers = 16;
  before = bytes_free ();
  CHECK_OK (fc_plan (&options, &plan));
  CHECK_EQ (plan.bytes_free, before);
  CHECK_EQ (plan.fits, 0);
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -ENOSPC);
  CHECK (writer == NULL);
  CHECK_DETAIL (test_dir);
  CHECK (names_number (plan.bytes_initial));
  CHECK (names_number (plan.bytes_free));
  /* what to do */
  CHECK_DETAIL ("deep");
  CHECK (!exists (in_dir ("cam0.ring")));
  CHECK_CMP (count_files (test_dir), <=, 1u);
  CHECK_EQ (bytes_free (), before);

  /* and what the sentence proposes helps */
  options.ring_depth = 2;
  options.frame_size = FRAME_4K / 4;
  writer = writer_new ("cam0", &options);
  put (writer, 5);
  fc_writer_close (writer);
  CHECK_EQ (bytes_free (), before);
}

static void
table_or_inodes_that_do_not_fit_are_an_error_too (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;

  /* the directory itself is one of these */
  mount_tmpfs (test_dir, 1 << 20, 3);
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -ENOSPC);
  CHECK (fc_error_detail ()[0] != 0);
  CHECK_CMP (count_files (test_dir), <=, 1u);
}

static void
every_amount_of_free_space_is_enough_or_an_error (void)
{
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  uint64_t page = (uint64_t) sysconf (_SC_PAGESIZE);
  unsigned fitted = 0;

  mount_tmpfs (test_dir, 4 << 20, 0);
  CHECK_OK (fc_plan (&options, &plan));
  for (uint64_t left = 0; left < plan.bytes_initial + 16 * page; left += page)
    {
      fc_writer_t *writer = NULL;
      int fd = take_space (left);
      int ret = fc_writer_open (&writer, "cam0", &options);

      if (ret == 0)
        {
          CHECK_CMP (left, >=, plan.bytes_initial);
          put (writer, 9);
          fc_writer_close (writer);
          fitted++;
        }
      else
        CHECK_RET (ret, -ENOSPC);
      CHECK (!exists (in_dir ("cam0.ring")));
      CHECK_CMP (count_files (test_dir), <=, 2u);
      give_space (fd);
    }
  CHECK_CMP (fitted, >, 0u);
}

static fc_frame_t
lease_newest (fc_consumer_t *consumer)
{
  const fc_position_t latest = { .start = FC_START_LATEST };
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_consumer_seek (consumer, &latest));
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  CHECK (whole (frame.data, frame.size, frame.seq));
  return frame;
}

/* Leases take cell after cell and nothing is left to replace them with: the
 * history gets shorter, at the end frames are dropped, all of it is counted,
 * and when there is memory again it all comes back. */
static void
memory_that_runs_out_shortens_the_history (void)
{
  enum
  {
    CONSUMERS = 6
  };
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer[CONSUMERS], *reader;
  fc_frame_t held[CONSUMERS][3];
  fc_writer_stats_t stats;
  fc_writer_t *writer;
  uint64_t next = 0, written = 0, dropped;
  int fd;

  mount_tmpfs (test_dir, 8 << 20, 0);
  options.frame_size = 64 << 10;
  options.ring_depth = 8;
  writer = writer_new ("cam0", &options);
  reader = consumer_new ("cam0", FC_START_LIVE);
  fd = take_space (0);
  for (int i = 0; i < CONSUMERS; i++)
    consumer[i] = consumer_new ("cam0", FC_START_LIVE);
  for (int j = 0; j < 3; j++)
    for (int i = 0; i < CONSUMERS; i++)
      {
        fc_consumer_stats_t seen;

        for (int k = 0; k < 4; k++)
          {
            int ret = fc_writer_write (writer, "", 0, NULL, NULL);

            CHECK (ret == 0 || ret == -EAGAIN);
            written++;
          }
        if (slot_stat ("cam0").oldest == slot_stat ("cam0").head)
          {
            held[i][j] = (fc_frame_t) FC_FRAME_INIT;
            continue;
          }
        held[i][j] = lease_newest (consumer[i]);
        CHECK_RET (drain (reader, &next), FC_TIMEOUT);
        seen = consumer_stats (reader);
        CHECK_EQ (seen.delivered + seen.dropped, writer_stats (writer).head);
      }
  stats = writer_stats (writer);
  CHECK_CMP (stats.history_shortened, >, 0u);
  dropped = stats.dropped;
  CHECK_EQ (stats.head + dropped, written);
  CHECK_EQ (slot_stat ("cam0").writer_dropped, dropped);
  CHECK_EQ (slot_stat ("cam0").history_shortened, stats.history_shortened);
  for (int i = 0; i < CONSUMERS; i++)
    for (int j = 0; j < 3; j++)
      if (held[i][j].data)
        CHECK_RET (fc_frame_intact (consumer[i], &held[i][j]), 1);

  give_space (fd);
  WAIT_UNTIL (fc_writer_write (writer, "", 0, NULL, NULL) == 0
              && slot_stat ("cam0").head - slot_stat ("cam0").oldest == 8);
  put (writer, 20);
  CHECK_EQ (slot_stat ("cam0").head - slot_stat ("cam0").oldest, 8);
  CHECK_EQ (drain (reader, &next), FC_TIMEOUT);
  CHECK_EQ (next, writer_stats (writer).head);
  for (int i = 0; i < CONSUMERS; i++)
    {
      for (int j = 0; j < 3; j++)
        if (held[i][j].data)
          fc_consumer_release (consumer[i], &held[i][j]);
      fc_consumer_close (consumer[i]);
    }
  fc_consumer_close (reader);
  fc_writer_close (writer);
}

/* What was reserved at the start is there: filling the file system afterwards
 * costs neither the writer nor a reader anything. */
static void
reserved_memory_stays_when_the_file_system_fills_up (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;
  int fd;

  mount_tmpfs (test_dir, 8 << 20, 0);
  options.frame_size = 64 << 10;
  options.ring_depth = 30;
  writer = writer_new ("cam0", &options);
  fd = take_space (0);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  for (int i = 0; i < 200; i++)
    {
      put_size (writer, 64 << 10);
      CHECK_EQ (take (consumer, &next).dropped, 0);
    }
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  give_space (fd);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* A larger generation that does not fit beside the old one: the old one has
 * to go first, and what that loses is counted. */
static void
renewal_that_fits_alone_takes_the_old_ones_memory (void)
{
  fc_writer_options_t options = small_ring (), larger = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;

  mount_tmpfs (test_dir, 8 << 20, 0);
  options.frame_size = 512 << 10;
  options.ring_depth = 5;
  larger.frame_size = 768 << 10;
  larger.ring_depth = 5;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put_size (writer, options.frame_size);
  take (consumer, &next);
  put (writer, 3);
  CHECK_RET (fc_writer_renew (writer, &larger), 1);
  put_size (writer, larger.frame_size);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 5);
  CHECK_EQ (consumer_stats (consumer).total_delivered
                + consumer_stats (consumer).total_dropped,
            5);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Whether it fits. Where it does not, the old ring had to go first: nothing can
 * be written, until an attempt with more room goes on counting. */
static bool
renew_with (uint64_t left, const fc_writer_options_t *larger)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;
  int fd, ret;

  put (writer, 3);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  fd = take_space (left);
  ret = fc_writer_renew (writer, larger);
  if (ret < 0)
    {
      CHECK_RET (ret, -ENOSPC);
      CHECK_DETAIL ("deep");
      CHECK_RET (fc_writer_write (writer, "", 0, NULL, NULL), -ESTALE);
      CHECK_OK (fc_writer_set_sticky (writer, "sticky", 6));
    }
  else
    CHECK_RET (ret, 1);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_RET (fc_consumer_attach (consumer, 0), ret < 0 ? -ENOENT : 0);
  give_space (fd);
  CHECK_RET (fc_writer_renew (writer, larger), ret < 0);
  CHECK_EQ (put (writer, 1), 3);
  CHECK_OK (ret < 0 ? fc_consumer_attach (consumer, 0) : 0);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 4);
  CHECK_EQ (consumer_stats (consumer).total_dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  return ret == 1;
}

static void
every_amount_of_free_space_is_enough_for_a_renewal_or_an_error (void)
{
  fc_writer_options_t larger = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  unsigned fitted = 0, failed = 0;
  uint64_t before;

  larger.frame_size *= 4;
  mount_tmpfs (test_dir, 4 << 20, 0);
  CHECK_OK (fc_plan (&larger, &plan));
  before = bytes_free ();
  for (uint64_t left = 0; left < plan.bytes_initial + (64 << 10);
       left += 16 << 10)
    {
      if (renew_with (left, &larger))
        fitted++;
      else
        failed++;
      CHECK_EQ (unlink (in_dir ("filler")), 0);
      CHECK_EQ (count_files (test_dir), 1);
      CHECK_CMP (bytes_free (), >=, before - 4096);
    }
  CHECK_CMP (fitted, >, 0u);
  CHECK_CMP (failed, >, 0u);
}

static void
renewal_that_never_fits_says_so (void)
{
  fc_writer_options_t options = small_ring (), larger = small_ring ();
  fc_writer_t *writer;

  mount_tmpfs (test_dir, 4 << 20, 0);
  writer = writer_new ("cam0", &options);
  put (writer, 2);
  larger.frame_size = 4 << 20;
  CHECK_RET (fc_writer_renew (writer, &larger), -ENOSPC);
  CHECK_DETAIL (test_dir);
  CHECK_DETAIL ("deep");
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static const test_t tests[] = {
  TEST (slot_that_does_not_fit_says_what_it_takes),
  TEST (table_or_inodes_that_do_not_fit_are_an_error_too),
  TEST (every_amount_of_free_space_is_enough_or_an_error),
  TEST (memory_that_runs_out_shortens_the_history),
  TEST (reserved_memory_stays_when_the_file_system_fills_up),
  TEST (renewal_that_fits_alone_takes_the_old_ones_memory),
  TEST (every_amount_of_free_space_is_enough_for_a_renewal_or_an_error),
  TEST (renewal_that_never_fits_says_so),
};
TEST_MAIN (tests)
