/* What it brings, and costs, to look for a frame for a while before sleeping:
 * from commit to the consumer's having the frame, the writer's commit, and the
 * processor time of both, for several times of looking, in turns of some
 * frames each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-report.h"

#define DEPTH 8
#define WAYS 5
static const char *const names[WAYS]
    = { "sleep", "spin-50us", "spin-500us", "spin-5ms", "spin-20ms" };
static const uint64_t spin_ns[WAYS] = { 0, 50000, 500000, 5 * MS, 20 * MS };

typedef struct
{
  _Alignas(128) _Atomic int64_t sent;
  _Alignas(128) _Atomic uint64_t had[WAYS];
  _Alignas(128) _Atomic unsigned ready;
} shared_t;

static uint64_t size = FRAME_1080P, rate = 60, turns = 5, frames = 60,
                warm_up = 5;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 'r', "rate", &rate, 1, 20000, "frames a second" },
        { 't', "turns", &turns, 1, 1000, "turns of each time of looking" },
        { 'f', "frames", &frames, 10, 1000000, "frames of a turn" },
        { 'w', "warm-up", &warm_up, 1, 1000,
          "frames before each turn that do not count" },
        { 0 } };

static shared_t *shared;
static int64_t *took[WAYS], *commits[WAYS];
static pid_t pid[WAYS];
static fc_writer_t *writer[WAYS];
/* Of all turns, without their warm-ups. */
static int64_t consumer_cpu[WAYS], writer_cpu[WAYS];

static void
consume (void *arg)
{
  int way = (int) (intptr_t) arg;
  fc_consumer_options_t how = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;

  how.dir = bench_dir;
  how.wait_ns = 60 * SEC;
  how.spin_ns = spin_ns[way];
  must (fc_consumer_open (&consumer, names[way], &how), "consumer");
  shared->ready++;
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_consumer_lease (consumer, &frame, FC_FOREVER), "lease");
      took[way][frame.seq] = now_ns () - shared->sent;
      fc_consumer_release (consumer, &frame);
      shared->had[way]++;
    }
}

static void
send_one (int way, uint64_t n)
{
  fc_frame_t frame = FC_FRAME_INIT;

  must (fc_writer_acquire (writer[way], &frame), "acquire");
  memset (frame.data, (int) n, size);
  frame.size = size;
  shared->sent = now_ns ();
  must (fc_writer_commit (writer[way], &frame), "commit");
  commits[way][n] = now_ns () - shared->sent;
}

/* The other consumers sleep meanwhile. What a consumer looks for after the
 * last frame counts up to the time at which the next one would have come. */
static void
take_turn (int way, uint64_t turn)
{
  uint64_t n = turn * (warm_up + frames), end = n + warm_up + frames;
  int64_t interval = SEC / (int64_t) rate, next = now_ns ();
  int64_t consumer_began = 0, writer_began = 0;
  clockid_t clock;

  clock_getcpuclockid (pid[way], &clock);
  for (uint64_t first = n; n < end; n++)
    {
      if (n == first + warm_up)
        {
          consumer_began = clock_ns (clock);
          writer_began = clock_ns (CLOCK_PROCESS_CPUTIME_ID);
        }
      send_one (way, n);
      sleep_until (next += interval);
      AWAIT (shared->had[way] == n + 1, "the frame before");
    }
  consumer_cpu[way] += clock_ns (clock) - consumer_began;
  writer_cpu[way] += clock_ns (CLOCK_PROCESS_CPUTIME_ID) - writer_began;
  AWAIT (waiting_consumers (names[way]) == 1, "a consumer to fall asleep");
}

/* The samples of all turns, one after another, without their warm-ups. */
static spread_t
spread_of_turns (int64_t *sample)
{
  for (uint64_t turn = 0; turn < turns; turn++)
    memmove (sample + turn * frames,
             sample + turn * (warm_up + frames) + warm_up,
             frames * sizeof *sample);
  return spread_of (sample, turns * frames);
}

static void
print (void)
{
  const number_t parameters[] = {
    { "size", (double) size },
    { "rate", (double) rate },
    { "depth", DEPTH },
    { NULL, 0 },
  };
  double n = (double) (turns * frames);
  spread_t spread[WAYS];

  report ("spin", parameters);
  for (int way = 0; way < WAYS; way++)
    {
      spread_t commit = spread_of_turns (commits[way]);
      double consumer_ns = (double) consumer_cpu[way] / n;
      double writer_ns = (double) writer_cpu[way] / n;
      const number_t more[] = {
        { "spin_ns", (double) spin_ns[way] },
        { "commit_p50_ns", commit.p50 },
        { "consumer_cpu_ns", (double) (int64_t) consumer_ns },
        { "cpu_ns", (double) (int64_t) (consumer_ns + writer_ns) },
        { "consumer_cpu_percent",
          (double) (int64_t) (consumer_ns * (double) rate / 1e5) / 100 },
        { NULL, 0 },
      };

      spread[way] = spread_of_turns (took[way]);
      report_row (names[way], &spread[way], &spread[0], more);
    }
}

static void
open_writer (int way)
{
  fc_writer_options_t how = FC_WRITER_OPTIONS_INIT;

  how.dir = bench_dir;
  how.frame_size = size;
  how.ring_depth = DEPTH;
  must (fc_writer_open (&writer[way], names[way], &how), "writer");
}

int
main (int argc, char **argv)
{
  uint64_t all;

  take_options (argc, argv,
                "What looking for a frame before sleeping brings, and costs, "
                "beside sleeping at once.",
                options);
  if (sysconf (_SC_NPROCESSORS_ONLN) < 2)
    {
      fprintf (stderr, "%s: with one processor libfc never spins\n", argv[0]);
      return 1;
    }
  make_bench_dir ();
  shared = share (sizeof *shared);
  all = turns * (warm_up + frames);
  for (int way = 0; way < WAYS; way++)
    {
      took[way] = share (all * sizeof (int64_t));
      commits[way] = share (all * sizeof (int64_t));
    }
  for (int way = 0; way < WAYS; way++)
    pid[way] = start (consume, (void *) (intptr_t) way);
  for (int way = 0; way < WAYS; way++)
    open_writer (way);
  AWAIT (shared->ready == WAYS, "all consumers attached");
  for (uint64_t turn = 0; turn < turns; turn++)
    for (uint64_t i = 0; i < WAYS; i++)
      take_turn ((int) ((turn + i) % WAYS), turn);
  end_all (pid, WAYS);
  print ();
  for (int way = 0; way < WAYS; way++)
    fc_writer_close (writer[way]);
  return 0;
}
