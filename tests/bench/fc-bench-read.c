/* The processor time of reading a whole frame: leased from the ring, and the
 * same memory in place. Each is filled anew by another process right before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-report.h"

#define DEPTH 8
#define CELLS (DEPTH + 2)

enum
{
  FLOOR,
  LEASE,
  WAYS
};
static const char *const names[WAYS] = { "floor", "lease" };

typedef struct
{
  sem_t sem;
  _Alignas(128) _Atomic uint64_t had[WAYS];
  _Atomic uint64_t sum;
} shared_t;

static uint64_t size = 3840 * 2160 * 3 / 2, frames = 200, warm_up = 2 * CELLS;
static const option_t options[]
    = { { 's', "size", &size, 8, 1 << 28, "bytes of a frame" },
        { 'f', "frames", &frames, 10, 1000000, "frames of each way" },
        { 'w', "warm-up", &warm_up, 0, 1000000, "frames that do not count" },
        { 0 } };

static shared_t *shared;
static int64_t *took[WAYS];
static uint8_t *bare_frames;

static uint64_t
sum_of (const uint8_t *data)
{
  const uint64_t *word = (const uint64_t *) (const void *) data;
  uint64_t sum = 0;

  for (uint64_t i = 0; i < size / 8; i++)
    sum += word[i];
  return sum;
}

/* With what it takes to wait for the frame and to give it back. */
static int64_t
read_one (int way, fc_consumer_t *consumer, uint64_t n)
{
  int64_t began = clock_ns (CLOCK_PROCESS_CPUTIME_ID);
  fc_frame_t frame = FC_FRAME_INIT;

  if (way == FLOOR)
    {
      while (sem_wait (&shared->sem) != 0)
        ;
      shared->sum += sum_of (bare_frames + n % CELLS * size);
    }
  else
    {
      must (fc_consumer_lease (consumer, &frame, FC_FOREVER), "lease");
      shared->sum += sum_of (frame.data);
      fc_consumer_release (consumer, &frame);
    }
  return clock_ns (CLOCK_PROCESS_CPUTIME_ID) - began;
}

/* One process for both ways: they differ in nothing else. */
static void
read_all (void *arg)
{
  fc_consumer_t *consumer = open_bench_consumer ("bench");

  (void) arg;
  shared->had[FLOOR]++;
  for (uint64_t n = 0; n < warm_up + frames; n++)
    for (int way = 0; way < WAYS; way++)
      {
        took[way][n] = read_one (way, consumer, n);
        shared->had[way]++;
      }
}

static void
write_one (int way, fc_writer_t *writer, uint64_t n)
{
  fc_frame_t frame = FC_FRAME_INIT;

  if (way == FLOOR)
    {
      memset (bare_frames + n % CELLS * size, (int) n, size);
      sem_post (&shared->sem);
    }
  else
    {
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, (int) n, size);
      frame.size = size;
      must (fc_writer_commit (writer, &frame), "commit");
    }
}

int
main (int argc, char **argv)
{
  spread_t spread[WAYS];
  fc_writer_t *writer;
  pid_t pid;

  take_options (argc, argv,
                "A consumer's processor time for a frame that it reads whole: "
                "leased, and the same\nmemory in place after a semaphore, "
                "which is the floor. p50_ns is that time.",
                options);
  size -= size % 8;
  make_bench_dir ();
  shared = share (sizeof *shared);
  sem_init (&shared->sem, 1, 0);
  bare_frames = share (CELLS * size);
  for (int way = 0; way < WAYS; way++)
    took[way] = share ((warm_up + frames) * sizeof *took[way]);
  pid = start (read_all, NULL);
  writer = open_bench_writer ("bench", size, DEPTH, 64);
  AWAIT (shared->had[FLOOR] > 0, "the consumer");
  shared->had[FLOOR] = 0;
  for (uint64_t n = 0; n < warm_up + frames; n++)
    for (int way = 0; way < WAYS; way++)
      {
        write_one (way, writer, n);
        AWAIT (shared->had[way] > n, "a frame that was read");
      }
  end (pid);
  fc_writer_close (writer);
  report ("read", (number_t[]){ { "size", (double) size },
                                { "depth", DEPTH },
                                { NULL, 0 } });
  for (int way = 0; way < WAYS; way++)
    {
      spread[way] = spread_of (took[way] + warm_up, frames);
      report_row (names[way], &spread[way], &spread[FLOOR],
                  (number_t[]){ { "cpu_ns", spread[way].mean }, { NULL, 0 } });
    }
  return 0;
}
