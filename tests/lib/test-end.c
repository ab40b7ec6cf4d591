/* The end of a stream, and its next beginning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static void
eos_comes_after_every_frame (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer[2];

  for (other.observe = 0; other.observe < 2; other.observe++)
    consumer[other.observe] = consumer_with ("cam0", &other);
  put (writer, 3);
  CHECK_OK (fc_writer_finish (writer));
  for (int i = 0; i < 2; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      uint64_t next = 0;

      CHECK_RET (drain (consumer[i], &next), FC_EOS);
      CHECK_EQ (next, 3);
      CHECK_RET (fc_consumer_read (consumer[i], &frame, FC_FOREVER), FC_EOS);
      CHECK_RET (fc_consumer_read (consumer[i], &frame, 0), FC_EOS);
      fc_consumer_close (consumer[i]);
    }
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_EOS);
  fc_writer_close (writer);
}

static void *
finish_thread (void *arg)
{
  WAIT_UNTIL (slot_waiting ("cam0") == 1);
  CHECK_OK (fc_writer_finish (arg));
  return NULL;
}

static void
eos_wakes_who_waits (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  pthread_t thread = thread_new (finish_thread, writer);

  CHECK_RET (fc_consumer_lease (consumer, &frame, FC_FOREVER), FC_EOS);
  thread_join (thread);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
frame_after_the_end_begins_an_epoch (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;
  fc_frame_t frame;
  uint32_t epoch;

  put (writer, 1);
  frame = take (consumer, &next);
  epoch = frame.epoch;
  CHECK_EQ (epoch, writer_stats (writer).epoch);
  put (writer, 1);
  frame = take (consumer, &next);
  CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, 0);
  CHECK_OK (fc_writer_finish (writer));
  CHECK_OK (fc_writer_finish (writer));
  CHECK_RET (drain (consumer, &next), FC_EOS);

  put (writer, 2);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  frame = take (consumer, &next);
  CHECK_EQ (frame.seq, 2);
  CHECK_EQ (frame.epoch, epoch + 1);
  CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, FC_FRAME_EPOCH);
  frame = take (consumer, &next);
  CHECK_EQ (frame.epoch, epoch + 1);
  CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, 0);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (writer_stats (writer).epoch, epoch + 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
closing_leaves_the_frames_to_those_attached (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer[2], *late = NULL;

  for (other.observe = 0; other.observe < 2; other.observe++)
    consumer[other.observe] = consumer_with ("cam0", &other);
  put (writer, 4);
  fc_writer_close (writer);
  CHECK (!exists (in_dir ("cam0.ring")));
  CHECK (exists (in_dir ("cam0.lock")));
  CHECK_EQ (count_files (test_dir), 1);
  other.observe = 0;
  CHECK_RET (fc_consumer_open (&late, "cam0", &other), -ENOENT);
  for (int i = 0; i < 2; i++)
    {
      uint64_t next = 0;

      CHECK_RET (drain (consumer[i], &next), FC_EOS);
      CHECK_EQ (next, 4);
      CHECK_EQ (consumer_stats (consumer[i]).dropped, 0);
      fc_consumer_close (consumer[i]);
    }
}

static void
slot_can_be_written_again_after_close (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  put (writer, 2);
  fc_writer_close (writer);
  CHECK_RET (drain (consumer, &next), FC_EOS);
  CHECK_RET (fc_consumer_attach (consumer, 10 * MS), -ENOENT);

  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 0);
  /* nothing of the old count is left, so a new one begins */
  CHECK_RET (fc_consumer_attach (consumer, BOUND), 1);
  CHECK_EQ (consumer_stats (consumer).first, 0);
  put (writer, 3);
  next = 0;
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 3);
  CHECK_EQ (consumer_stats (consumer).delivered, 3);
  CHECK_EQ (consumer_stats (consumer).total_delivered, 5);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
late_joiner_of_a_finished_stream_gets_its_history (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  uint64_t next = 6;

  put (writer, 10);
  CHECK_OK (fc_writer_finish (writer));
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  CHECK_RET (drain (consumer, &next), FC_EOS);
  CHECK_EQ (next, 10);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
latency_is_told_to_consumers (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;

  options.latency_ns = 12345;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_EQ (consumer_stats (consumer).latency_ns, 12345);
  CHECK_EQ (slot_stat ("cam0").latency_ns, 12345);
  fc_writer_set_latency (writer, 777);
  CHECK_EQ (consumer_stats (consumer).latency_ns, 777);
  CHECK_EQ (slot_stat ("cam0").latency_ns, 777);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (eos_comes_after_every_frame),
  TEST (eos_wakes_who_waits),
  TEST (frame_after_the_end_begins_an_epoch),
  TEST (closing_leaves_the_frames_to_those_attached),
  TEST (slot_can_be_written_again_after_close),
  TEST (late_joiner_of_a_finished_stream_gets_its_history),
  TEST (latency_is_told_to_consumers),
};
TEST_MAIN (tests)
