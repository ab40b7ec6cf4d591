/* Two versions of framecache on one slot, as docs/versioning.md has it: the
 * layout of a ring is another one than this library knows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

#define OTHER (FC_LAYOUT_VERSION + 1)

static void
live (void *arg)
{
  fc_writer_options_t options = small_ring ();

  put (writer_new ("cam0", &options), 7);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static fc_ring_header_t *
header_of_ring (void)
{
  return bytes_map (in_dir ("cam0.ring"));
}

/* A live writer whose ring is of the other version: its pid. */
static pid_t
other_writer (void)
{
  int ready = event_new ();
  pid_t pid = spawn (live, &ready);

  event_wait (ready);
  header_of_ring ()->layout_version = OTHER;
  return pid;
}

static void
check_sentence (void)
{
  char theirs[64], ours[64];

  snprintf (theirs, sizeof theirs, "has layout version %u", OTHER);
  snprintf (ours, sizeof ours, "knows version %u", FC_LAYOUT_VERSION);
  CHECK_DETAIL (theirs);
  CHECK_DETAIL (ours);
}

static void
readers_refuse_it_and_name_both_versions (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer = NULL;
  fc_slot_view_t *view = NULL;
  pid_t pid = other_writer ();

  for (options.observe = 0; options.observe < 2; options.observe++)
    {
      CHECK_RET (fc_consumer_open (&consumer, "cam0", &options), -EPROTO);
      check_sentence ();
    }
  CHECK_RET (fc_slot_view_open (&view, test_dir, "cam0"), -EPROTO);
  check_sentence ();

  header_of_ring ()->layout_version = FC_LAYOUT_VERSION;
  fc_consumer_close (consumer_new ("cam0", FC_START_OLDEST));
  kill9 (pid);
}

static void
live_writer_keeps_its_slot (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;
  pid_t pid = other_writer ();

  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
  CHECK_EQ (header_of_ring ()->layout_version, OTHER);
  kill9 (pid);
}

static void
next_writer_makes_a_ring_of_its_own (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;

  kill9 (other_writer ());
  writer = writer_new ("cam0", &options);
  CHECK_EQ (header_of_ring ()->layout_version, FC_LAYOUT_VERSION);
  put (writer, 3);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  for (int i = 0; i < 3; i++)
    {
      fc_frame_t frame = take (consumer, &next);

      fc_consumer_release (consumer, &frame);
    }
  CHECK_EQ (next, 3);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* A writer of the other version took the slot over: its ring has the name. */
static void
reader_of_the_ring_before_is_told (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  uint64_t next = 7 - options.ring_depth;
  fc_frame_t frame = FC_FRAME_INIT;
  char other[400];
  int ready = event_new ();
  pid_t pid = spawn (live, &ready);

  event_wait (ready);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  kill9 (pid);
  snprintf (other, sizeof other, "%s", in_dir ("cam1.ring"));
  put (writer_new ("cam1", &options), 1);
  ((fc_ring_header_t *) bytes_map (other))->layout_version = OTHER;
  CHECK_EQ (rename (other, in_dir ("cam0.ring")), 0);

  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 7);
  WAIT_UNTIL (fc_consumer_read (consumer, &frame, SLICE) == FC_REPLACED);
  CHECK_RET (fc_consumer_attach (consumer, 0), -EPROTO);
  check_sentence ();
  fc_consumer_close (consumer);
}

static const test_t tests[] = {
  TEST (readers_refuse_it_and_name_both_versions),
  TEST (live_writer_keeps_its_slot),
  TEST (next_writer_makes_a_ring_of_its_own),
  TEST (reader_of_the_ring_before_is_told),
};
TEST_MAIN (tests)
