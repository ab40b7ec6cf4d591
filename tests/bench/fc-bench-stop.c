/* A consumer stopped for a while with a lease in its hands: what its writer's
 * commits take before, meanwhile and afterwards.
 *
 * usage: fc-bench-stop [SECONDS [RATE [SIZE]]]     10 60 3110400
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench.h"

static _Atomic unsigned *attached;

static void
hold_and_read (void *arg)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t held = FC_FRAME_INIT;
  fc_consumer_t *consumer;

  options.dir = bench_dir;
  options.wait_ns = 20 * SEC;
  must (fc_consumer_open (&consumer, "bench", &options), "consumer");
  ++*attached;
  if (arg)
    must (fc_consumer_lease (consumer, &held, FC_FOREVER), "lease");
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_consumer_read (consumer, &frame, FC_FOREVER), "read");
    }
}

static void
write_paced (fc_writer_t *writer, size_t size, int rate, int seconds,
             const char *when)
{
  size_t count = (size_t) rate * (size_t) seconds;
  int64_t *took = calloc (count, sizeof *took), next = now_ns ();

  for (size_t i = 0; i < count; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t began;

      sleep_until (next += SEC / rate);
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, (int) i, size);
      frame.size = size;
      began = now_ns ();
      must (fc_writer_commit (writer, &frame), "commit");
      took[i] = now_ns () - began;
    }
  printf ("%-10s %9.1f %9.1f %9.1f\n", when, percentile_us (took, count, 50),
          percentile_us (took, count, 99), percentile_us (took, count, 100));
  free (took);
}

int
main (int argc, char **argv)
{
  int seconds = argc > 1 ? atoi (argv[1]) : 10;
  int rate = argc > 2 ? atoi (argv[2]) : 60;
  size_t size = argc > 3 ? (size_t) atoll (argv[3]) : FRAME_1080P;
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  fc_writer_t *writer;
  pid_t pid[2];

  if (seconds < 1 || rate < 1 || size < 1)
    {
      fprintf (stderr, "usage: %s [SECONDS [RATE [SIZE]]]\n", argv[0]);
      return 2;
    }
  make_bench_dir ();
  attached = share (sizeof *attached);
  pid[0] = start (hold_and_read, &pid);
  pid[1] = start (hold_and_read, NULL);
  options.dir = bench_dir;
  options.frame_size = size;
  options.ring_depth = 30;
  must (fc_writer_open (&writer, "bench", &options), "writer");
  while (*attached < 2)
    sleep_until (now_ns () + MS);
  printf ("commit, us %9s %9s %9s\n", "p50", "p99", "max");
  write_paced (writer, size, rate, seconds, "before");
  kill (pid[0], SIGSTOP);
  waitpid (pid[0], NULL, WUNTRACED);
  write_paced (writer, size, rate, seconds, "stopped");
  kill (pid[0], SIGCONT);
  write_paced (writer, size, rate, seconds, "after");
  must (fc_writer_stats (writer, &stats), "stats");
  printf ("%llu frames, %llu dropped by the writer, history shortened by "
          "%llu\n",
          (unsigned long long) stats.frames, (unsigned long long) stats.dropped,
          (unsigned long long) stats.history_shortened);
  end (pid[0]);
  end (pid[1]);
  fc_writer_close (writer);
  return 0;
}
