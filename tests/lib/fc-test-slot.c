/* The harness of libfc's tests: slots, frames and their counts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

fc_writer_options_t
small_ring (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;

  options.dir = test_dir;
  options.ring_depth = 4;
  options.frame_size = 8192;
  options.format = "test/frames";
  options.format_size = 11;
  options.max_consumers = 8;
  return options;
}

fc_consumer_options_t
from (fc_start_t start)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;

  options.dir = test_dir;
  options.position.start = start;
  return options;
}

fc_writer_t *
writer_new (const char *slot, const fc_writer_options_t *options)
{
  fc_writer_t *writer = NULL;

  CHECK_OK (fc_writer_open (&writer, slot, options));
  CHECK (writer != NULL);
  return writer;
}

fc_consumer_t *
consumer_with (const char *slot, const fc_consumer_options_t *options)
{
  fc_consumer_t *consumer = NULL;

  CHECK_OK (fc_consumer_open (&consumer, slot, options));
  CHECK (consumer != NULL);
  return consumer;
}

fc_consumer_t *
consumer_new (const char *slot, fc_start_t start)
{
  fc_consumer_options_t options = from (start);

  return consumer_with (slot, &options);
}

fc_writer_stats_t
writer_stats (fc_writer_t *writer)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;

  CHECK_OK (fc_writer_stats (writer, &stats));
  return stats;
}

fc_consumer_stats_t
consumer_stats (fc_consumer_t *consumer)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  CHECK_OK (fc_consumer_stats (consumer, &stats));
  return stats;
}

fc_slot_stat_t
slot_stat (const char *slot)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  CHECK_OK (fc_slot_stat (test_dir, slot, &stat));
  return stat;
}

static int
count_waiting (const fc_consumer_stat_t *stat, void *user_data)
{
  *(unsigned *) user_data += stat->waiting;
  return 0;
}

unsigned
slot_waiting (const char *slot)
{
  unsigned waiting = 0;

  CHECK_OK (fc_slot_consumers (test_dir, slot, count_waiting, &waiting));
  return waiting;
}

static uint64_t
word (uint64_t seq, uint64_t index)
{
  uint64_t z = (seq + 1) * 0x9e3779b97f4a7c15u + index * 0xff51afd7ed558ccdu;

  return z ^ (z >> 29);
}

void
fill (void *data, size_t size, uint64_t seq)
{
  for (size_t i = 0; i < size; i += 8)
    {
      uint64_t w = word (seq, i);

      memcpy ((char *) data + i, &w, size - i < 8 ? size - i : 8);
    }
}

bool
whole (const void *data, size_t size, uint64_t seq)
{
  for (size_t i = 0; i < size; i += 8)
    {
      uint64_t w = word (seq, i);

      if (memcmp ((const char *) data + i, &w, size - i < 8 ? size - i : 8))
        return false;
    }
  return true;
}

uint64_t
put_size (fc_writer_t *writer, size_t size)
{
  uint64_t seq = writer_stats (writer).head;
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_writer_acquire (writer, &frame));
  CHECK_CMP (frame.capacity, >=, size);
  fill (frame.data, size, seq);
  frame.size = size;
  frame.info.offset = seq;
  CHECK_OK (fc_writer_commit (writer, &frame));
  CHECK_EQ (frame.seq, seq);
  return seq;
}

uint64_t
put (fc_writer_t *writer, unsigned count)
{
  uint64_t seq = 0;

  while (count--)
    seq = put_size (writer, 8192);
  return seq;
}

void
check_frame (const fc_frame_t *frame, int ret, uint64_t *next)
{
  CHECK_EQ (ret, frame->dropped ? FC_DROPPED : FC_OK);
  CHECK_EQ (frame->seq, *next + frame->dropped);
  CHECK (whole (frame->data, frame->size, frame->seq));
  *next = frame->seq + 1;
}

fc_frame_t
take (fc_consumer_t *consumer, uint64_t *next)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int ret = fc_consumer_read (consumer, &frame, BOUND);

  if (ret < 0)
    test_fail (__FILE__, __LINE__, "read returned %d, detail: %s", ret,
               fc_error_detail ());
  check_frame (&frame, ret, next);
  check_counts (consumer);
  return frame;
}

int
drain (fc_consumer_t *consumer, uint64_t *next)
{
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret = fc_consumer_read (consumer, &frame, 0);

      check_counts (consumer);
      if (ret < 0)
        return ret;
      check_frame (&frame, ret, next);
    }
}

void
check_counts (fc_consumer_t *consumer)
{
  fc_consumer_stats_t stats = consumer_stats (consumer);

  if (stats.delivered + stats.dropped != stats.cursor - stats.first)
    test_fail (__FILE__, __LINE__,
               "%" PRIu64 " delivered + %" PRIu64
               " dropped, but cursor %" PRIu64 " - first %" PRIu64,
               stats.delivered, stats.dropped, stats.cursor, stats.first);
  CHECK_EQ (fc_consumer_dropped (consumer), stats.dropped);
}
