/* Losses are counted exactly, wherever a lap resumes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

#include <sys/syscall.h>

/* Where counting begins: also just below the places where a word that is
 * too narrow for it would wrap. */
static const uint64_t firsts[]
    = { 0, (1ull << 32) - 20, (1ull << 48) - 20, (1ull << 63) - 2000000 };

static const fc_on_lap_t policies[]
    = { FC_ON_LAP_OLDEST, FC_ON_LAP_MARGIN, FC_ON_LAP_LATEST, FC_ON_LAP_KEY };

static void
write_keyed (fc_writer_t *writer, unsigned count, unsigned key_every)
{
  char data[512];

  while (count--)
    {
      uint64_t seq = writer_stats (writer).head;
      fc_info_t info = FC_INFO_INIT;

      fill (data, sizeof data, seq);
      info.flags = seq % key_every ? FC_FRAME_DELTA : FC_FRAME_KEY;
      CHECK_OK (fc_writer_write (writer, data, sizeof data, &info, NULL));
    }
}

static fc_consumer_t *
consumer_on_lap (fc_on_lap_t on_lap)
{
  fc_consumer_options_t options = from (FC_START_LIVE);

  options.on_lap = on_lap;
  return consumer_with ("cam0", &options);
}

/* So many frames past a consumer of a ring of depth 8 it gets EXPECTED. */
static void
check_resume (fc_on_lap_t on_lap, unsigned frames, unsigned key_every,
              uint64_t expected)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  uint64_t next = 0;
  fc_frame_t frame;

  options.ring_depth = 8;
  writer = writer_new ("cam0", &options);
  consumer = consumer_on_lap (on_lap);
  write_keyed (writer, frames, key_every);
  frame = take (consumer, &next);
  CHECK_EQ (frame.seq, expected);
  CHECK_EQ (frame.dropped, expected);
  CHECK_EQ (consumer_stats (consumer).laps, 1);
  CHECK_EQ (consumer_stats (consumer).dropped, expected);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, frames);
  CHECK_EQ (consumer_stats (consumer).laps, 1);
  CHECK_EQ (consumer_stats (consumer).dropped, expected);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
lapped_resumes_at_the_oldest (void)
{
  check_resume (FC_ON_LAP_OLDEST, 20, 100, 12);
  check_resume (FC_ON_LAP_OLDEST, 9, 100, 1);
}

static void
lapped_resumes_with_a_margin (void)
{
  check_resume (FC_ON_LAP_MARGIN, 20, 100, 14);
  check_resume (FC_ON_LAP_MARGIN, 9, 100, 3);
}

static void
lapped_resumes_at_the_latest (void)
{
  check_resume (FC_ON_LAP_LATEST, 20, 100, 19);
  check_resume (FC_ON_LAP_LATEST, 9, 100, 8);
}

static void
lapped_resumes_at_a_key_frame (void)
{
  check_resume (FC_ON_LAP_KEY, 20, 7, 14);
  check_resume (FC_ON_LAP_KEY, 9, 7, 7);
  check_resume (FC_ON_LAP_KEY, 20, 3, 18);
}

/* Its key frame would be lapped at once. */
static void
lapped_does_not_resume_at_the_edge (void)
{
  check_resume (FC_ON_LAP_KEY, 20, 13, 19);
}

static void
lapped_resumes_at_the_newest_where_no_key_is (void)
{
  check_resume (FC_ON_LAP_KEY, 20, 100, 19);
}

/* The place where the rule of a cursor alone tears frames: the writer is
 * exactly one depth ahead. */
static void
depth_behind_is_not_lapped (void)
{
  for (uint32_t depth = 2; depth <= 16; depth++)
    {
      fc_writer_options_t options = small_ring ();
      fc_writer_t *writer;
      fc_consumer_t *consumer;
      fc_frame_t out = FC_FRAME_INIT;
      uint64_t next = 0;

      options.ring_depth = depth;
      writer = writer_new ("cam0", &options);
      consumer = consumer_new ("cam0", FC_START_LIVE);
      write_keyed (writer, depth, 3);
      /* the cell that the writer fills next must not be one of those */
      CHECK_OK (fc_writer_acquire (writer, &out));
      memset (out.data, 0xee, out.capacity);
      for (uint32_t i = 0; i < depth; i++)
        CHECK_EQ (take (consumer, &next).dropped, 0);
      fc_writer_abandon (writer, &out);
      write_keyed (writer, depth + 1, 3);
      CHECK_EQ (take (consumer, &next).dropped, 1);
      fc_consumer_close (consumer);
      fc_writer_close (writer);
    }
}

static void
run_schedule (uint32_t depth, fc_on_lap_t on_lap, uint64_t first)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *reader, *leaser;
  fc_consumer_stats_t stats;
  uint64_t random = depth * 31 + on_lap, next = first, lease_next = first;

  options.ring_depth = depth;
  options.frame_size = 512;
  options.first_seq = first;
  writer = writer_new ("cam0", &options);
  reader = consumer_on_lap (on_lap);
  leaser = consumer_on_lap (on_lap);
  CHECK_EQ (consumer_stats (reader).first, first);
  for (int i = 0; i < 60; i++)
    {
      unsigned reads = (unsigned) (chance (&random) % (depth + 2));

      write_keyed (writer, (unsigned) (chance (&random) % (3 * depth)), 5);
      while (reads--
             && consumer_stats (reader).cursor < writer_stats (writer).head)
        {
          fc_frame_t frame = FC_FRAME_INIT;
          int ret;

          take (reader, &next);
          ret = fc_consumer_lease (leaser, &frame, 0);
          if (ret == FC_TIMEOUT)
            continue;
          CHECK_CMP (ret, >=, 0);
          check_frame (&frame, ret, &lease_next);
          check_counts (leaser);
          fc_consumer_release (leaser, &frame);
        }
    }
  CHECK_RET (drain (reader, &next), FC_TIMEOUT);
  CHECK_RET (drain (leaser, &lease_next), FC_TIMEOUT);
  CHECK_EQ (next, writer_stats (writer).head);
  CHECK_EQ (lease_next, next);
  stats = consumer_stats (reader);
  CHECK_EQ (stats.first, first);
  CHECK_EQ (stats.delivered + stats.dropped, next - first);
  CHECK_EQ (fc_consumer_write_cursor (reader), next);
  fc_consumer_close (reader);
  fc_consumer_close (leaser);
  fc_writer_close (writer);
}

static void
counts_are_exact (uint64_t first)
{
  static const uint32_t depths[] = { 2, 3, 4, 7, 16, 120 };

  for (unsigned d = 0; d < sizeof depths / sizeof depths[0]; d++)
    for (unsigned p = 0; p < 4; p++)
      run_schedule (depths[d], policies[p], first);
}

static void
counts_are_exact_from_zero (void)
{
  counts_are_exact (firsts[0]);
}

static void
counts_are_exact_across_32_bits (void)
{
  counts_are_exact (firsts[1]);
}

static void
counts_are_exact_across_48_bits (void)
{
  counts_are_exact (firsts[2]);
}

static void
counts_are_exact_near_63_bits (void)
{
  counts_are_exact (firsts[3]);
}

/* Every fifth frame is a key frame. Whatever the schedule, those delivered and
 * those dropped are all that there were. */
static void
check_keys (fc_writer_t *writer, fc_consumer_t *consumer, unsigned rounds)
{
  uint64_t first = consumer_stats (consumer).cursor, next = first, keys = 0;
  uint64_t random = 7;
  fc_frame_t frame;

  while (rounds--)
    {
      unsigned reads = (unsigned) (chance (&random) % 8);

      write_keyed (writer, 1 + (unsigned) (chance (&random) % 17), 5);
      while (reads-- && next < writer_stats (writer).head)
        {
          frame = take (consumer, &next);
          CHECK_EQ (frame.keys, frame.seq / 5 + 1);
          keys += (frame.info.flags & FC_FRAME_KEY) != 0;
          keys += frame.dropped_keys;
          CHECK_EQ (keys, frame.seq / 5 - (first + 4) / 5 + 1);
        }
    }
  CHECK (consumer_stats (consumer).dropped_keys > 0);
}

static void
dropped_key_frames_are_counted (void)
{
  for (unsigned before = 0; before < 12; before++)
    {
      fc_writer_options_t options = small_ring ();
      fc_writer_t *writer = writer_new ("cam0", &options);
      fc_consumer_t *consumer;

      write_keyed (writer, before, 5);
      consumer = consumer_new ("cam0", FC_START_LIVE);
      check_keys (writer, consumer, 40);
      fc_consumer_close (consumer);
      fc_writer_close (writer);
    }
}

static void
dropped_key_frames_are_counted_across_generations (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE), *late;
  fc_frame_t frame;
  uint64_t next = 0;

  write_keyed (writer, 21, 5);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  late = consumer_new ("cam0", FC_START_LIVE);
  write_keyed (writer, 21, 5);
  CHECK_RET (drain (consumer, &next), FC_REPLACED);
  CHECK_EQ (next, 21);
  CHECK_EQ (consumer_stats (consumer).dropped_keys, 4);
  CHECK_OK (fc_consumer_attach (consumer, 0));
  frame = take (consumer, &next);
  CHECK_EQ (frame.keys, frame.seq / 5 + 1);
  CHECK_EQ (frame.dropped_keys, frame.seq / 5 - 4);
  next = 21;
  CHECK_EQ (take (late, &next).dropped_keys, frame.seq / 5 - 4);
  fc_consumer_close (late);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* The next writer goes on in the count, in the same ring or in another. */
static void
dropped_key_frames_are_counted_after_a_takeover (void)
{
  for (unsigned grown = 0; grown < 2; grown++)
    {
      fc_writer_options_t options = small_ring ();
      fc_writer_t *writer;
      fc_consumer_t *consumer;
      fc_frame_t frame;
      uint64_t next = 0;

      CHECK_OK (fc_slot_reserve ("cam0", &options));
      writer = writer_new ("cam0", &options);
      consumer = consumer_new ("cam0", FC_START_LIVE);
      write_keyed (writer, 21, 5);
      fc_writer_close (writer);
      options.format = grown ? "another" : options.format;
      options.format_size = grown ? 7 : options.format_size;
      writer = writer_new ("cam0", &options);
      write_keyed (writer, 20, 5);
      if (grown)
        {
          CHECK_RET (drain (consumer, &next), FC_REPLACED);
          CHECK_OK (fc_consumer_attach (consumer, 0));
        }
      frame = take (consumer, &next);
      CHECK_EQ (frame.keys, frame.seq / 5 + 1);
      /* of the old ring's history, which was read to its end, frame 20 */
      CHECK_EQ (consumer_stats (consumer).dropped_keys + grown
                    + (frame.info.flags & FC_FRAME_KEY),
                frame.keys);
      fc_consumer_close (consumer);
      fc_writer_close (writer);
      CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
    }
}

static void
dropped_key_frames_are_counted_by_observers (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t observe = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;

  observe.observe = 1;
  write_keyed (writer, 3, 5);
  consumer = consumer_with ("cam0", &observe);
  check_keys (writer, consumer, 40);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

typedef struct
{
  fc_writer_t *writer;
  unsigned frames;
} racer_t;

static void *
race (void *arg)
{
  racer_t *racer = arg;

  put (racer->writer, racer->frames);
  return NULL;
}

/* The writer laps at will while frames are taken, at each depth. */
static void
check_race (uint32_t depth, fc_on_lap_t on_lap, uint64_t first)
{
  fc_writer_options_t options = small_ring ();
  racer_t racer = { NULL, 3000 };
  uint64_t next = first, head = first + racer.frames;
  fc_consumer_t *consumer;
  pthread_t thread;

  options.ring_depth = depth;
  options.first_seq = first;
  racer.writer = writer_new ("cam0", &options);
  consumer = consumer_on_lap (on_lap);
  thread = thread_new (race, &racer);
  while (next < head)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret;

      if (next % 2)
        {
          take (consumer, &next);
          continue;
        }
      ret = fc_consumer_lease (consumer, &frame, BOUND);
      CHECK_CMP (ret, >=, 0);
      check_frame (&frame, ret, &next);
      CHECK_RET (fc_frame_intact (consumer, &frame), 1);
      fc_consumer_release (consumer, &frame);
    }
  thread_join (thread);
  check_counts (consumer);
  CHECK_EQ (consumer_stats (consumer).cursor, head);
  CHECK_EQ (consumer_stats (consumer).first, first);
  CHECK_EQ (writer_stats (racer.writer).dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (racer.writer);
}

static void
no_frame_tears_in_a_race (void)
{
  static const uint32_t depths[] = { 2, 3, 5, 120 };

  for (unsigned d = 0; d < 4; d++)
    for (unsigned p = 0; p < 4; p++)
      check_race (depths[d], policies[p], firsts[p]);
}

static void
seek_begins_a_new_count (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  const fc_position_t live = { .start = FC_START_LIVE };
  fc_consumer_stats_t stats;
  uint64_t next = 0;

  put (writer, 10);
  take (consumer, &next);
  take (consumer, &next);
  CHECK_OK (fc_consumer_seek (consumer, &live));
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.first, 10);
  CHECK_EQ (stats.cursor, 10);
  CHECK_EQ (stats.delivered, 0);
  CHECK_EQ (stats.dropped, 0);
  CHECK_EQ (stats.total_delivered, 2);
  CHECK_EQ (stats.total_dropped, 6);
  put (writer, 7);
  next = 10;
  CHECK_EQ (take (consumer, &next).dropped, 3);
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.delivered, 1);
  CHECK_EQ (stats.dropped, 3);
  CHECK_EQ (stats.total_delivered, 3);
  CHECK_EQ (stats.total_dropped, 9);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
slow_consumer_laps_again_and_again (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;

  for (unsigned i = 1; i <= 100; i++)
    {
      put (writer, 9);
      take (consumer, &next);
      CHECK_EQ (consumer_stats (consumer).laps, i);
    }
  CHECK_EQ (consumer_stats (consumer).delivered, 100);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Set while there is a writer whose frames are gone at each look: whenever a
 * place of the map was read, the write cursor is far ahead of it. */
static fc_words_t *ahead_of_reads;
static off_t map_at;
/* Set while there is one that writes faster than anybody looks: the write
 * cursor and the places of the map never stand still. */
static char *moving;

/* In place of the C library's, for libfc too. */
ssize_t
pread64 (int fd, void *into, size_t size, off_t at)
{
  if (ahead_of_reads != NULL && at >= map_at)
    atomic_fetch_add (&ahead_of_reads->head, 1000);
  if (moving != NULL)
    {
      const fc_ring_header_t *header = (const fc_ring_header_t *) moving;
      fc_words_t *words = (fc_words_t *) (moving + header->words_offset);
      _Atomic uint64_t *map
          = (_Atomic uint64_t *) (moving + header->map_offset);
      uint64_t seq = atomic_fetch_add (&words->head, 1);

      for (uint32_t i = 0; i < header->ring_depth; i++)
        atomic_store (&map[i], FC_MAP_WORD (seq + i, i));
    }
  return syscall (SYS_pread64, fd, into, size, at);
}

static void *
interrupt_reader (void *consumer)
{
  fc_consumer_interrupt (consumer);
  return NULL;
}

static void
lapped_at_each_look_ends_in_time (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  char *ring = bytes_map (in_dir ("cam0.ring"));
  const fc_ring_header_t *header = (const fc_ring_header_t *) ring;
  fc_consumer_options_t observer = from (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  pthread_t thread;

  observer.observe = 1;
  consumer = consumer_with ("cam0", &observer);
  map_at = (off_t) header->map_offset;
  ahead_of_reads = (fc_words_t *) (ring + header->words_offset);
  atomic_fetch_add (&ahead_of_reads->head, 1000);
  CHECK_RET (fc_consumer_read (consumer, &frame, 0), FC_TIMEOUT);
  CHECK_RET (fc_consumer_read (consumer, &frame, 50 * MS), FC_TIMEOUT);
  check_counts (consumer);
  CHECK_CMP (consumer_stats (consumer).dropped, >=, 16000u);
  thread = thread_new (interrupt_reader, consumer);
  CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_INTERRUPTED);
  thread_join (thread);
  ahead_of_reads = NULL;
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
writer_that_never_stands_still_is_an_honest_one (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  char *ring = bytes_map (in_dir ("cam0.ring"));
  fc_consumer_options_t observer = from (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;

  observer.observe = 1;
  consumer = consumer_with ("cam0", &observer);
  moving = ring;
  for (int i = 0; i < 3; i++)
    CHECK_RET (fc_consumer_read (consumer, &frame, 20 * MS), FC_TIMEOUT);
  CHECK_CMP (consumer_stats (consumer).dropped, >, 0u);
  moving = NULL;
  check_counts (consumer);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (lapped_resumes_at_the_oldest),
  TEST (lapped_resumes_with_a_margin),
  TEST (lapped_resumes_at_the_latest),
  TEST (lapped_resumes_at_a_key_frame),
  TEST (lapped_resumes_at_the_newest_where_no_key_is),
  TEST (lapped_does_not_resume_at_the_edge),
  TEST (dropped_key_frames_are_counted),
  TEST (dropped_key_frames_are_counted_across_generations),
  TEST (dropped_key_frames_are_counted_after_a_takeover),
  TEST (dropped_key_frames_are_counted_by_observers),
  TEST (depth_behind_is_not_lapped),
  TEST (lapped_at_each_look_ends_in_time),
  TEST (writer_that_never_stands_still_is_an_honest_one),
  TEST (counts_are_exact_from_zero),
  TEST (counts_are_exact_across_32_bits),
  TEST (counts_are_exact_across_48_bits),
  TEST (counts_are_exact_near_63_bits),
  SLOW_TEST (no_frame_tears_in_a_race, 60),
  TEST (seek_begins_a_new_count),
  TEST (slow_consumer_laps_again_and_again),
};
TEST_MAIN (tests)
