/* Where reading begins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

/* Ten frames in a ring of depth 6, captured at 1000, 1010, ... ns; the fourth
 * and the seventh are key frames: 4 to 9 are in the history. */
static fc_writer_t *
ten_frames (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  char data[100];

  options.ring_depth = 6;
  writer = writer_new ("cam0", &options);
  for (uint64_t i = 0; i < 10; i++)
    {
      fc_info_t info = FC_INFO_INIT;

      fill (data, sizeof data, i);
      info.capture_ns = 1000 + 10 * i;
      info.flags = i == 4 || i == 7 ? FC_FRAME_KEY : FC_FRAME_DELTA;
      CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, NULL));
    }
  return writer;
}

/* Both at attach and by a seek, of consumers and of observers. */
static void
check_position (fc_position_t position, uint64_t expected)
{
  for (uint32_t observe = 0; observe < 2; observe++)
    {
      fc_consumer_options_t options = from (FC_START_LIVE);
      fc_consumer_t *consumer, *seeker;
      uint64_t next = expected;

      options.observe = observe;
      seeker = consumer_with ("cam0", &options);
      options.position = position;
      consumer = consumer_with ("cam0", &options);
      CHECK_EQ (consumer_stats (consumer).first, expected);
      CHECK_EQ (consumer_stats (consumer).cursor, expected);
      CHECK_OK (fc_consumer_seek (seeker, &position));
      CHECK_EQ (consumer_stats (seeker).first, expected);
      CHECK_EQ (consumer_stats (seeker).cursor, expected);
      if (expected < 10)
        {
          CHECK_EQ (take (consumer, &next).seq, expected);
          next = expected;
          CHECK_EQ (take (seeker, &next).seq, expected);
        }
      else
        {
          fc_frame_t frame = FC_FRAME_INIT;

          CHECK_RET (fc_consumer_read (consumer, &frame, 0), FC_TIMEOUT);
        }
      fc_consumer_close (consumer);
      fc_consumer_close (seeker);
    }
}

static void
live_is_the_next_frame (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_LIVE }, 10);
  fc_writer_close (writer);
}

static void
latest_is_the_newest_frame (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_LATEST }, 9);
  fc_writer_close (writer);
}

static void
oldest_is_the_whole_history (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_OLDEST }, 4);
  fc_writer_close (writer);
}

static void
oldest_goes_back_as_far_as_asked (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_OLDEST, .back = 2 }, 8);
  check_position ((fc_position_t){ .start = FC_START_OLDEST, .back = 6 }, 4);
  check_position ((fc_position_t){ .start = FC_START_OLDEST, .back = 7 }, 4);
  check_position (
      (fc_position_t){ .start = FC_START_OLDEST, .back = UINT32_MAX }, 4);
  fc_writer_close (writer);
}

static void
key_is_the_newest_key_frame (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_KEY }, 7);
  fc_writer_close (writer);
}

static void
seq_is_that_frame_or_the_oldest_after_it (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_SEQ, .value = 6 }, 6);
  check_position ((fc_position_t){ .start = FC_START_SEQ, .value = 9 }, 9);
  check_position ((fc_position_t){ .start = FC_START_SEQ, .value = 4 }, 4);
  check_position ((fc_position_t){ .start = FC_START_SEQ, .value = 3 }, 4);
  check_position ((fc_position_t){ .start = FC_START_SEQ, .value = 0 }, 4);
  fc_writer_close (writer);
}

static void
time_is_the_first_frame_captured_then_or_later (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_TIME, .value = 0 }, 4);
  check_position ((fc_position_t){ .start = FC_START_TIME, .value = 1040 }, 4);
  check_position ((fc_position_t){ .start = FC_START_TIME, .value = 1061 }, 7);
  check_position ((fc_position_t){ .start = FC_START_TIME, .value = 1070 }, 7);
  check_position ((fc_position_t){ .start = FC_START_TIME, .value = 1090 }, 9);
  fc_writer_close (writer);
}

static void
margin_is_three_quarters_back_or_the_oldest (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ .start = FC_START_MARGIN }, 5);
  fc_writer_close (writer);

  options.ring_depth = 40;
  writer = writer_new ("cam0", &options);
  put (writer, 10);
  check_position ((fc_position_t){ .start = FC_START_MARGIN }, 0);
  fc_writer_close (writer);
}

/* Ten frames, one a minute; the second and the eighth are key frames. */
static void
ago_counts_back_from_now (void)
{
  const uint64_t minute = 60000000000;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  struct timespec now;
  uint64_t base;

  options.ring_depth = 12;
  writer = writer_new ("cam0", &options);
  CHECK_OK (clock_gettime (CLOCK_MONOTONIC, &now));
  base = (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
  for (uint64_t i = 0; i < 10; i++)
    {
      fc_info_t info = FC_INFO_INIT;
      char data[8];

      fill (data, sizeof data, i);
      /* before the machine began is long ago too */
      info.capture_ns = base - (9 - i) * minute;
      info.flags = i == 1 || i == 7 ? FC_FRAME_KEY : FC_FRAME_DELTA;
      if (info.capture_ns > base)
        info.capture_ns = 0;
      CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, NULL));
    }
  check_position ((fc_position_t){ .start = FC_START_AGO, .value = minute / 2 },
                  9);
  check_position (
      (fc_position_t){ .start = FC_START_AGO, .value = minute / 2, .key = 1 },
      7);
  check_position ((fc_position_t){ .start = FC_START_AGO, .value = UINT64_MAX },
                  0);
  check_position (
      (fc_position_t){ .start = FC_START_AGO, .value = UINT64_MAX, .key = 1 },
      1);
  check_position ((fc_position_t){ .start = FC_START_AGO, .key = 1 }, 7);
  fc_writer_close (writer);
}

/* 4 to 9 are in the history, of which 4 and 7 are key frames. */
static void
key_rounds_back_to_a_key_frame (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ FC_START_TIME, 0, 1090, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_TIME, 0, 1070, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_TIME, 0, 1069, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_TIME, 0, 1060, 1, 0 }, 4);
  check_position ((fc_position_t){ FC_START_TIME, 0, 0, 1, 0 }, 4);
  check_position ((fc_position_t){ FC_START_TIME, 0, 5000, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_SEQ, 0, 6, 1, 0 }, 4);
  check_position ((fc_position_t){ FC_START_SEQ, 0, 9, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_SEQ, 0, 10, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_LIVE, 0, 0, 1, 0 }, 10);
  check_position ((fc_position_t){ FC_START_LATEST, 0, 0, 1, 0 }, 9);
  fc_writer_close (writer);
}

static void
key_of_the_oldest_is_the_next_or_else_one_before (void)
{
  fc_writer_t *writer = ten_frames ();

  check_position ((fc_position_t){ FC_START_OLDEST, 0, 0, 1, 0 }, 4);
  check_position ((fc_position_t){ FC_START_OLDEST, 5, 0, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_OLDEST, 2, 0, 1, 0 }, 7);
  check_position ((fc_position_t){ FC_START_MARGIN, 0, 0, 1, 0 }, 7);
  fc_writer_close (writer);
}

/* Where the key frame before is forgotten it is the next one; where there is
 * none, the next frame; where frames are not marked, what was asked for. */
static void
key_falls_forward (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.ring_depth = 6;
  for (int keys = 0; keys < 3; keys++)
    {
      static const uint64_t expected[] = { 5, 10, 8 };

      writer = writer_new ("cam0", &options);
      for (unsigned i = 0; i < 10; i++)
        {
          fc_info_t info = FC_INFO_INIT;
          char data[8];

          fill (data, sizeof data, i);
          info.capture_ns = 1000 + 10 * i;
          if (keys > 0)
            info.flags = i == 2 || (keys == 2 && i == 8) ? FC_FRAME_KEY
                                                         : FC_FRAME_DELTA;
          CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, NULL));
        }
      check_position ((fc_position_t){ FC_START_TIME, 0, 1050, 1, 0 },
                      expected[keys]);
      check_position ((fc_position_t){ FC_START_SEQ, 0, 5, 1, 0 },
                      expected[keys]);
      check_position ((fc_position_t){ FC_START_OLDEST, 5, 0, 1, 0 },
                      expected[keys]);
      fc_writer_close (writer);
    }
}

static void
empty_history_begins_at_the_next_frame (void)
{
  static const fc_start_t starts[]
      = { FC_START_LIVE, FC_START_LATEST, FC_START_OLDEST, FC_START_KEY,
          FC_START_MARGIN };
  fc_writer_options_t options = small_ring ();

  for (unsigned i = 0; i < 5; i++)
    {
      fc_writer_t *writer = writer_new ("cam0", &options);
      fc_consumer_t *consumer = consumer_new ("cam0", starts[i]);
      uint64_t next = 0;

      put (writer, 1);
      CHECK_EQ (take (consumer, &next).seq, 0);
      fc_consumer_close (consumer);
      fc_writer_close (writer);
    }
}

static void
no_key_frame_is_the_next_frame (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  uint64_t next = 3;

  put (writer, 3);
  consumer = consumer_new ("cam0", FC_START_KEY);
  CHECK_EQ (consumer_stats (consumer).cursor, 3);
  put (writer, 1);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* A key frame that has left the history is no place to begin. */
static void
forgotten_key_frame_is_not_begun_at (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_info_t info = FC_INFO_INIT;
  fc_consumer_t *consumer;

  info.flags = FC_FRAME_KEY;
  CHECK_OK (fc_writer_write (writer, "key", 3, &info, NULL));
  put (writer, 6);
  consumer = consumer_new ("cam0", FC_START_KEY);
  CHECK_EQ (consumer_stats (consumer).cursor, 7);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
seek_to_nowhere_moves_nothing (void)
{
  static const fc_position_t nowhere[]
      = { { .start = FC_START_SEQ, .value = 1000 },
          { .start = FC_START_SEQ, .value = UINT64_MAX - 1 },
          { .start = FC_START_SEQ, .value = 11, .key = 1 },
          { .start = FC_START_TIME, .value = 1091 },
          { .start = FC_START_AGO, .value = 0 },
          { .start = FC_START_TIME, .value = UINT64_MAX - 1 } };
  fc_writer_t *writer = ten_frames ();
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_consumer_stats_t before, after;
  uint64_t next = 4;

  take (consumer, &next);
  before = consumer_stats (consumer);
  for (unsigned i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
    {
      CHECK_RET (fc_consumer_seek (consumer, &nowhere[i]), -ENOENT);
      CHECK (fc_error_detail ()[0] != 0);
      after = consumer_stats (consumer);
      CHECK (!memcmp (&before, &after, sizeof after));
    }
  CHECK_EQ (take (consumer, &next).seq, 5);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
unknown_start_is_refused (void)
{
  fc_writer_t *writer = ten_frames ();
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE), *none = NULL;
  const fc_position_t odd = { .start = (fc_start_t) 17 };
  fc_consumer_options_t options = from ((fc_start_t) 17);

  CHECK_RET (fc_consumer_seek (consumer, &odd), -EINVAL);
  CHECK_RET (fc_consumer_open (&none, "cam0", &options), -EINVAL);
  options = from (FC_START_TIME);
  options.position.key = 2;
  CHECK_RET (fc_consumer_open (&none, "cam0", &options), -EINVAL);
  CHECK_RET (fc_consumer_seek (consumer, &options.position), -EINVAL);
  options = from (FC_START_LIVE);
  options.on_lap = (fc_on_lap_t) 9;
  CHECK_RET (fc_consumer_open (&none, "cam0", &options), -EINVAL);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
seek_back_reads_again (void)
{
  fc_writer_t *writer = ten_frames ();
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  const fc_position_t oldest = { .start = FC_START_OLDEST };

  for (int i = 0; i < 3; i++)
    {
      uint64_t next = 4;

      CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
      CHECK_EQ (next, 10);
      CHECK_OK (fc_consumer_seek (consumer, &oldest));
    }
  CHECK_EQ (consumer_stats (consumer).total_delivered, 18);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* A frame captured LATE ns before it is committed. */
static void
write_late (fc_writer_t *writer, int64_t late)
{
  fc_info_t info = FC_INFO_INIT;

  info.capture_ns = (uint64_t) (now_ns () - late);
  CHECK_OK (fc_writer_write (writer, "frame", 5, &info, NULL));
}

/* Frames in another order than they are shown in are late by turns: the
 * latest of the newest 16 counts, and one before these does not. */
static void
observed_latency_is_that_of_the_newest_frames (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.ring_depth = 32;
  writer = writer_new ("cam0", &options);
  for (uint32_t observe = 0; observe < 2; observe++)
    {
      fc_consumer_options_t from_live = from (FC_START_LIVE);
      fc_consumer_t *consumer;
      int64_t late;

      from_live.observe = observe;
      consumer = consumer_with ("cam0", &from_live);
      if (observe == 0)
        CHECK_EQ (consumer_stats (consumer).observed_latency_ns, 0);
      write_late (writer, 900 * SEC);
      late = (int64_t) consumer_stats (consumer).observed_latency_ns;
      CHECK_CMP (late, >=, 900 * SEC);
      write_late (writer, 300 * MS);
      for (int i = 0; i < 15; i++)
        write_late (writer, i % 3 == 0 ? -50 * MS : 100 * MS);
      late = (int64_t) consumer_stats (consumer).observed_latency_ns;
      CHECK_CMP (late, >=, 300 * MS);
      CHECK_CMP (late, <, 900 * SEC);
      fc_consumer_close (consumer);
    }
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (live_is_the_next_frame),
  TEST (latest_is_the_newest_frame),
  TEST (oldest_is_the_whole_history),
  TEST (oldest_goes_back_as_far_as_asked),
  TEST (key_is_the_newest_key_frame),
  TEST (seq_is_that_frame_or_the_oldest_after_it),
  TEST (time_is_the_first_frame_captured_then_or_later),
  TEST (margin_is_three_quarters_back_or_the_oldest),
  TEST (ago_counts_back_from_now),
  TEST (key_rounds_back_to_a_key_frame),
  TEST (key_of_the_oldest_is_the_next_or_else_one_before),
  TEST (key_falls_forward),
  TEST (empty_history_begins_at_the_next_frame),
  TEST (no_key_frame_is_the_next_frame),
  TEST (forgotten_key_frame_is_not_begun_at),
  TEST (seek_to_nowhere_moves_nothing),
  TEST (unknown_start_is_refused),
  TEST (seek_back_reads_again),
  TEST (observed_latency_is_that_of_the_newest_frames),
};
TEST_MAIN (tests)
