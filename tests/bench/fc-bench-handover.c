/* From the commit of a frame to the consumer's having it, against the floor:
 * a bare process-shared semaphore between two processes. Both in the same
 * run, in turn, at the same pace, after filling the same frame.
 *
 * usage: fc-bench-handover [FRAMES [RATE [SIZE]]]     600 60 3110400
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench.h"

enum
{
  FLOOR,
  LEASE,
  COPY,
  WAYS
};
static const char *const names[WAYS]
    = { "bare semaphore", "libfc, leased", "libfc, copied" };

typedef struct
{
  sem_t sem;
  _Atomic uint64_t turn[WAYS];
  _Atomic int64_t sent;
  _Atomic unsigned ready;
  unsigned frames;
  int64_t *took[WAYS];
} shared_t;

static shared_t *shared;

static void
wait_bare (void *arg)
{
  (void) arg;
  shared->ready++;
  for (;;)
    {
      while (sem_wait (&shared->sem) != 0)
        ;
      shared->took[FLOOR][shared->turn[FLOOR]] = now_ns () - shared->sent;
      shared->turn[FLOOR]++;
    }
}

/* Each consumer sleeps all frames through that are not for it: the same
 * process is not woken twice as often as the other. */
static void
wait_frame (void *arg)
{
  int way = (int) (intptr_t) arg;
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;
  char slot[8];

  options.dir = bench_dir;
  options.wait_ns = 10 * SEC;
  snprintf (slot, sizeof slot, "bench%d", way);
  must (fc_consumer_open (&consumer, slot, &options), "consumer");
  shared->ready++;
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t took;

      if (way == LEASE)
        must (fc_consumer_lease (consumer, &frame, FC_FOREVER), "lease");
      else
        must (fc_consumer_read (consumer, &frame, FC_FOREVER), "read");
      took = now_ns () - shared->sent;
      if (way == LEASE)
        fc_consumer_release (consumer, &frame);
      shared->took[way][shared->turn[way]] = took;
      shared->turn[way]++;
    }
}

static fc_writer_t *
open_writer (int way, size_t size)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer;
  char slot[8];

  options.dir = bench_dir;
  options.frame_size = size;
  options.ring_depth = 8;
  snprintf (slot, sizeof slot, "bench%d", way);
  must (fc_writer_open (&writer, slot, &options), "writer");
  return writer;
}

static void
send_one (int way, fc_writer_t *writer, size_t size, unsigned i)
{
  fc_frame_t frame = FC_FRAME_INIT;

  must (fc_writer_acquire (writer, &frame), "acquire");
  memset (frame.data, (int) i, size);
  frame.size = size;
  shared->sent = now_ns ();
  if (way == FLOOR)
    {
      sem_post (&shared->sem);
      fc_writer_abandon (writer, &frame);
    }
  else
    must (fc_writer_commit (writer, &frame), "commit");
}

static void
report (void)
{
  double p50[WAYS], p99[WAYS];

  printf ("%-16s %9s %9s %9s %9s\n", "us", "p50", "p99", "p50/floor",
          "p99/floor");
  for (int way = 0; way < WAYS; way++)
    {
      p50[way] = percentile_us (shared->took[way], shared->frames, 50);
      p99[way] = percentile_us (shared->took[way], shared->frames, 99);
      printf ("%-16s %9.1f %9.1f %9.2f %9.2f\n", names[way], p50[way], p99[way],
              p50[way] / p50[FLOOR], p99[way] / p99[FLOOR]);
    }
}

int
main (int argc, char **argv)
{
  unsigned frames = argc > 1 ? (unsigned) atoi (argv[1]) : 600;
  int rate = argc > 2 ? atoi (argv[2]) : 60;
  size_t size = argc > 3 ? (size_t) atoll (argv[3]) : FRAME_1080P;
  fc_writer_t *writer[WAYS];
  pid_t pid[WAYS];
  int64_t next;

  if (frames < 100 || rate < 1 || size < 1)
    {
      fprintf (stderr, "usage: %s [FRAMES [RATE [SIZE]]]\n", argv[0]);
      return 2;
    }
  make_bench_dir ();
  shared = share (sizeof *shared);
  shared->frames = frames;
  sem_init (&shared->sem, 1, 0);
  for (int way = 0; way < WAYS; way++)
    shared->took[way] = share (frames * sizeof (int64_t));
  pid[FLOOR] = start (wait_bare, NULL);
  for (int way = LEASE; way < WAYS; way++)
    pid[way] = start (wait_frame, (void *) (intptr_t) way);
  for (int way = 0; way < WAYS; way++)
    writer[way] = open_writer (way, size);
  while (shared->ready < WAYS)
    sleep_until (now_ns () + MS);
  printf ("%u frames of %zu bytes each way, %d/s\n", frames, size, rate);
  next = now_ns ();
  for (unsigned i = 0; i < frames; i++)
    for (unsigned turn = 0; turn < WAYS; turn++)
      {
        /* none always comes after the same other */
        int way = (int) ((turn + i) % WAYS);

        sleep_until (next += SEC / rate / WAYS);
        send_one (way, writer[way], size, i);
        while (shared->turn[way] <= i)
          sleep_until (now_ns () + MS / 10);
      }
  report ();
  for (int way = 0; way < WAYS; way++)
    {
      char path[128];

      end (pid[way]);
      fc_writer_close (writer[way]);
      snprintf (path, sizeof path, "%s/bench%d.lock", bench_dir, way);
      unlink (path);
    }
  return 0;
}
