/* Rings that are made ready, filled, and perhaps never shown.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static fc_writer_options_t
prepared_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.prepare = 1;
  options.writer_cells = 4;
  options.format = "test/prepared";
  options.format_size = 13;
  return options;
}

static void
commit (fc_writer_t *writer, fc_frame_t *frame, uint64_t seq)
{
  frame->size = 8192;
  fill (frame->data, frame->size, seq);
  CHECK_CMP (fc_writer_commit (writer, frame), >=, 0);
  CHECK_EQ (frame->seq, seq);
}

static void
nothing_is_shown_before_the_first_frame (void)
{
  fc_writer_options_t options = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options), *other;
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_frame_t frame = FC_FRAME_INIT, live = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  uint64_t next = 0;

  CHECK_RET (fc_slot_stat (test_dir, "cam0", &stat), -ENOENT);
  CHECK_RET (fc_writer_open (&other, "cam0", &options), -EBUSY);
  CHECK_RET (fc_writer_acquire (writer, &live), -EINVAL);
  CHECK_RET (fc_writer_write (writer, "x", 1, NULL, NULL), -EINVAL);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  CHECK_RET (fc_slot_stat (test_dir, "cam0", &stat), -ENOENT);
  commit (writer, &frame, 0);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  take (consumer, &next);
  put (writer, 1);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* A decoder that only wants to know the strides. */
static void
probing_leaves_the_slot_as_it_was (void)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;
  unsigned files = count_files (test_dir);

  put (writer, 1);
  CHECK_RET (fc_writer_prepare (writer, &other), 1);
  CHECK_RET (fc_writer_prepare (writer, &other), 1);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  put (writer, 1);
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  CHECK_RET (fc_writer_prepare (writer, &options), 0);
  CHECK_EQ (count_files (test_dir), files);
  memset (frame.data, 1, frame.capacity);
  fc_writer_abandon (writer, &frame);
  put (writer, 1);
  take (consumer, &next);
  take (consumer, &next);
  CHECK_EQ (take (consumer, &next).generation, 1);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static void
first_frame_shows_the_next_generation (void)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t old = FC_FRAME_INIT, frame[2] = { FC_FRAME_INIT, FC_FRAME_INIT };
  fc_frame_t got;
  uint64_t next = 0;

  put (writer, 1);
  CHECK_OK (fc_writer_acquire (writer, &old));
  CHECK_RET (fc_writer_prepare (writer, &other), 1);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame[0]));
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame[1]));
  commit (writer, &old, 1);
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  commit (writer, &frame[1], 2);
  CHECK_EQ (slot_stat ("cam0").generation, 2);
  commit (writer, &frame[0], 3);
  CHECK_EQ (writer_stats (writer).copied, 0);
  take (consumer, &next);
  take (consumer, &next);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_OK (fc_consumer_attach (consumer, BOUND));
  got = take (consumer, &next);
  CHECK_EQ (got.generation, 2);
  take (consumer, &next);
  check_counts (consumer);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
renewing_shows_what_is_prepared (void)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t frame = FC_FRAME_INIT;

  put (writer, 1);
  CHECK_RET (fc_writer_prepare (writer, &other), 1);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  CHECK_RET (fc_writer_renew (writer, &other), 1);
  CHECK_EQ (slot_stat ("cam0").generation, 2);
  put (writer, 1);
  commit (writer, &frame, 2);
  CHECK_EQ (writer_stats (writer).copied, 0);
  fc_writer_close (writer);
}

static void
renewing_otherwise_drops_it (void)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &other);
  fc_consumer_t *consumer;
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;

  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  CHECK_EQ (slot_stat ("cam0").writer_cells, 2);
  /* ring, table, lock; and its cell goes into the ring that there is */
  CHECK_EQ (count_files (test_dir), 3);
  commit (writer, &frame, 0);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
write_and_die (void *arg)
{
  fc_writer_options_t options = prepared_ring ();

  options.prepare = 0;
  put (writer_new ("cam0", &options), 3);
  raise (SIGKILL);
}

/* The dead writer's ring fits, or it does not: its consumers see nothing of a
 * new writer that shows nothing. */
static void
a_dead_writers_ring_waits_for_the_first_frame (void)
{
  fc_writer_options_t options = prepared_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;

  reap (spawn (write_and_die, NULL));
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  for (int fits = 0; fits < 2; fits++)
    {
      options.ring_depth = fits ? small_ring ().ring_depth : 5;
      writer = writer_new ("cam0", &options);
      CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
      CHECK_EQ (slot_stat ("cam0").epoch, 1);
      CHECK_EQ (slot_stat ("cam0").generation, 1);
      if (!fits)
        fc_writer_abandon (writer, &frame);
      if (!fits)
        fc_writer_close (writer);
    }
  commit (writer, &frame, 3);
  CHECK_EQ (slot_stat ("cam0").epoch, 2);
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  for (int i = 0; i < 4; i++)
    take (consumer, &next);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
prepare_and_die (void *arg)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t frame = FC_FRAME_INIT;

  put (writer, 1);
  CHECK_RET (fc_writer_prepare (writer, &other), 1);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  raise (SIGKILL);
}

static void
killed_while_prepared_leaves_nothing (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  reap (spawn (prepare_and_die, NULL));
  CHECK_CMP (count_files (test_dir), >, 3u);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  CHECK_EQ (slot_stat ("cam0").epoch, 2);
  CHECK_EQ (count_files (test_dir), 3);
  fc_writer_close (writer);
}

static void
a_reserved_slot_has_no_format_before_the_first_frame (void)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  const void *format;
  size_t size;

  options.format = NULL;
  options.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  consumer = consumer_new ("cam0", FC_START_LIVE);
  writer = writer_new ("cam0", &other);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  CHECK_RET (fc_consumer_format (consumer, &format, &size), -EAGAIN);
  commit (writer, &frame, 0);
  CHECK_OK (fc_consumer_format (consumer, &format, &size));
  CHECK_EQ (size, 13);
  CHECK (!memcmp (format, "test/prepared", size));
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
cells_outlive_a_writer_that_showed_nothing (void)
{
  fc_writer_options_t options = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
  memset (frame.data, 1, frame.capacity);
  fc_writer_abandon (writer, &frame);
}

static void *
attach_thread (void *arg)
{
  CHECK_CMP (fc_consumer_attach (arg, BOUND), >=, 0);
  return NULL;
}

/* Whether somebody here waits for a file: has seen that it is not there. */
static bool
waits_for_a_file (void)
{
  char path[64], what[64];

  for (int fd = 3; fd < 64; fd++)
    {
      ssize_t n;

      snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
      n = readlink (path, what, sizeof what - 1);
      if (n < 0)
        continue;
      what[n] = '\0';
      if (strstr (what, "inotify") != NULL)
        return true;
    }
  return false;
}

/* The reader that starts before the writer misses nothing, however quick the
 * writer is. */
/* A ring's files are there before it is shown: who is to be trusted can not
 * get at its table before the writer has its locks. */
static void
locks_are_the_writers_before_anybody_sees_them (void)
{
  fc_writer_options_t options = prepared_ring ();
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  fc_writer_t *writer;
  struct stat st;
  int fd;

  CHECK_EQ (chmod (test_dir, 0755), 0);
  options.access = options.trust = FC_SHARE_ALL;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (stat (table_path ("cam0"), &st), 0);
  CHECK_EQ (st.st_mode & 0777, 0600);
  fd = open (table_path ("cam0"), O_RDWR | O_CLOEXEC);
  CHECK (fd >= 0);
  CHECK_EQ (fcntl (fd, F_OFD_SETLK, &lock), -1);
  options.prepare = 0;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  CHECK_EQ (stat (table_path ("cam0"), &st), 0);
  CHECK_EQ (st.st_mode & 0777, 0666);
  put (writer, 1);
  close (fd);
  fc_writer_close (writer);
}

static void
who_waited_for_the_slot_gets_its_first_frame (void)
{
  fc_consumer_options_t waiting = from (FC_START_LIVE);
  fc_writer_options_t options = prepared_ring ();
  fc_consumer_t *consumer;
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;

  waiting.detached = 1;
  consumer = consumer_with ("cam0", &waiting);
  for (int i = 0; i < 20; i++)
    {
      pthread_t thread = thread_new (attach_thread, consumer);
      fc_writer_t *writer;

      WAIT_UNTIL (waits_for_a_file ());
      writer = writer_new ("cam0", &options);
      CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
      commit (writer, &frame, 0);
      put (writer, 2);
      thread_join (thread);
      next = 0;
      for (int k = 0; k < 3; k++)
        take (consumer, &next);
      fc_writer_close (writer);
      CHECK_RET (drain (consumer, &next), FC_EOS);
    }
  fc_consumer_close (consumer);
}

/* Only opening the slot again makes another one of that name. */
static void
prepared_ring_is_not_shown_once_the_slot_was_removed (void)
{
  fc_writer_options_t options = small_ring (), other = prepared_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, 1);
  CHECK_RET (fc_writer_prepare (writer, &other), 1);
  CHECK_EQ (unlink (in_dir ("cam0.ring")), 0);
  WAIT_UNTIL (fc_writer_write (writer, "x", 1, NULL, NULL) == FC_REPLACED);
  CHECK_RET (fc_writer_renew (writer, &other), FC_REPLACED);
  CHECK (!exists (in_dir ("cam0.ring")));
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (nothing_is_shown_before_the_first_frame),
  TEST (probing_leaves_the_slot_as_it_was),
  TEST (first_frame_shows_the_next_generation),
  TEST (renewing_shows_what_is_prepared),
  TEST (renewing_otherwise_drops_it),
  TEST (a_dead_writers_ring_waits_for_the_first_frame),
  TEST (killed_while_prepared_leaves_nothing),
  TEST (a_reserved_slot_has_no_format_before_the_first_frame),
  TEST (cells_outlive_a_writer_that_showed_nothing),
  TEST (locks_are_the_writers_before_anybody_sees_them),
  TEST (who_waited_for_the_slot_gets_its_first_frame),
  TEST (prepared_ring_is_not_shown_once_the_slot_was_removed),
};

TEST_MAIN (tests)
