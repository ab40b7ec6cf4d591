/* Everything at once in one process, for ThreadSanitizer above all: writers,
 * consumers that copy, lease, lap, are interrupted, come and go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

enum
{
  READERS = 3
};

typedef struct
{
  fc_writer_t *writer;
  fc_consumer_t *consumer[READERS];
  _Atomic unsigned writers;
  _Atomic unsigned readers;
  _Atomic bool enough;
  uint64_t frames;
  int64_t until;
} shared_t;

static int64_t
run_time (void)
{
  const char *seconds = getenv ("FC_TEST_THREADS_SECONDS");

  return now_ns () + (seconds ? atoi (seconds) : 2) * SEC;
}

/* Frames that say themselves from whom they are: with several writers the
 * seq is known only at the commit. */
static void *
write_some (void *arg)
{
  shared_t *shared = arg;
  uint64_t tag = (uint64_t) shared->writers++ << 32;

  for (; !shared->enough; tag++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret = fc_writer_acquire (shared->writer, &frame);

      if (ret == -EAGAIN)
        continue;
      CHECK_OK (ret);
      fill (frame.data, 8192, tag);
      frame.size = 8192;
      frame.info.user_flags = tag;
      if (tag % 8 == 5)
        {
          fc_writer_abandon (shared->writer, &frame);
          continue;
        }
      if (tag % 4 == 1)
        {
          CHECK_CMP (fc_writer_commit_hold (shared->writer, &frame), >=, 0);
          CHECK (whole (frame.data, 8192, tag));
          fc_writer_unhold (shared->writer, &frame);
        }
      else
        CHECK_CMP (fc_writer_commit (shared->writer, &frame), >=, 0);
    }
  return NULL;
}

static void
check_tagged (const fc_frame_t *frame, int ret, uint64_t *next)
{
  CHECK_EQ (ret, frame->dropped ? FC_DROPPED : FC_OK);
  CHECK_EQ (frame->seq, *next + frame->dropped);
  CHECK (whole (frame->data, frame->size, frame->info.user_flags));
  *next = frame->seq + 1;
}

static void
take_tagged (fc_consumer_t *consumer, uint64_t *next)
{
  fc_frame_t frame = FC_FRAME_INIT;
  bool lease = *next % 3 != 0;
  int ret = lease ? fc_consumer_lease (consumer, &frame, 50 * MS)
                  : fc_consumer_read (consumer, &frame, 50 * MS);

  if (ret == FC_REPLACED)
    {
      CHECK_OK (fc_consumer_attach (consumer, BOUND));
      return;
    }
  if (ret == FC_INTERRUPTED)
    {
      fc_consumer_resume (consumer);
      return;
    }
  if (ret == FC_TIMEOUT || ret == FC_EOS)
    return;
  CHECK_CMP (ret, >=, 0);
  check_tagged (&frame, ret, next);
  if (lease)
    {
      CHECK_RET (fc_frame_intact (consumer, &frame), 1);
      fc_consumer_release (consumer, &frame);
    }
  check_counts (consumer);
}

static void *
read_some (void *arg)
{
  shared_t *shared = arg;
  fc_consumer_t *consumer = shared->consumer[shared->readers++];
  uint64_t next = consumer_stats (consumer).first;

  while (!shared->enough)
    take_tagged (consumer, &next);
  return NULL;
}

static void *
come_and_go (void *arg)
{
  shared_t *shared = arg;

  while (!shared->enough)
    {
      fc_consumer_options_t options = from (FC_START_LATEST);
      fc_consumer_t *consumer = NULL;
      uint64_t next;

      CHECK_OK (fc_consumer_open (&consumer, "cam0", &options));
      next = consumer_stats (consumer).first;
      for (int i = 0; i < 5; i++)
        take_tagged (consumer, &next);
      fc_consumer_close (consumer);
    }
  return NULL;
}

static void *
interrupt_some (void *arg)
{
  static const char block[1000] = "sticky";
  shared_t *shared = arg;

  while (!shared->enough)
    {
      fc_consumer_interrupt (shared->consumer[0]);
      fc_consumer_write_cursor (shared->consumer[1]);
      fc_consumer_resume (shared->consumer[0]);
      CHECK_OK (fc_writer_set_sticky (shared->writer, block, sizeof block));
      writer_stats (shared->writer);
      fc_writer_key_frame_requested (shared->writer);
      nap ();
    }
  return NULL;
}

static void *
renew_some (void *arg)
{
  shared_t *shared = arg;
  fc_writer_options_t options = small_ring ();

  while (!shared->enough)
    {
      options.ring_depth = options.ring_depth == 4 ? 6 : 4;
      CHECK_RET (fc_writer_renew (shared->writer, &options), 1);
      for (int i = 0; i < 40 && !shared->enough; i++)
        nap ();
    }
  return NULL;
}

static void
run (void *(*const *funcs) (void *), size_t count)
{
  fc_writer_options_t options = small_ring ();
  shared_t shared = { .writers = 0 };
  pthread_t threads[12];
  int64_t until = run_time ();

  options.writer_cells = 4;
  shared.writer = writer_new ("cam0", &options);
  for (int i = 0; i < READERS; i++)
    shared.consumer[i] = consumer_new ("cam0", FC_START_LIVE);
  for (size_t i = 0; i < count; i++)
    threads[i] = thread_new (funcs[i], &shared);
  while (now_ns () < until)
    nap ();
  shared.enough = true;
  for (size_t i = 0; i < count; i++)
    thread_join (threads[i]);
  CHECK_CMP (writer_stats (shared.writer).frames, >, 50u);
  CHECK_EQ (writer_stats (shared.writer).cells_out, 0);
  for (int i = 0; i < READERS; i++)
    {
      CHECK_CMP (consumer_stats (shared.consumer[i]).total_delivered, >, 0u);
      fc_consumer_close (shared.consumer[i]);
    }
  fc_writer_close (shared.writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static void
one_writer_and_many_consumers (void)
{
  static void *(*const funcs[]) (void *)
      = { read_some, read_some, read_some, write_some };

  run (funcs, 4);
}

static void
several_writing_threads (void)
{
  static void *(*const funcs[]) (void *)
      = { read_some, read_some, read_some, write_some, write_some, write_some };

  run (funcs, 6);
}

static void
consumers_come_and_go (void)
{
  static void *(*const funcs[]) (void *) = { read_some,   read_some,
                                             read_some,   write_some,
                                             come_and_go, come_and_go };

  run (funcs, 6);
}

static void
interrupts_and_questions (void)
{
  static void *(*const funcs[]) (void *)
      = { read_some, read_some, read_some, write_some, interrupt_some };

  run (funcs, 5);
}

static void
generations_under_way (void)
{
  static void *(*const funcs[]) (void *)
      = { read_some, read_some, read_some, write_some, write_some, renew_some };

  run (funcs, 6);
}

typedef struct
{
  fc_consumer_t *consumer;
  fc_frame_t frame;
  int full, empty;
  _Atomic bool enough;
} hand_t;

static void *
release_elsewhere (void *arg)
{
  hand_t *hand = arg;

  for (;;)
    {
      event_wait (hand->full);
      if (hand->enough)
        return NULL;
      CHECK (whole (hand->frame.data, 8192, hand->frame.seq));
      fc_consumer_release (hand->consumer, &hand->frame);
      event_post (hand->empty);
    }
}

static void
frames_change_hands_between_threads (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  hand_t hand = { consumer_new ("cam0", FC_START_LIVE), FC_FRAME_INIT,
                  event_new (), event_new (), false };
  pthread_t thread = thread_new (release_elsewhere, &hand);
  uint64_t next = 0;

  for (int i = 0; i < 1000; i++)
    {
      int ret;

      put (writer, 1 + i % 3);
      hand.frame = (fc_frame_t) FC_FRAME_INIT;
      ret = fc_consumer_lease (hand.consumer, &hand.frame, BOUND);
      CHECK_CMP (ret, >=, 0);
      next = hand.frame.seq + 1;
      event_post (hand.full);
      put (writer, 6);
      event_wait (hand.empty);
    }
  CHECK_CMP (next, >, 1000u);
  hand.enough = true;
  event_post (hand.full);
  thread_join (thread);
  fc_consumer_close (hand.consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  SLOW_TEST (one_writer_and_many_consumers, 600),
  SLOW_TEST (several_writing_threads, 600),
  SLOW_TEST (consumers_come_and_go, 600),
  SLOW_TEST (interrupts_and_questions, 600),
  SLOW_TEST (generations_under_way, 600),
  SLOW_TEST (frames_change_hands_between_threads, 60),
};
TEST_MAIN (tests)
