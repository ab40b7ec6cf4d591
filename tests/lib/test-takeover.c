/* One writer at a time, and the next carries on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

typedef struct
{
  fc_writer_options_t options;
  unsigned frames;
  int ready;
} life_t;

static void
live (void *arg)
{
  life_t *life = arg;
  fc_writer_t *writer = writer_new ("cam0", &life->options);

  put (writer, life->frames);
  event_post (life->ready);
  for (;;)
    pause ();
}

/* A writer that wrote FRAMES and was killed. */
static void
die (const fc_writer_options_t *options, unsigned frames)
{
  life_t life = { *options, frames, event_new () };
  pid_t pid = spawn (live, &life);

  event_wait (life.ready);
  kill9 (pid);
}

static void
second_writer_is_busy_and_names_the_first (void)
{
  life_t life = { small_ring (), 0, event_new () };
  fc_writer_t *writer = NULL;
  char pid_text[20];
  pid_t pid = spawn (live, &life);

  event_wait (life.ready);
  snprintf (pid_text, sizeof pid_text, "%d", pid);
  CHECK_RET (fc_writer_open (&writer, "cam0", &life.options), -EBUSY);
  CHECK_DETAIL (pid_text);
  CHECK (writer == NULL);
  life.options.frame_size *= 2;
  CHECK_RET (fc_writer_open (&writer, "cam0", &life.options), -EBUSY);
  CHECK_RET (fc_slot_reserve ("cam0", &life.options), -EEXIST);
  CHECK_EQ (slot_stat ("cam0").writer_pid, pid);
  CHECK_EQ (count_files (test_dir), 3);
  kill9 (pid);
}

static void
second_writer_in_the_same_process_is_busy (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options), *second = NULL;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  for (int i = 0; i < 10; i++)
    {
      CHECK_RET (fc_writer_open (&second, "cam0", &options), -EBUSY);
      put (writer, 1);
      take (consumer, &next);
    }
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
same_options_carry_on_in_the_same_ring (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  struct stat before, after;
  uint64_t next = 3;
  uint32_t epoch;

  die (&options, 7);
  epoch = slot_stat ("cam0").epoch;
  CHECK_EQ (stat (in_dir ("cam0.ring"), &before), 0);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  take (consumer, &next);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (stat (in_dir ("cam0.ring"), &after), 0);
  CHECK_EQ (after.st_ino, before.st_ino);
  CHECK_EQ (writer_stats (writer).head, 7);
  CHECK_EQ (writer_stats (writer).epoch, epoch + 1);
  CHECK_EQ (writer_stats (writer).frames, 0);
  put (writer, 1);
  /* the history of the first is still there */
  for (uint64_t seq = 4; seq < 7; seq++)
    CHECK_EQ (take (consumer, &next).epoch, epoch);
  CHECK_EQ (take (consumer, &next).epoch, epoch + 1);
  CHECK_EQ (next, 8);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Frames that a consumer holds while writers die and come. */
static void
leases_hold_through_take_over (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  fc_frame_t frame = FC_FRAME_INIT;

  die (&options, 4);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  for (int i = 0; i < 3; i++)
    {
      die (&options, 30);
      CHECK (whole (frame.data, frame.size, 0));
      CHECK_RET (fc_frame_intact (consumer, &frame), 1);
    }
  writer = writer_new ("cam0", &options);
  put (writer, 30);
  CHECK (whole (frame.data, frame.size, 0));
  CHECK_EQ (writer_stats (writer).cells_leased, 1);
  fc_consumer_release (consumer, &frame);
  CHECK_EQ (writer_stats (writer).cells_leased, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
finished_ring_of_a_reserved_slot_is_carried_on (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  uint64_t next = 0;
  fc_frame_t frame;

  CHECK_OK (fc_slot_reserve ("cam0", &options));
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 2);
  fc_writer_close (writer);
  CHECK (exists (in_dir ("cam0.ring")));
  CHECK_RET (drain (consumer, &next), FC_EOS);
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  frame = take (consumer, &next);
  CHECK_EQ (frame.seq, 2);
  CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, FC_FRAME_EPOCH);
  CHECK_EQ (frame.generation, consumer_stats (consumer).generation);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

typedef void (*change_t) (fc_writer_options_t *options);

static void
change_depth (fc_writer_options_t *options)
{
  options->ring_depth = 5;
}

static void
change_frame_size (fc_writer_options_t *options)
{
  options->frame_size = 3 * 8192;
}

static void
change_format (fc_writer_options_t *options)
{
  options->format = "test/framez";
}

static void
change_format_size (fc_writer_options_t *options)
{
  options->format_size = 10;
}

static void
change_consumers (fc_writer_options_t *options)
{
  options->max_consumers = 9;
}

static void
change_leases (fc_writer_options_t *options)
{
  options->leases = 5;
}

static void
change_writer_cells (fc_writer_options_t *options)
{
  options->writer_cells = 3;
}

static void
change_access (fc_writer_options_t *options)
{
  options->access = FC_SHARE_ALL;
}

static void
change_trust (fc_writer_options_t *options)
{
  options->access = FC_SHARE_ALL;
  options->trust = FC_SHARE_ALL;
}

static const change_t changes[]
    = { change_depth,        change_frame_size, change_format,
        change_format_size,  change_consumers,  change_leases,
        change_writer_cells, change_access,     change_trust };

static void
other_options_make_a_generation (void)
{
  /* access and trust must not be wider than the directory lets through */
  CHECK_EQ (chmod (test_dir, 01777), 0);
  for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++)
    {
      fc_writer_options_t options = small_ring ();
      fc_consumer_t *consumer;
      fc_writer_t *writer;
      fc_consumer_stats_t stats;
      uint64_t next = 0;
      uint32_t generation;
      fc_frame_t frame;

      die (&options, 2);
      generation = slot_stat ("cam0").generation;
      consumer = consumer_new ("cam0", FC_START_OLDEST);
      take (consumer, &next);
      changes[i](&options);
      writer = writer_new ("cam0", &options);
      CHECK_EQ (writer_stats (writer).generation, generation + 1);
      CHECK_EQ (writer_stats (writer).head, 2);
      put (writer, 3);
      CHECK_RET (drain (consumer, &next), FC_REPLACED);
      CHECK_EQ (next, 2);
      CHECK_OK (fc_consumer_attach (consumer, BOUND));
      frame = take (consumer, &next);
      CHECK_EQ (frame.seq, 2);
      CHECK_EQ (frame.generation, generation + 1);
      CHECK_EQ (frame.info.flags & FC_FRAME_EPOCH, FC_FRAME_EPOCH);
      CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
      CHECK_EQ (next, 5);
      stats = consumer_stats (consumer);
      CHECK_EQ (stats.total_delivered, 5);
      CHECK_EQ (stats.total_dropped, 0);
      fc_consumer_close (consumer);
      fc_writer_close (writer);
    }
}

/* What a writer declares but does not build a ring from. */
static void
latency_alone_makes_no_generation (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  uint32_t generation;

  die (&options, 1);
  generation = slot_stat ("cam0").generation;
  options.latency_ns = 999;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).generation, generation);
  CHECK_EQ (slot_stat ("cam0").latency_ns, 999);
  fc_writer_close (writer);
}

static void
first_seq_is_for_new_slots_only (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.first_seq = 1000;
  die (&options, 2);
  CHECK_EQ (slot_stat ("cam0").head, 1002);
  CHECK_EQ (slot_stat ("cam0").first_seq, 1000);
  options.first_seq = 5000;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 1002);
  fc_writer_close (writer);
}

static void
try_to_write (void *arg)
{
  life_t *life = arg;
  fc_writer_t *writer = NULL;
  int ret = fc_writer_open (&writer, "cam0", &life->options);

  if (ret == -EBUSY)
    _exit (3);
  CHECK_OK (ret);
  put (writer, life->frames);
  event_post (life->ready);
  for (;;)
    pause ();
}

static void
many_writers_race_and_one_wins (void)
{
  for (unsigned round = 0; round < 20; round++)
    {
      life_t life = { small_ring (), 1, event_new () };
      pid_t pid[6], winner;
      int won = 0;

      for (int i = 0; i < 6; i++)
        pid[i] = spawn (try_to_write, &life);
      event_wait (life.ready);
      winner = (pid_t) slot_stat ("cam0").writer_pid;
      for (int i = 0; i < 6; i++)
        if (pid[i] == winner)
          won++;
        else
          CHECK_EQ (WEXITSTATUS (reap (pid[i])), 3);
      CHECK_EQ (won, 1);
      CHECK_EQ (slot_stat ("cam0").head, round + 1);
      kill9 (winner);
    }
}

static const test_t tests[] = {
  TEST (second_writer_is_busy_and_names_the_first),
  TEST (second_writer_in_the_same_process_is_busy),
  TEST (same_options_carry_on_in_the_same_ring),
  TEST (leases_hold_through_take_over),
  TEST (finished_ring_of_a_reserved_slot_is_carried_on),
  TEST (other_options_make_a_generation),
  TEST (latency_alone_makes_no_generation),
  TEST (first_seq_is_for_new_slots_only),
  TEST (many_writers_race_and_one_wins),
};
TEST_MAIN (tests)
