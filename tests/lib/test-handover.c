/* Slots that are handed to a process by descriptors, and to another user.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/mman.h>

#include "fc-test.h"

/* A consumer that knows no directory, attached to what SLOT is now. */
static int
attach (fc_consumer_t *consumer, bool observe, int waited)
{
  int ring, table = -1, r;

  CHECK_OK (fc_slot_open_fds (test_dir, NULL, "cam0", &ring,
                              observe ? NULL : &table));
  r = fc_consumer_attach_fds (consumer, ring, table, waited);
  close (ring);
  if (table >= 0)
    close (table);
  return r;
}

static fc_consumer_t *
detached (fc_start_t start)
{
  fc_consumer_options_t options = from (start);

  options.dir = "/nowhere";
  options.detached = 1;
  return consumer_with ("cam0", &options);
}

static void
descriptors_are_enough (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = detached (FC_START_OLDEST);
  fc_consumer_t *observer = detached (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0, seen = 0;

  put (writer, 3);
  CHECK_OK (attach (consumer, false, 0));
  CHECK_OK (attach (observer, true, 0));
  CHECK_EQ (slot_stat ("cam0").consumers, 1);
  take (consumer, &next);
  take (observer, &seen);
  CHECK_RET (fc_consumer_lease (observer, &frame, 0), -EPERM);
  drain (consumer, &next);
  CHECK_EQ (next, 3);
  fc_consumer_close (consumer);
  fc_consumer_close (observer);
  CHECK_EQ (slot_stat ("cam0").consumers, 0);
  fc_writer_close (writer);
}

/* The next generation by its own descriptors, at the same cursor. */
static void
next_ring_is_followed (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = detached (FC_START_OLDEST);
  uint64_t next = 0;

  put (writer, 2);
  CHECK_OK (attach (consumer, false, 0));
  take (consumer, &next);
  /* the same ring again changes nothing */
  CHECK_OK (attach (consumer, false, 0));
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  put (writer, 2);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_EQ (next, 2);
  CHECK_RET (fc_consumer_attach (consumer, 0), -ENOENT);
  CHECK_OK (attach (consumer, false, 0));
  drain (consumer, &next);
  CHECK_EQ (next, 4);
  check_counts (consumer);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
ring_that_is_over_is_no_slot (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = detached (FC_START_OLDEST);
  int ring, table;

  put (writer, 1);
  CHECK_OK (fc_slot_open_fds (test_dir, NULL, "cam0", &ring, &table));
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  CHECK_RET (fc_consumer_attach_fds (consumer, ring, table, 0), -ENOENT);
  CHECK_RET (fc_consumer_attach_fds (consumer, -1, -1, 0), -EBADF);
  CHECK_RET (fc_consumer_attach_fds (consumer, table, -1, 0), -EPROTO);
  close (ring);
  close (table);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Who waited for a slot, by whatever means, begins with its first frame. */
static void
who_waited_gets_all_frames (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *waited = detached (FC_START_LIVE);
  fc_consumer_t *came = detached (FC_START_LIVE);
  uint64_t next = 0;

  put (writer, 2);
  CHECK_OK (attach (waited, false, 1));
  CHECK_OK (attach (came, false, 0));
  drain (waited, &next);
  CHECK_EQ (next, 2);
  CHECK_EQ (consumer_stats (came).cursor, 2);
  fc_consumer_close (waited);
  fc_consumer_close (came);
  fc_writer_close (writer);
}

/* Also those of a ring that was replaced before they could see it: they are
 * lost, and counted. */
static void
who_waited_counts_what_was_replaced (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *waited = detached (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer;

  options.first_seq = 100;
  writer = writer_new ("cam0", &options);
  put (writer, 2);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  put (writer, 1);
  CHECK_OK (attach (waited, false, 1));
  CHECK_RET (fc_consumer_read (waited, &frame, 0), FC_DROPPED);
  CHECK_EQ (frame.seq, 102);
  CHECK_EQ (frame.dropped, 2);
  CHECK_EQ (consumer_stats (waited).dropped, 2);
  check_counts (waited);
  fc_consumer_close (waited);
  fc_writer_close (writer);
}

static void
ring_is_handed_out_read_only (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  int ring, table, other;

  CHECK_OK (fc_slot_open_fds (test_dir, NULL, "cam0", &ring, &table));
  CHECK_EQ (fcntl (ring, F_GETFL) & O_ACCMODE, O_RDONLY);
  CHECK_EQ (fcntl (ring, F_GETFD), FD_CLOEXEC);
  CHECK_EQ (fcntl (table, F_GETFD), FD_CLOEXEC);
  CHECK_EQ (ftruncate (ring, 0), -1);
  CHECK (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0)
         == MAP_FAILED);
  /* by another path of the directory, which must have the same ring */
  CHECK_OK (fc_slot_open_fds (test_dir, in_dir ("."), "cam0", &other, NULL));
  close (other);
  CHECK_EQ (mkdir (in_dir ("other"), 0700), 0);
  CHECK_RET (
      fc_slot_open_fds (test_dir, in_dir ("other"), "cam0", &other, NULL),
      -ENOENT);
  options.dir = in_dir ("other");
  fc_writer_close (writer_new ("cam1", &options));
  CHECK_RET (fc_slot_open_fds (test_dir, NULL, "cam1", &other, NULL), -ENOENT);
  CHECK_RET (fc_slot_open_fds (test_dir, NULL, "../x", &other, NULL), -EINVAL);
  close (ring);
  close (table);
  fc_writer_close (writer);
}

/* Each call's table is a description of its own: who attaches by one does not
 * hold the other's entry. */
static void
tables_are_descriptions_of_their_own (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *first = detached (FC_START_LIVE);
  fc_consumer_t *second = detached (FC_START_LIVE);

  CHECK_OK (attach (first, false, 0));
  CHECK_OK (attach (second, false, 0));
  CHECK_EQ (slot_stat ("cam0").consumers, 2);
  fc_consumer_close (first);
  CHECK_EQ (slot_stat ("cam0").consumers, 1);
  put (writer, 1);
  fc_consumer_close (second);
  fc_writer_close (writer);
}

/* Owners ------------------------------------------------------------------ */

static void
write_as_nobody (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  become_nobody ();
  writer = writer_new ("cam0", &options);
  put (writer, 3);
  fc_writer_close (writer);
}

static void
slot_is_its_owners (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  uint64_t next = 0;
  struct stat st;

  if (!am_root ())
    test_skip ("only root gives files away");
  CHECK_EQ (chmod (test_dir, 01777), 0);
  options.owner_set = 1;
  options.owner = NOBODY;
  options.access = options.trust = FC_SHARE_ALL;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  CHECK_EQ (slot_stat ("cam0").owner, NOBODY);
  CHECK_EQ (stat (table_path ("cam0"), &st), 0);
  CHECK_EQ (st.st_uid, NOBODY);
  CHECK_EQ (stat (in_dir ("cam0.lock"), &st), 0);
  CHECK_EQ (st.st_uid, NOBODY);
  reap_ok (spawn (write_as_nobody, NULL));
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  CHECK_RET (drain (consumer, &next), FC_EOS);
  CHECK_EQ (next, 3);
  fc_consumer_close (consumer);
}

/* Whoever hands the table over, it is the ring's owner who has to be
 * trusted. */
static void
ring_of_another_user_is_only_observed (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t trusting = from (FC_START_LIVE);
  fc_consumer_t *consumer;

  if (!am_root ())
    test_skip ("only root gives files away");
  CHECK_EQ (chmod (test_dir, 01777), 0);
  options.owner_set = 1;
  options.owner = NOBODY;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  consumer = detached (FC_START_LIVE);
  CHECK_OK (attach (consumer, false, 0));
  CHECK_EQ (consumer_stats (consumer).observing, 1);
  CHECK_EQ (slot_stat ("cam0").consumers, 0);
  fc_consumer_close (consumer);
  trusting.detached = 1;
  trusting.trust_uid_set = 1;
  trusting.trust_uid = NOBODY;
  consumer = consumer_with ("cam0", &trusting);
  CHECK_OK (attach (consumer, false, 0));
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  CHECK_EQ (slot_stat ("cam0").consumers, 1);
  fc_consumer_close (consumer);
}

static void
give_away_as_nobody (void *arg)
{
  fc_writer_options_t options = small_ring ();

  become_nobody ();
  options.owner_set = 1;
  options.owner = 0;
  CHECK_RET (fc_slot_reserve ("cam0", &options), -EPERM);
  CHECK_DETAIL ("user 0");
  CHECK (!exists (in_dir ("cam0.ring")));
  options.owner = NOBODY;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
}

static void
owner_that_may_not_be_is_an_error (void)
{
  fc_writer_options_t options = small_ring ();

  options.owner_set = 2;
  CHECK_RET (fc_slot_reserve ("cam0", &options), -EINVAL);
  if (!am_root ())
    test_skip ("only root becomes somebody else");
  CHECK_EQ (chown (test_dir, NOBODY, (gid_t) -1), 0);
  reap_ok (spawn (give_away_as_nobody, NULL));
}

static const test_t tests[] = {
  TEST (descriptors_are_enough),
  TEST (next_ring_is_followed),
  TEST (ring_that_is_over_is_no_slot),
  TEST (who_waited_gets_all_frames),
  TEST (who_waited_counts_what_was_replaced),
  TEST (ring_is_handed_out_read_only),
  TEST (tables_are_descriptions_of_their_own),
  TEST (slot_is_its_owners),
  TEST (ring_of_another_user_is_only_observed),
  TEST (owner_that_may_not_be_is_an_error),
};
TEST_MAIN (tests)
