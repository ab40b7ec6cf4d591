/* Copying a frame into the ring and out of it, against memcpy of the same
 * frame between populated mappings: in turns, through as much memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-report.h"

#define DEPTH 8
/* As many as a ring fills before it fills one again. */
#define CELLS (DEPTH + 2)
#define TURN_MAX 1000000

enum
{
  MEMCPY_IN,
  WRITE,
  MEMCPY_OUT,
  READ,
  WAYS
};
static const char *const names[WAYS]
    = { "memcpy-in", "write", "memcpy-out", "read" };

static uint64_t size = FRAME_1080P, run_ms = 1500;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 't', "time", &run_ms, 100, 60000, "ms to measure for" },
        { 0 } };

static fc_writer_t *writer;
static fc_consumer_t *consumer;
static uint8_t *bare_frames, *source, *target;
static size_t stride;

static void
copy_one (int way, uint64_t n)
{
  fc_frame_t frame = FC_FRAME_INIT;
  uint8_t *bare = bare_frames + n % CELLS * stride;

  switch (way)
    {
    case MEMCPY_IN:
      memcpy (bare, source, size);
      break;
    case WRITE:
      must (fc_writer_write (writer, source, size, NULL, NULL), "write");
      break;
    case MEMCPY_OUT:
      memcpy (target, bare, size);
      break;
    default:
      frame.data = target;
      frame.capacity = size;
      must (fc_consumer_read (consumer, &frame, 0), "read");
    }
}

/* A turn copies as many frames as the history has, each way: what is copied
 * out then was copied in by the turn before. */
static void
take_turn (int in, uint64_t n, int64_t *took)
{
  for (int way = in; way < in + 2; way++)
    {
      /* none always goes first */
      int this = n / DEPTH % 2 != 0 ? 2 * in + 1 - way : way;

      for (uint64_t i = n; i < n + DEPTH; i++)
        {
          int64_t began = now_ns ();

          copy_one (this, i);
          took[(uint64_t) this * TURN_MAX + i] = now_ns () - began;
        }
    }
}

static uint64_t
copy_all (int64_t *took)
{
  int64_t until = now_ns () + (int64_t) run_ms * MS;
  uint64_t n = 0;

  while (n < TURN_MAX - DEPTH && (now_ns () < until || n < 5 * DEPTH))
    {
      take_turn (MEMCPY_IN, n, took);
      take_turn (MEMCPY_OUT, n, took);
      n += DEPTH;
    }
  return n;
}

static void
print (int64_t *took, uint64_t n)
{
  const number_t parameters[]
      = { { "size", (double) size }, { "depth", DEPTH }, { NULL, 0 } };
  spread_t spread[WAYS];

  report ("copy", parameters);
  for (int way = 0; way < WAYS; way++)
    {
      number_t more[3] = { { 0 } };

      spread[way] = spread_of (took + (uint64_t) way * TURN_MAX, n);
      more[0]
          = (number_t){ "bytes_per_s", (double) size * 1e9 / spread[way].p50 };
      more[1] = (number_t){ "per_s", 1e9 / spread[way].p50 };
      report_row (names[way], &spread[way],
                  &spread[way < MEMCPY_OUT ? MEMCPY_IN : MEMCPY_OUT], more);
    }
}

static uint8_t *
fill (uint64_t bytes)
{
  uint8_t *memory = share (bytes);

  memset (memory, 1, bytes);
  return memory;
}

int
main (int argc, char **argv)
{
  int64_t *took;
  uint64_t n;

  take_options (argc, argv,
                "Copies into the ring and out of it, beside memcpy of the "
                "same frame between\npopulated mappings, which is the floor. "
                "per_s and bytes_per_s are of the p50.",
                options);
  make_bench_dir ();
  stride = (size + 4095) / 4096 * 4096 + 4096;
  bare_frames = fill (CELLS * stride);
  source = fill (size);
  target = fill (size);
  took = share (sizeof *took * WAYS * TURN_MAX);
  writer = open_bench_writer ("bench", size, DEPTH, 1);
  consumer = open_bench_consumer ("bench");
  for (uint64_t warm = 0; warm < 4 * CELLS; warm += DEPTH)
    {
      take_turn (MEMCPY_IN, warm, took);
      take_turn (MEMCPY_OUT, warm, took);
    }
  n = copy_all (took);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  print (took, n);
  return 0;
}
