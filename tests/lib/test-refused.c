/* What a call refuses because of the state that a handle or a frame is in, with
 * a sentence that says which, and what still works then.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static void
consumer_that_is_not_attached_says_so (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_position_t position = { FC_START_OLDEST, 0, 0, 0, 0 };
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_stats_t stats;
  fc_consumer_t *consumer;
  const void *format;
  size_t size;
  char sticky[8];

#define SAYS_SO(call)                                                          \
  do                                                                           \
    {                                                                          \
      CHECK_RET (call, -ENOENT);                                               \
      CHECK_DETAIL ("cam0 is not attached: fc_consumer_attach ()");            \
    }                                                                          \
  while (0)
  options.detached = 1;
  consumer = consumer_with ("cam0", &options);
  SAYS_SO (fc_consumer_read (consumer, &frame, BOUND));
  SAYS_SO (fc_consumer_lease (consumer, &frame, BOUND));
  SAYS_SO (fc_consumer_seek (consumer, &position));
  SAYS_SO (fc_consumer_request_key_frame (consumer));
  SAYS_SO (fc_consumer_format (consumer, &format, &size));
  SAYS_SO (fc_consumer_sticky (consumer, sticky, sizeof sticky, &size, NULL));
#undef SAYS_SO
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.total_delivered + stats.total_dropped, 0);
  CHECK_EQ (stats.ring_depth, 0);
  fc_consumer_close (consumer);
}

static void
consumer_of_descriptors_is_not_attached_by_name (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t by_fds = from (FC_START_OLDEST);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  int ring, table;

  CHECK_OK (fc_slot_open_fds (test_dir, NULL, "cam0", &ring, &table));
  by_fds.use_fds = 1;
  by_fds.ring_fd = ring;
  by_fds.table_fd = table;
  consumer = consumer_with ("cam0", &by_fds);
  close (ring);
  close (table);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  CHECK_RET (fc_consumer_read (consumer, &(fc_frame_t) FC_FRAME_INIT, 0),
             FC_REPLACED);
  CHECK_RET (fc_consumer_attach (consumer, 0), -EOPNOTSUPP);
  CHECK_DETAIL ("fc_consumer_attach_fds ()");
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
descriptors_come_from_a_directory_that_is_there (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  int ring = -1, table = -1;

  CHECK_RET (fc_slot_open_fds (test_dir, "/nowhere", "cam0", &ring, &table),
             -ENOTDIR);
  CHECK_DETAIL ("there is no slot directory /nowhere");
  CHECK_EQ (ring, -1);
  CHECK_EQ (table, -1);
  fc_writer_close (writer);
}

/* The same slot, but of another directory: -ENOENT as where the ring was
 * replaced meanwhile. */
static void
descriptors_are_of_one_ring (void)
{
  fc_writer_options_t options = small_ring (), other = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options), *namesake;
  char elsewhere[400];
  int ring, table;

  snprintf (elsewhere, sizeof elsewhere, "%s", in_dir ("elsewhere"));
  CHECK_EQ (mkdir (elsewhere, 0700), 0);
  other.dir = elsewhere;
  namesake = writer_new ("cam0", &other);
  CHECK_RET (fc_slot_open_fds (test_dir, elsewhere, "cam0", &ring, &table),
             -ENOENT);
  fc_writer_close (namesake);
  fc_writer_close (writer);
}

static void
observer_may_not_ask_for_a_key_frame (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *observer;

  other.observe = 1;
  observer = consumer_with ("cam0", &other);
  CHECK_RET (fc_consumer_request_key_frame (observer), -EPERM);
  CHECK_DETAIL ("an observer can not ask for a key frame");
  CHECK_EQ (fc_writer_key_frame_requested (writer), 0);
  fc_consumer_close (observer);
  fc_writer_close (writer);
}

static void
frame_that_contradicts_itself_is_not_committed (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_info_t info = FC_INFO_INIT;

  info.flags = FC_FRAME_GAP;
  CHECK_RET (fc_writer_write (writer, "bytes", 5, &info, NULL), -EINVAL);
  CHECK_DETAIL ("a gap has no bytes, this one has 5");
  info.flags = 0;
  info.meta_size = 4;
  info.meta = NULL;
  CHECK_RET (fc_writer_write (writer, "bytes", 5, &info, NULL), -EINVAL);
  CHECK_DETAIL ("meta_size is 4, but meta is NULL");
  CHECK_EQ (writer_stats (writer).head, 0);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  fc_writer_close (writer);
}

static void
frame_that_was_given_back_is_not_intact (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;

  put (writer, 1);
  CHECK_OK (fc_consumer_lease (consumer, &frame, 0));
  CHECK_EQ (fc_frame_intact (consumer, &frame), 1);
  fc_consumer_release (consumer, &frame);
  CHECK_EQ (fc_frame_intact (consumer, &frame), 0);
  /* and once more does nothing */
  fc_consumer_release (consumer, &frame);
  CHECK_EQ (consumer_stats (consumer).leases_out, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* A frame that was leased into the same struct is not what is written into. */
static void
reading_leaves_what_is_leased_alone (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t leased = FC_FRAME_INIT, frame;

  put (writer, 2);
  CHECK_OK (fc_consumer_lease (consumer, &leased, 0));
  frame = leased;
  CHECK_OK (fc_consumer_read (consumer, &frame, 0));
  CHECK (frame.data != leased.data);
  CHECK (whole (frame.data, frame.size, 1));
  CHECK (whole (leased.data, leased.size, 0));
  CHECK_EQ (fc_frame_intact (consumer, &leased), 1);
  fc_consumer_release (consumer, &leased);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static fc_writer_t *
writer_that_was_removed (fc_frame_t *acquired)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_writer_acquire (writer, acquired));
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
  WAIT_UNTIL (fc_writer_acquire (writer, &frame) == FC_REPLACED
              || (fc_writer_abandon (writer, &frame), false));
  return writer;
}

static void
writer_of_a_removed_slot_says_so_at_each_call (void)
{
  fc_writer_options_t options = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer = writer_that_was_removed (&frame);

  frame.size = 1;
  CHECK_RET (fc_writer_commit (writer, &frame), FC_REPLACED);
  CHECK_DETAIL ("slot cam0 was removed");
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  CHECK_RET (fc_writer_write (writer, "bytes", 5, NULL, NULL), FC_REPLACED);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), FC_REPLACED);
  CHECK_DETAIL ("slot cam0 was removed");
  CHECK_RET (fc_writer_prepare (writer, &options), FC_REPLACED);
  fc_writer_close (writer);
  CHECK_CMP (count_files (test_dir), <=, 1u);
}

/* The old generation was given up for a larger one, and that did not fit
 * either: there is no ring until another renewal succeeds. */
static void
writer_without_memory_for_a_ring_says_so_until_it_has_one (void)
{
  fc_writer_options_t options = small_ring (), larger = small_ring ();
  fc_frame_t frame = FC_FRAME_INIT, older = FC_FRAME_INIT;
  fc_writer_t *writer;

  mount_tmpfs (test_dir, 4 << 20, 0);
  writer = writer_new ("cam0", &options);
  CHECK_OK (fc_writer_acquire (writer, &older));
  larger.frame_size = 4 << 20;
  CHECK_RET (fc_writer_renew (writer, &larger), -ENOSPC);
  CHECK_RET (fc_writer_acquire (writer, &frame), FC_REPLACED);
  CHECK_DETAIL ("slot cam0 has no ring: there was no memory");
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  /* what was acquired before goes into the new ring */
  fill (older.data, 100, 0);
  older.size = 100;
  CHECK_CMP (fc_writer_commit (writer, &older), >=, 0);
  CHECK_EQ (writer_stats (writer).head, 1);
  fc_writer_close (writer);
}

/* Its owner could write to what the ring's users trust. */
static void
table_of_another_user_is_not_the_rings (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  if (!am_root ())
    test_skip ("only root may give a file away");
  writer = writer_new ("cam0", &options);
  CHECK_EQ (chown (table_path ("cam0"), NOBODY, NOBODY), 0);
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &other), -EPROTO);
  CHECK_DETAIL ("not its table");
  fc_writer_close (writer);
}

static void
group_that_the_writer_is_not_in_is_not_shared_with (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  if (!am_root ())
    test_skip ("only root may become another user");
  CHECK_EQ (chown (test_dir, NOBODY, 0), 0);
  CHECK_EQ (chmod (test_dir, 0750), 0);
  become_nobody ();
  options.access = FC_SHARE_GROUP;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EPERM);
  CHECK_DETAIL ("to group 0, which the slot is shared with");
  CHECK_EQ (count_files (test_dir), 0);
}

static const test_t tests[] = {
  TEST (consumer_that_is_not_attached_says_so),
  TEST (consumer_of_descriptors_is_not_attached_by_name),
  TEST (descriptors_come_from_a_directory_that_is_there),
  TEST (descriptors_are_of_one_ring),
  TEST (observer_may_not_ask_for_a_key_frame),
  TEST (frame_that_contradicts_itself_is_not_committed),
  TEST (frame_that_was_given_back_is_not_intact),
  TEST (reading_leaves_what_is_leased_alone),
  TEST (writer_of_a_removed_slot_says_so_at_each_call),
  TEST (writer_without_memory_for_a_ring_says_so_until_it_has_one),
  TEST (table_of_another_user_is_not_the_rings),
  TEST (group_that_the_writer_is_not_in_is_not_shared_with),
};
TEST_MAIN (tests)
