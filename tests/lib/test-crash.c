/* kill -9 of anybody leaves the slot usable.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

/* A writer in a process of its own. */
typedef struct
{
  fc_writer_options_t options;
  unsigned frames; /* to write before it is ready */
  unsigned hold;   /* cells to have out when it is killed */
  bool free_run;   /* go on writing until it is killed */
  int begin;       /* an event to begin at; 0: at once */
  int ready;
} life_t;

static void
live (void *arg)
{
  life_t *life = arg;
  fc_writer_t *writer;

  if (life->begin != 0)
    event_wait (life->begin);
  writer = writer_new ("cam0", &life->options);
  put (writer, life->frames);
  for (unsigned i = 0; i < life->hold; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_OK (fc_writer_acquire (writer, &frame));
      memset (frame.data, 0xee, frame.capacity / 2);
    }
  event_post (life->ready);
  while (life->free_run)
    put (writer, 1);
  for (;;)
    pause ();
}

static pid_t
start (life_t *life)
{
  pid_t pid = spawn (live, life);

  event_wait (life->ready);
  return pid;
}

static life_t
new_life (unsigned frames)
{
  return (life_t){ .options = small_ring (),
                   .frames = frames,
                   .ready = event_new () };
}

static void
lost_writer_is_told_within_half_a_second (void)
{
  life_t life = new_life (0);
  int64_t best = BOUND;

  for (int i = 0; i < 4; i++)
    {
      fc_consumer_options_t options = from (FC_START_LIVE);
      pid_t pid = start (&life);
      fc_consumer_t *consumer;
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t killed;

      options.observe = i % 2;
      consumer = consumer_with ("cam0", &options);
      CHECK_RET (fc_consumer_read (consumer, &frame, MS), FC_TIMEOUT);
      CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
      kill9 (pid);
      killed = now_ns ();
      CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER),
                 FC_WRITER_LOST);
      if (now_ns () - killed < best)
        best = now_ns () - killed;
      CHECK_CMP (now_ns () - killed, <, 2 * SEC);
      CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LOST);
      /* said again by each call that waited */
      CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER),
                 FC_WRITER_LOST);
      fc_consumer_close (consumer);
    }
  CHECK_CMP (best, <, SEC / 2);
}

static void
frames_of_the_dead_are_taken_first (void)
{
  life_t life = new_life (3);
  pid_t pid = start (&life);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;

  kill9 (pid);
  for (int i = 0; i < 3; i++)
    CHECK_EQ (take (consumer, &next).dropped, 0);
  CHECK_RET (fc_consumer_lease (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  fc_consumer_close (consumer);
}

typedef struct
{
  fc_consumer_t *consumer;
  int lost;
} waiter_t;

static void *
wait_on (void *arg)
{
  waiter_t *waiter = arg;
  uint64_t next = 2;
  fc_frame_t frame = FC_FRAME_INIT;
  int ret;

  ret = fc_consumer_read (waiter->consumer, &frame, FC_FOREVER);
  CHECK_RET (ret, FC_WRITER_LOST);
  event_post (waiter->lost);
  while ((ret = fc_consumer_read (waiter->consumer, &frame, FC_FOREVER))
         == FC_WRITER_LOST)
    ;
  check_frame (&frame, ret, &next);
  CHECK_EQ (frame.dropped, 0);
  CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, FC_FRAME_EPOCH);
  return NULL;
}

static void
waiting_on_gets_the_next_writers_frames (void)
{
  life_t life = new_life (2), next_life = new_life (1);
  pid_t pid = start (&life), next_pid;
  waiter_t waiter = { consumer_new ("cam0", FC_START_OLDEST), event_new () };
  uint64_t next = 0;
  fc_frame_t old;
  pthread_t thread;
  fc_consumer_stats_t stats;

  take (waiter.consumer, &next);
  old = take (waiter.consumer, &next);
  /* made before there are threads, which emulators do not fork beside */
  next_life.begin = event_new ();
  next_pid = spawn (live, &next_life);
  thread = thread_new (wait_on, &waiter);
  kill9 (pid);
  event_wait (waiter.lost);
  event_post (next_life.begin);
  event_wait (next_life.ready);
  thread_join (thread);
  stats = consumer_stats (waiter.consumer);
  CHECK_EQ (stats.cursor, 3);
  CHECK_EQ (stats.delivered, 3);
  CHECK_EQ (stats.generation, old.generation);
  CHECK_EQ (stats.epoch, old.epoch + 1);
  kill9 (next_pid);
  fc_consumer_close (waiter.consumer);
}

static void
stopped_writer_is_not_lost (void)
{
  life_t life = new_life (0);
  pid_t pid = start (&life);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;

  stop (pid);
  CHECK_RET (fc_consumer_read (consumer, &frame, 2 * SLICE + 50 * MS),
             FC_TIMEOUT);
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  cont (pid);
  kill9 (pid);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_WRITER_LOST);
  fc_consumer_close (consumer);
}

/* Cells that were being filled are nobody's: they come to use again. */
static void
killed_while_filling_loses_no_cell (void)
{
  life_t life = new_life (3);
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;
  pid_t pid;

  life.hold = 2;
  for (int i = 0; i < 10; i++)
    {
      pid = start (&life);
      CHECK_EQ (slot_stat ("cam0").cells_out, 2);
      kill9 (pid);
    }
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  next = consumer_stats (consumer).first;
  writer = writer_new ("cam0", &life.options);
  CHECK_EQ (writer_stats (writer).head, 30);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  put (writer, 2);
  while (drain (consumer, &next) == FC_REPLACED)
    CHECK_OK (fc_consumer_attach (consumer, BOUND));
  CHECK_EQ (next, 32);
  put (writer, 50);
  CHECK_EQ (slot_stat ("cam0").head - slot_stat ("cam0").oldest, 4);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

typedef struct
{
  int ready;
  unsigned leases;
} victim_t;

static void
lease_and_wait (void *arg)
{
  victim_t *victim = arg;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);

  for (unsigned i = 0; i < victim->leases; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_CMP (fc_consumer_lease (consumer, &frame, BOUND), >=, 0);
    }
  event_post (victim->ready);
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_CMP (fc_consumer_read (consumer, &frame, FC_FOREVER), >=, 0);
    }
}

static void
killed_consumer_gives_back_leases_and_entry (void)
{
  fc_writer_options_t options = small_ring ();
  victim_t victim = { event_new (), 3 };
  fc_writer_t *writer;

  options.max_consumers = 1;
  writer = writer_new ("cam0", &options);
  for (int i = 0; i < 5; i++)
    {
      pid_t pid;

      put (writer, 4);
      pid = spawn (lease_and_wait, &victim);
      event_wait (victim.ready);
      put (writer, 20);
      /* asleep it has no copy under way, which is a lease too */
      WAIT_UNTIL (slot_waiting ("cam0") == 1);
      CHECK_EQ (writer_stats (writer).cells_leased, 3);
      CHECK_EQ (writer_stats (writer).consumers, 1);
      kill9 (pid);
      /* with frames going on, then without */
      WAIT_UNTIL ((i % 2 || put (writer, 1))
                  && writer_stats (writer).cells_leased == 0
                  && writer_stats (writer).consumers == 0);
    }
  CHECK_EQ (writer_stats (writer).dropped, 0);
  fc_consumer_close (consumer_new ("cam0", FC_START_LIVE));
  fc_writer_close (writer);
}

static void
entry_of_the_dead_is_taken_at_once (void)
{
  fc_writer_options_t options = small_ring ();
  victim_t victim = { event_new (), 3 };
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  uint64_t next;
  pid_t pid;

  options.max_consumers = 1;
  writer = writer_new ("cam0", &options);
  put (writer, 4);
  pid = spawn (lease_and_wait, &victim);
  event_wait (victim.ready);
  kill9 (pid);
  /* the one who comes need not wait for the writer to notice */
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_EQ (consumer_stats (consumer).leases_out, 0);
  put (writer, 20);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  next = 4;
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
writer_goes_on_without_a_consumer_killed_asleep (void)
{
  fc_writer_options_t options = small_ring ();
  victim_t victim = { event_new (), 0 };
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *other = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  for (int i = 0; i < 8; i++)
    {
      pid_t pid = spawn (lease_and_wait, &victim);

      event_wait (victim.ready);
      WAIT_UNTIL (slot_waiting ("cam0") == 1);
      kill9 (pid);
      put (writer, 3);
      for (int j = 0; j < 3; j++)
        CHECK_EQ (take (other, &next).dropped, 0);
    }
  fc_consumer_close (other);
  fc_writer_close (writer);
}

/* Killed anywhere in its frames, sixty times: the counts of who stays are
 * exact all the same. */
static void
counts_survive_writers_killed_anywhere (void)
{
  life_t life = new_life (1);
  uint64_t random = 3, next = 0, first_head;
  fc_consumer_t *consumer = NULL;
  fc_consumer_stats_t stats;

  life.free_run = true;
  for (int i = 0; i < 60; i++)
    {
      int64_t until;
      pid_t pid = start (&life);

      if (!consumer)
        {
          consumer = consumer_new ("cam0", FC_START_OLDEST);
          next = consumer_stats (consumer).first;
          first_head = next;
        }
      until = now_ns () + (int64_t) (chance (&random) % (10 * MS));
      while (now_ns () < until)
        drain (consumer, &next);
      kill9 (pid);
      for (int again = 0; drain (consumer, &next) == FC_REPLACED; again++)
        {
          CHECK_CMP (again, <, 3);
          CHECK_OK (fc_consumer_attach (consumer, BOUND));
        }
    }
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.cursor, slot_stat ("cam0").head);
  CHECK_EQ (stats.total_delivered + stats.total_dropped,
            stats.cursor - first_head);
  CHECK_CMP (stats.total_delivered, >, 100u);
  fc_consumer_close (consumer);
}

static void
killed_writer_leaves_nothing_to_the_collector_but_its_files (void)
{
  life_t life = new_life (2);

  kill9 (start (&life));
  CHECK (exists (in_dir ("cam0.ring")));
  CHECK_CMP (fc_slot_gc (test_dir, "cam0", 0), >=, 1);
  CHECK (!exists (in_dir ("cam0.ring")));
  CHECK_EQ (count_files (test_dir), 0);
  CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 0);
}

static const test_t tests[] = {
  TEST (lost_writer_is_told_within_half_a_second),
  TEST (frames_of_the_dead_are_taken_first),
  TEST (waiting_on_gets_the_next_writers_frames),
  TEST (stopped_writer_is_not_lost),
  TEST (killed_while_filling_loses_no_cell),
  TEST (killed_consumer_gives_back_leases_and_entry),
  TEST (entry_of_the_dead_is_taken_at_once),
  TEST (writer_goes_on_without_a_consumer_killed_asleep),
  TEST (counts_survive_writers_killed_anywhere),
  TEST (killed_writer_leaves_nothing_to_the_collector_but_its_files),
};
TEST_MAIN (tests)
