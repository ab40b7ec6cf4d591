/* Slots that are made before their writer, taken away, or collected.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static void
reserved_slot_waits_for_its_writer (void)
{
  fc_writer_options_t options = small_ring (), empty = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  const void *data;
  size_t size = 99;
  uint64_t next = 0;

  empty.format = NULL;
  empty.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &empty));
  CHECK_RET (fc_slot_reserve ("cam0", &empty), -EEXIST);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_RESERVED);
  CHECK_EQ (slot_stat ("cam0").reserved, 1);
  CHECK_EQ (slot_stat ("cam0").format_size, 0);
  CHECK_EQ (count_files (test_dir), 3);

  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_RET (fc_consumer_format (consumer, &data, &size), -EAGAIN);
  CHECK_RET (fc_consumer_read (consumer, &(fc_frame_t) FC_FRAME_INIT, 0),
             FC_TIMEOUT);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  put (writer, 1);
  take (consumer, &next);
  CHECK_OK (fc_consumer_format (consumer, &data, &size));
  CHECK (size == 11 && !memcmp (data, "test/frames", size));
  fc_writer_close (writer);

  /* it outlives that writer, and its format is set for good */
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_EOS);
  CHECK_EQ (slot_stat ("cam0").format_size, 11);
  CHECK_RET (drain (consumer, &next), FC_EOS);
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  CHECK_EQ (take (consumer, &next).seq, 1);
  fc_writer_close (writer);
  fc_consumer_close (consumer);
  CHECK (exists (in_dir ("cam0.ring")));
}

static void
reserved_slot_survives_a_change_of_format (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  CHECK_OK (fc_slot_reserve ("cam0", &options));
  /* the memory that was reserved is what there is */
  options.frame_size = 8193;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EMSGSIZE);
  options.format = "other";
  options.format_size = 5;
  options.frame_size = 100;
  options.ring_depth = 99;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (slot_stat ("cam0").reserved, 1);
  CHECK_EQ (slot_stat ("cam0").ring_depth, 4);
  put_size (writer, 100);
  options.format = "third";
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  put_size (writer, 100);
  fc_writer_close (writer);
  CHECK_EQ (slot_stat ("cam0").reserved, 1);
  CHECK_EQ (slot_stat ("cam0").head, 2);
  CHECK_EQ (slot_stat ("cam0").ring_depth, 4);
  CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 0);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  CHECK_EQ (count_files (test_dir), 0);
}

/* Whatever the options of each call say, it is the one ring: what upstream
 * filled in its cells is not copied, nor is a generation made. */
static void
reserved_ring_is_prepared_once (void)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t bytes = options.frame_size;
  fc_writer_t *writer;

  CHECK_OK (fc_slot_reserve ("cam0", &options));
  options.ring_depth = 1000000; /* no ring could have it */
  options.frame_size = 100;
  options.prepare = 1;
  writer = writer_new ("cam0", &options);
  CHECK_RET (fc_writer_prepare (writer, &options), 1);
  CHECK_OK (fc_writer_acquire_prepared (writer, &frame));
  options.frame_size = bytes + 1;
  CHECK_RET (fc_writer_renew (writer, &options), -EMSGSIZE);
  CHECK (strstr (fc_error_detail (), "cam0.ring is reserved") != NULL);
  options.frame_size = 200;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  frame.size = 100;
  CHECK_RET (fc_writer_commit (writer, &frame), 0);
  CHECK_RET (fc_writer_renew (writer, &options), 0);
  CHECK_EQ (slot_stat ("cam0").generation, 1);
  CHECK_EQ (slot_stat ("cam0").head, 1);
  fc_writer_close (writer);
}

/* What fed a closed writer may write into its cells still: a ring with such
 * cells is not carried on. */
static void
cells_out_at_close_make_a_generation (void)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t out = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *old, *writer;
  uint32_t generation;
  uint64_t next = 0;

  CHECK_OK (fc_slot_reserve ("cam0", &options));
  old = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  generation = consumer_stats (consumer).generation;
  put (old, 2);
  CHECK_OK (fc_writer_acquire (old, &out));
  fc_writer_close (old);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).generation, generation + 1);
  CHECK_EQ (writer_stats (writer).head, 2);
  put (writer, 3);
  memset (out.data, 0xee, out.capacity);
  while (drain (consumer, &next) == FC_REPLACED)
    CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_EQ (next, 5);
  fc_writer_abandon (old, &out);
  put (writer, 1);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
removing_an_idle_slot_tells_its_consumers (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;

  CHECK_RET (fc_slot_remove (test_dir, "cam0", 0), -ENOENT);
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 2);
  fc_writer_close (writer);
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  CHECK (!exists (in_dir ("cam0.ring")));
  CHECK_EQ (count_files (test_dir), 0);
  take (consumer, &next);
  take (consumer, &next);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_RET (fc_consumer_attach (consumer, 0), -ENOENT);
  fc_consumer_close (consumer);
}

static void
removing_a_live_slot_takes_force (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options), *next_writer;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  int64_t removed;
  int ret;

  CHECK_RET (fc_slot_remove (test_dir, "cam0", 0), -EBUSY);
  CHECK (exists (in_dir ("cam0.ring")));
  CHECK_OK (fc_writer_write (writer, "a", 1, NULL, NULL));
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
  CHECK (!exists (in_dir ("cam0.ring")));
  removed = now_ns ();
  while ((ret = fc_writer_write (writer, "b", 1, NULL, NULL)) != -ESTALE)
    {
      CHECK_OK (ret);
      CHECK_CMP (now_ns () - removed, <, 3 * SEC);
      nap ();
    }
  CHECK_RET (fc_writer_acquire (writer, &frame), -ESTALE);
  CHECK_RET (fc_writer_finish (writer), -ESTALE);
  while ((ret = fc_consumer_read (consumer, &frame, BOUND)) >= 0)
    ;
  CHECK_RET (ret, FC_REPLACED);
  check_counts (consumer);
  /* the removed one's close does not touch who comes after it */
  fc_writer_close (writer);
  next_writer = writer_new ("cam0", &options);
  CHECK_OK (fc_writer_write (next_writer, "c", 1, NULL, NULL));
  CHECK_CMP (fc_consumer_attach (consumer, BOUND), >=, 0);
  fc_consumer_close (consumer);
  fc_writer_close (next_writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static void
writer_that_was_removed_leaves_its_successor_alone (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *old = writer_new ("cam0", &options), *writer;
  fc_consumer_t *consumer;
  uint64_t next = 0;
  int64_t start = now_ns ();

  CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
  while (fc_writer_open (&writer, "cam0", &options) == -EBUSY)
    {
      /* the right to write is the old one's until it has seen it is gone */
      CHECK_CMP (now_ns () - start, <, 5 * SEC);
      if (fc_writer_write (old, "x", 1, NULL, NULL) == -ESTALE)
        {
          fc_writer_close (old);
          old = NULL;
        }
      nap ();
    }
  consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_writer_close (old);
  next = consumer_stats (consumer).first;
  put (writer, 3);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK (exists (in_dir ("cam0.ring")));
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
live (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, 3);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static void
dead_ring_is_collected_when_nobody_has_it (void)
{
  int ready = event_new ();
  pid_t pid = spawn (live, &ready);
  fc_consumer_t *consumer;
  uint64_t next = 0;

  event_wait (ready);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  CHECK_RET (fc_slot_gc (test_dir, "cam0", 0), 0);
  kill9 (pid);
  CHECK_RET (fc_slot_gc (test_dir, "cam0", 0), 0);
  CHECK (exists (in_dir ("cam0.ring")));
  take (consumer, &next);
  fc_consumer_close (consumer);
  CHECK_CMP (fc_slot_gc (test_dir, "cam0", 0), >=, 1);
  CHECK (!exists (in_dir ("cam0.ring")));
  CHECK_EQ (count_files (test_dir), 0);
  CHECK_RET (fc_slot_gc (test_dir, "cam0", 0), 0);
}

/* A writer that comes back soon carries on in it. */
static void
young_ring_is_left_to_the_next_writer (void)
{
  int ready = event_new ();
  pid_t pid = spawn (live, &ready);

  event_wait (ready);
  kill9 (pid);
  CHECK_RET (fc_slot_gc (test_dir, NULL, 3600 * SEC), 0);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LOST);
  pid = spawn (live, &ready);
  event_wait (ready);
  CHECK_EQ (slot_stat ("cam0").epoch, 2);
  kill9 (pid);
  WAIT_UNTIL (fc_slot_gc (test_dir, NULL, 10 * MS) > 0);
  CHECK (!exists (in_dir ("cam0.ring")));
}

typedef struct
{
  int locked;
  int opening;
  bool removes;
} locker_t;

static void
hold_lock_a_moment (void *arg)
{
  locker_t *locker = arg;
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
  struct timespec moment = { 0, 20 * MS };
  int fd = open (in_dir ("cam0.lock"), O_RDWR | O_CLOEXEC);

  CHECK_EQ (fcntl (fd, F_OFD_SETLK, &lock), 0);
  event_post (locker->locked);
  event_wait (locker->opening);
  nanosleep (&moment, NULL);
  if (locker->removes)
    CHECK_EQ (unlink (in_dir ("cam0.lock")), 0);
  close (fd);
}

/* Whoever collects has a slot's lock for a moment: a writer that begins just
 * then is not told that there is another. */
static void
outwait (bool removes)
{
  locker_t locker = { event_new (), event_new (), removes };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer, *second;
  pid_t pid;

  fc_writer_close (writer_new ("cam0", &options));
  pid = spawn (hold_lock_a_moment, &locker);
  event_wait (locker.locked);
  event_post (locker.opening);
  writer = writer_new ("cam0", &options);
  CHECK_RET (fc_writer_open (&second, "cam0", &options), -EBUSY);
  fc_writer_close (writer);
  reap_ok (pid);
}

static void
writer_outwaits_who_collects (void)
{
  outwait (false);
}

/* The lock that it waited for has no name any more: it would exclude nobody. */
static void
lock_that_was_collected_is_made_anew (void)
{
  outwait (true);
}

static void
slot_that_could_not_be_made_leaves_nothing (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.access = FC_SHARE_ALL; /* in a directory of mode 0700 */
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EPERM);
  CHECK_RET (fc_slot_reserve ("cam0", &options), -EPERM);
  CHECK_EQ (count_files (test_dir), 0);
}

static void
lease_and_wait (void *arg)
{
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static void
collecting_frees_the_entries_of_the_dead (void)
{
  int ready = event_new ();
  pid_t writer = spawn (live, &ready), reader, stays;

  event_wait (ready);
  stays = spawn (lease_and_wait, &ready);
  event_wait (ready);
  reader = spawn (lease_and_wait, &ready);
  event_wait (ready);
  /* without a writer that could notice */
  stop (writer);
  kill9 (reader);
  CHECK_CMP (fc_slot_gc (test_dir, "cam0", 0), >=, 1);
  CHECK_EQ (slot_stat ("cam0").consumers, 1);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 0);
  cont (writer);
  kill9 (writer);
  kill9 (stays);
  CHECK_CMP (fc_slot_gc (test_dir, NULL, 0), >=, 1);
  CHECK_EQ (count_files (test_dir), 0);
}

static void
half_made_files_are_collected (void)
{
  static const char *left[]
      = { ".cam0.tmp.0123456789abcdef", ".cam1.00000000deadbeef.consumers" };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam2", &options);

  for (int i = 0; i < 2; i++)
    close (open (in_dir ("%s", left[i]), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 2);
  for (int i = 0; i < 2; i++)
    CHECK (!exists (in_dir ("%s", left[i])));
  put (writer, 1);
  fc_consumer_close (consumer_new ("cam2", FC_START_LIVE));
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (reserved_slot_waits_for_its_writer),
  TEST (reserved_slot_survives_a_change_of_format),
  TEST (reserved_ring_is_prepared_once),
  TEST (cells_out_at_close_make_a_generation),
  TEST (removing_an_idle_slot_tells_its_consumers),
  TEST (removing_a_live_slot_takes_force),
  TEST (writer_that_was_removed_leaves_its_successor_alone),
  TEST (dead_ring_is_collected_when_nobody_has_it),
  TEST (young_ring_is_left_to_the_next_writer),
  TEST (writer_outwaits_who_collects),
  TEST (lock_that_was_collected_is_made_anew),
  TEST (slot_that_could_not_be_made_leaves_nothing),
  TEST (collecting_frees_the_entries_of_the_dead),
  TEST (half_made_files_are_collected),
};
TEST_MAIN (tests)
