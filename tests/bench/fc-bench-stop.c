/* Consumers stopped for a while with leases in their hands: what their
 * writer's commits take before, meanwhile and afterwards.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-report.h"

#define STOPPED_MAX 32
#define DEPTH 30

enum
{
  BEFORE,
  STOPPED,
  AFTER,
  PHASES
};
static const char *const names[PHASES] = { "before", "stopped", "after" };

static _Atomic uint64_t *attached;
static uint64_t size = FRAME_1080P, rate = 60, frames = 60, rounds = 4,
                stopped = 1;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 'r', "rate", &rate, 1, 10000, "frames a second" },
        { 'f', "frames", &frames, 10, 100000, "frames of each phase" },
        { 'n', "rounds", &rounds, 1, 1000,
          "times that consumers are stopped and go on" },
        { 'c', "consumers", &stopped, 1, STOPPED_MAX,
          "consumers that are stopped, beside as many that read on" },
        { 0 } };

static void
read_on (void *arg)
{
  fc_consumer_t *consumer = open_bench_consumer ("bench");
  fc_frame_t held = FC_FRAME_INIT;

  ++*attached;
  if (arg != NULL)
    must (fc_consumer_lease (consumer, &held, FC_FOREVER), "lease");
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_consumer_read (consumer, &frame, FC_FOREVER), "read");
    }
}

static void
write_paced (fc_writer_t *writer, int64_t *took)
{
  int64_t next = now_ns ();

  for (uint64_t i = 0; i < frames; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t began;

      sleep_until (next += SEC / (int64_t) rate);
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, (int) i, size);
      frame.size = size;
      began = now_ns ();
      must (fc_writer_commit (writer, &frame), "commit");
      took[i] = now_ns () - began;
    }
}

static void
stop_and_go (fc_writer_t *writer, const pid_t *pid, int64_t **took)
{
  for (uint64_t n = 0; n < rounds; n++)
    {
      write_paced (writer, took[BEFORE] + n * frames);
      for (uint64_t i = 0; i < stopped; i++)
        {
          kill (pid[i], SIGSTOP);
          waitpid (pid[i], NULL, WUNTRACED);
        }
      write_paced (writer, took[STOPPED] + n * frames);
      for (uint64_t i = 0; i < stopped; i++)
        kill (pid[i], SIGCONT);
      write_paced (writer, took[AFTER] + n * frames);
    }
}

static void
print (fc_writer_t *writer, int64_t **took)
{
  const number_t parameters[]
      = { { "size", (double) size },         { "rate", (double) rate },
          { "consumers", (double) stopped }, { "depth", DEPTH },
          { "rounds", (double) rounds },     { NULL, 0 } };
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  spread_t spread[PHASES];

  must (fc_writer_stats (writer, &stats), "stats");
  report ("stop", parameters);
  for (int phase = 0; phase < PHASES; phase++)
    {
      const number_t more[]
          = { { "dropped", (double) stats.dropped },
              { "shortened", (double) stats.history_shortened },
              { NULL, 0 } };

      spread[phase] = spread_of (took[phase], rounds * frames);
      report_row (names[phase], &spread[phase], &spread[BEFORE],
                  phase == AFTER ? more : NULL);
    }
}

int
main (int argc, char **argv)
{
  pid_t pid[2 * STOPPED_MAX];
  int64_t *took[PHASES];
  fc_writer_t *writer;

  take_options (argc, argv,
                "A writer's commits before, while and after consumers are "
                "stopped (SIGSTOP) with\na lease each. The floor is before.",
                options);
  make_bench_dir ();
  attached = share (sizeof *attached);
  for (uint64_t i = 0; i < 2 * stopped; i++)
    pid[i] = start (read_on, i < stopped ? pid : NULL);
  for (int phase = 0; phase < PHASES; phase++)
    took[phase] = calloc (rounds * frames, sizeof *took[phase]);
  writer = open_bench_writer ("bench", size, DEPTH, 2 * STOPPED_MAX);
  AWAIT (*attached == 2 * stopped, "consumers attached");
  write_paced (writer, took[BEFORE]); /* the first lap does not count */
  stop_and_go (writer, pid, took);
  end_all (pid, 2 * stopped);
  print (writer, took);
  fc_writer_close (writer);
  return 0;
}
