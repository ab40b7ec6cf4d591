/* A lease holds its frame, and nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static fc_frame_t
lease (fc_consumer_t *consumer, uint64_t *next)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int ret = fc_consumer_lease (consumer, &frame, BOUND);

  CHECK_CMP (ret, >=, 0);
  check_frame (&frame, ret, next);
  check_counts (consumer);
  return frame;
}

static void
leased_frame_survives_laps (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  fc_frame_t frame;
  uint64_t next = 0;

  options.ring_depth = 2;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 1);
  frame = lease (consumer, &next);
  for (int i = 0; i < 200; i++)
    {
      put (writer, 3);
      CHECK (whole (frame.data, frame.size, 0));
      CHECK_RET (fc_frame_intact (consumer, &frame), 1);
    }
  CHECK_EQ (writer_stats (writer).dropped, 0);
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
leases_run_out_and_copies_do_not (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t held[3], frame = FC_FRAME_INIT;
  uint64_t next = 0;

  /* 4 leases where none are given, of which one is kept for copies */
  for (int i = 0; i < 3; i++)
    {
      put (writer, 1);
      held[i] = lease (consumer, &next);
    }
  put (writer, 1);
  CHECK_RET (fc_consumer_lease (consumer, &frame, FC_FOREVER), -EAGAIN);
  CHECK_EQ (consumer_stats (consumer).leases_out, 3);
  CHECK_EQ (consumer_stats (consumer).cursor, 3);
  for (int i = 0; i < 50; i++)
    {
      take (consumer, &next);
      put (writer, 1);
    }
  for (int i = 0; i < 3; i++)
    CHECK (whole (held[i].data, held[i].size, held[i].seq));
  fc_consumer_release (consumer, &held[1]);
  held[1] = lease (consumer, &next);
  for (int i = 0; i < 3; i++)
    fc_consumer_release (consumer, &held[i]);
  CHECK_EQ (consumer_stats (consumer).leases_out, 0);
  CHECK_EQ (consumer_stats (consumer).dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
leases_end_in_any_order (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  fc_frame_t held[7];
  uint64_t next = 0, random = 1;

  options.leases = 8;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  for (int i = 0; i < 7; i++)
    {
      put (writer, 1);
      held[i] = lease (consumer, &next);
    }
  for (int i = 0; i < 2000; i++)
    {
      unsigned n = (unsigned) (chance (&random) % 7);

      CHECK (whole (held[n].data, held[n].size, held[n].seq));
      fc_consumer_release (consumer, &held[n]);
      put (writer, 1);
      held[n] = lease (consumer, &next);
    }
  for (int i = 0; i < 7; i++)
    {
      CHECK (whole (held[i].data, held[i].size, held[i].seq));
      fc_consumer_release (consumer, &held[i]);
    }
  CHECK_EQ (writer_stats (writer).dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

typedef struct
{
  fc_consumer_t *consumer;
  fc_frame_t *frame;
} held_t;

static void *
release_thread (void *arg)
{
  held_t *held = arg;

  fc_consumer_release (held->consumer, held->frame);
  return NULL;
}

static void
another_thread_may_release (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  uint64_t next = 0;

  /* with the least of leases a frame that was not released stops the next */
  options.leases = 2;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  for (int i = 0; i < 100; i++)
    {
      fc_frame_t frame;
      held_t held = { consumer, &frame };

      put (writer, 1);
      frame = lease (consumer, &next);
      thread_join (thread_new (release_thread, &held));
    }
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
closed_consumer_keeps_its_entry_until_released (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer;
  fc_consumer_t *consumer, *second = NULL;
  fc_frame_t a, b;
  held_t held;
  uint64_t next = 0;

  options.max_consumers = 1;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 2);
  a = lease (consumer, &next);
  b = lease (consumer, &next);
  fc_consumer_close (consumer);
  put (writer, 50);
  CHECK (whole (a.data, a.size, 0) && whole (b.data, b.size, 1));
  CHECK_RET (fc_consumer_open (&second, "cam0", &other), -EUSERS);
  fc_consumer_release (consumer, &a);
  CHECK_RET (fc_consumer_open (&second, "cam0", &other), -EUSERS);
  CHECK (whole (b.data, b.size, 1));
  CHECK_RET (fc_frame_intact (consumer, &b), 1);
  held = (held_t){ consumer, &b };
  thread_join (thread_new (release_thread, &held));
  second = consumer_with ("cam0", &other);
  next = put (writer, 1);
  take (second, &next);
  fc_consumer_close (second);
  fc_writer_close (writer);
}

static void
lease_outlives_the_writer (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame;
  uint64_t next = 0;

  put (writer, 1);
  frame = lease (consumer, &next);
  fc_writer_close (writer);
  CHECK (whole (frame.data, frame.size, 0));
  fc_consumer_close (consumer);
  CHECK (whole (frame.data, frame.size, 0));
  fc_consumer_release (consumer, &frame);
}

static void
all_leases_of_all_consumers_hold (void)
{
  enum
  {
    CONSUMERS = 8,
    LEASES = 3
  };
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_writer_t *writer;
  fc_consumer_t *consumer[CONSUMERS];
  fc_frame_t held[CONSUMERS][LEASES];
  fc_writer_stats_t stats;

  options.ring_depth = 2;
  CHECK_OK (fc_plan (&options, &plan));
  writer = writer_new ("cam0", &options);
  for (int i = 0; i < CONSUMERS; i++)
    consumer[i] = consumer_new ("cam0", FC_START_LIVE);
  for (int i = 0; i < CONSUMERS * LEASES; i++)
    {
      uint64_t next = put (writer, 1);
      const fc_position_t latest = { .start = FC_START_LATEST };
      fc_consumer_t *c = consumer[i % CONSUMERS];

      CHECK_OK (fc_consumer_seek (c, &latest));
      held[i % CONSUMERS][i / CONSUMERS] = lease (c, &next);
      put (writer, 1);
      /* spare cells are the housekeeper's work, as fast as it gets to it */
      WAIT_UNTIL (writer_stats (writer).cells
                  >= 2 + 2 + writer_stats (writer).cells_leased);
    }
  put (writer, 100);
  for (int i = 0; i < CONSUMERS; i++)
    for (int j = 0; j < LEASES; j++)
      CHECK (whole (held[i][j].data, held[i][j].size, held[i][j].seq));
  stats = writer_stats (writer);
  CHECK_EQ (stats.cells_leased, CONSUMERS * LEASES);
  CHECK_EQ (stats.consumers, CONSUMERS);
  CHECK_EQ (stats.dropped, 0);
  CHECK_CMP (stats.cells, <=, plan.cells_planned);
  CHECK_CMP (stats.bytes_allocated, <=, plan.bytes_planned);
  for (int i = 0; i < CONSUMERS; i++)
    {
      for (int j = 0; j < LEASES; j++)
        fc_consumer_release (consumer[i], &held[i][j]);
      fc_consumer_close (consumer[i]);
    }
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  CHECK_EQ (writer_stats (writer).consumers, 0);
  fc_writer_close (writer);
}

/* Spare cells are made while the frames go on: with room for them the history
 * keeps its depth, however many leases there are. */
static void
leases_do_not_shorten_the_history (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer[4];
  fc_frame_t held[4][3];
  uint64_t next[4] = { 0 };

  options.ring_depth = 8;
  writer = writer_new ("cam0", &options);
  for (int i = 0; i < 4; i++)
    consumer[i] = consumer_new ("cam0", FC_START_LIVE);
  for (int j = 0; j < 3; j++)
    for (int i = 0; i < 4; i++)
      {
        put (writer, 1);
        held[i][j] = lease (consumer[i], &next[i]);
        put (writer, 1);
        WAIT_UNTIL (writer_stats (writer).cells
                    >= 8 + 2 + writer_stats (writer).cells_leased);
      }
  put (writer, 50);
  CHECK_EQ (slot_stat ("cam0").oldest, writer_stats (writer).head - 8);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  for (int i = 0; i < 4; i++)
    {
      for (int j = 0; j < 3; j++)
        fc_consumer_release (consumer[i], &held[i][j]);
      fc_consumer_close (consumer[i]);
    }
  fc_writer_close (writer);
}

static void
several_may_lease_the_same_frame (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer[3];
  fc_frame_t frame[3];

  for (int i = 0; i < 3; i++)
    consumer[i] = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 1);
  for (int i = 0; i < 3; i++)
    {
      uint64_t next = 0;

      frame[i] = lease (consumer[i], &next);
    }
  for (int i = 0; i < 3; i++)
    {
      put (writer, 20);
      CHECK_EQ (writer_stats (writer).cells_leased, 1);
      CHECK (whole (frame[i].data, 8192, 0));
      fc_consumer_release (consumer[i], &frame[i]);
    }
  put (writer, 20);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  for (int i = 0; i < 3; i++)
    fc_consumer_close (consumer[i]);
  fc_writer_close (writer);
}

static void
table_full_names_its_limit (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer[3], *more = NULL;
  fc_writer_t *writer;

  options.max_consumers = 3;
  writer = writer_new ("cam0", &options);
  for (int i = 0; i < 3; i++)
    consumer[i] = consumer_new ("cam0", FC_START_LIVE);
  CHECK_RET (fc_consumer_open (&more, "cam0", &other), -EUSERS);
  CHECK_DETAIL ("3");
  CHECK (more == NULL);
  fc_consumer_close (consumer[1]);
  consumer[1] = consumer_with ("cam0", &other);
  /* an observer has no place in the table */
  other.observe = 1;
  more = consumer_with ("cam0", &other);
  CHECK_EQ (consumer_stats (more).observing, 1);
  CHECK_EQ (writer_stats (writer).consumers, 3);
  fc_consumer_close (more);
  for (int i = 0; i < 3; i++)
    fc_consumer_close (consumer[i]);
  fc_writer_close (writer);
}

static void
key_frame_requests_reach_the_writer_once (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *a = consumer_new ("cam0", FC_START_LIVE);
  fc_consumer_t *b = consumer_new ("cam0", FC_START_LIVE);

  CHECK_RET (fc_writer_key_frame_requested (writer), 0);
  CHECK_OK (fc_consumer_request_key_frame (a));
  CHECK_OK (fc_consumer_request_key_frame (b));
  CHECK_OK (fc_consumer_request_key_frame (b));
  CHECK_RET (fc_writer_key_frame_requested (writer), 1);
  CHECK_RET (fc_writer_key_frame_requested (writer), 0);
  CHECK_OK (fc_consumer_request_key_frame (b));
  CHECK_RET (fc_writer_key_frame_requested (writer), 1);
  CHECK_RET (fc_writer_key_frame_requested (writer), 0);
  fc_consumer_close (a);
  fc_consumer_close (b);
  fc_writer_close (writer);
}

enum
{
  LARGE = 24 << 20
};

typedef struct
{
  fc_consumer_t *consumer;
  uint64_t seq; /* that it has to get */
  int64_t ended;
} copier_t;

static void *
copy_large (void *arg)
{
  copier_t *copier = arg;
  fc_frame_t frame = FC_FRAME_INIT;
  int ret = fc_consumer_read (copier->consumer, &frame, BOUND);

  copier->ended = now_ns ();
  if (ret == FC_DROPPED)
    {
      /* Lapped between the lease and the second look: not the case here. */
      copier->ended = 0;
      return NULL;
    }
  CHECK_RET (ret, FC_OK);
  CHECK_EQ (frame.seq, copier->seq);
  CHECK_EQ (frame.size, LARGE);
  CHECK (whole (frame.data, frame.size, frame.seq));
  return NULL;
}

static int
count_leases (const fc_consumer_stat_t *stat, void *user_data)
{
  *(uint32_t *) user_data += stat->leases;
  return 0;
}

/* The writer laps a copy that is under way: it gets its frame all the same,
 * which without a hold on it could only be lost. */
static void
copy_is_a_lease_while_it_lasts (void)
{
  fc_writer_options_t options = small_ring ();
  const fc_position_t live = { .start = FC_START_LIVE };
  copier_t copier;
  fc_writer_t *writer;
  int lapped = 0;

  options.frame_size = LARGE;
  options.ring_depth = 2;
  options.max_consumers = 1;
  options.leases = 2;
  options.writer_cells = 1;
  writer = writer_new ("cam0", &options);
  copier.consumer = consumer_new ("cam0", FC_START_LIVE);
  for (int tries = 0; lapped == 0 && tries < 50; tries++)
    {
      uint32_t leases = 0;
      int64_t lapped_at;
      pthread_t thread;

      CHECK_OK (fc_consumer_seek (copier.consumer, &live));
      copier.ended = INT64_MAX;
      copier.seq = put_size (writer, LARGE);
      thread = thread_new (copy_large, &copier);
      while (leases == 0)
        {
          CHECK_OK (
              fc_slot_consumers (test_dir, "cam0", count_leases, &leases));
          if (leases == 0 && pthread_tryjoin_np (thread, NULL) == 0)
            break;
        }
      if (leases == 0)
        continue;
      for (int i = 0; i < 8; i++)
        put_size (writer, 8);
      lapped_at = now_ns ();
      thread_join (thread);
      lapped += copier.ended > lapped_at;
    }
  CHECK_CMP (lapped, >, 0);
  fc_consumer_close (copier.consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (leased_frame_survives_laps),
  TEST (leases_run_out_and_copies_do_not),
  TEST (leases_end_in_any_order),
  TEST (another_thread_may_release),
  TEST (closed_consumer_keeps_its_entry_until_released),
  TEST (lease_outlives_the_writer),
  TEST (all_leases_of_all_consumers_hold),
  TEST (leases_do_not_shorten_the_history),
  TEST (several_may_lease_the_same_frame),
  TEST (table_full_names_its_limit),
  TEST (copy_is_a_lease_while_it_lasts),
  TEST (key_frame_requests_reach_the_writer_once),
};
TEST_MAIN (tests)
