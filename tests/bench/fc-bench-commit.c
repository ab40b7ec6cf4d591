/* What a commit costs its writer: with nobody waiting, and with N consumers
 * waiting against N bare sem_posts to as many sleepers, and against one; in
 * turn.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/resource.h>

#include "fc-bench-report.h"

#define SLEEPERS 64
#define SIZE 4096
#define DEPTH 120
#define ALL 65 /* --waiting: all of those below */

enum
{
  COMMIT,
  POSTS, /* one to each of N sleepers */
  POST,  /* one to one of them */
  WAYS
};
static const char *const names[WAYS] = { "commit", "posts", "post" };

typedef struct
{
  _Alignas(128) sem_t sem[SLEEPERS];
  _Alignas(128) _Atomic unsigned asleep;
  _Atomic unsigned attached;
} shared_t;

/* Of a commit or of posts. On few processors those who are woken run in the
 * writer's stead before it has come to the end: that shows in what it took and
 * not in the writer's own processor time. */
typedef struct
{
  int64_t *took, *worked;
  uint64_t preempted; /* rounds in which that happened */
} way_t;

static shared_t *shared;
static uint64_t waiting = ALL, rounds = 200, frames = 200000, attached;
static const option_t options[] = {
  { 'w', "waiting", &waiting, 0, ALL,
    "consumers that wait; 65: 0, 1, 2, 4, ... 64 in turn" },
  { 'r', "rounds", &rounds, 10, 100000, "commits with consumers waiting" },
  { 'f', "frames", &frames, 1000, 10000000, "commits with nobody waiting" },
  { 'a', "attached", &attached, 0, SLEEPERS,
    "consumers attached that do not wait, with nobody waiting" },
  { 0 }
};

static void
sleep_bare (void *arg)
{
  sem_t *sem = arg;

  for (;;)
    {
      shared->asleep++;
      while (sem_wait (sem) != 0)
        ;
    }
}

static void
take_frames (void *arg)
{
  fc_consumer_t *consumer = open_bench_consumer ("bench");

  (void) arg;
  shared->attached++;
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_consumer_lease (consumer, &frame, FC_FOREVER), "lease");
      fc_consumer_release (consumer, &frame);
    }
}

static void
only_attach (void *arg)
{
  (void) arg;
  for (uint64_t i = 0; i < attached; i++)
    (void) open_bench_consumer ("bench");
  shared->attached++;
  for (;;)
    pause ();
}

static int64_t
commit_one (fc_writer_t *writer)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int64_t began;

  must (fc_writer_acquire (writer, &frame), "acquire");
  frame.size = SIZE;
  began = now_ns ();
  must (fc_writer_commit (writer, &frame), "commit");
  return now_ns () - began;
}

/* Without stamps: what a frame costs in all. */
static double
acquire_and_commit (fc_writer_t *writer)
{
  int64_t began = now_ns ();

  for (uint64_t i = 0; i < frames; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_writer_acquire (writer, &frame), "acquire");
      frame.size = SIZE;
      must (fc_writer_commit (writer, &frame), "commit");
    }
  return (double) (now_ns () - began) / (double) frames;
}

static void
nobody_waits (void)
{
  const number_t parameters[] = { { "waiting", 0 },
                                  { "attached", (double) attached },
                                  { "size", SIZE },
                                  { "depth", DEPTH },
                                  { NULL, 0 } };
  int64_t *took = calloc (frames, sizeof *took);
  spread_t commit, clock;
  fc_writer_t *writer;
  pid_t pid;

  memset (shared, 0, sizeof *shared);
  pid = start (only_attach, NULL);
  writer = open_bench_writer ("bench", SIZE, DEPTH, SLEEPERS);
  AWAIT (shared->attached > 0, "consumers attached");
  for (int warm = 1; warm >= 0; warm--)
    for (uint64_t i = 0; i < frames; i++)
      took[i] = commit_one (writer);
  commit = spread_of (took, frames);
  for (uint64_t i = 0; i < frames; i++)
    {
      int64_t began = now_ns ();

      took[i] = now_ns () - began;
    }
  clock = spread_of (took, frames);
  report ("commit", parameters);
  report_row ("commit", &commit, NULL, NULL);
  report_row ("clock", &clock, NULL, NULL);
  report_row ("acquire+commit", NULL, NULL,
              (number_t[]){ { "mean_ns", acquire_and_commit (writer) },
                            { "n", (double) frames },
                            { NULL, 0 } });
  end (pid);
  fc_writer_close (writer);
  free (took);
}

static long
preemptions (void)
{
  struct rusage usage;

  getrusage (RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

static int64_t
post_some (unsigned count)
{
  int64_t began = now_ns ();

  for (unsigned i = 0; i < count; i++)
    sem_post (&shared->sem[i]);
  return now_ns () - began;
}

/* Until all of both kinds sleep; and then for a while, so that the processors
 * are as idle before the one as before the other: what a wake-up costs
 * depends on that more than on anything else. */
static void
settle (unsigned count, unsigned slept)
{
  wait_until_asleep (count);
  AWAIT (shared->asleep >= slept, "sleepers asleep");
  sleep_until (now_ns () + 2 * MS);
}

static void
take_turn (fc_writer_t *writer, unsigned posts, way_t *way, uint64_t i)
{
  long before = preemptions ();
  int64_t worked = clock_ns (CLOCK_THREAD_CPUTIME_ID);

  way->took[i] = posts == 0 ? commit_one (writer) : post_some (posts);
  way->worked[i] = clock_ns (CLOCK_THREAD_CPUTIME_ID) - worked;
  way->preempted += preemptions () != before;
}

static void
take_turns (fc_writer_t *writer, unsigned count, way_t *ways)
{
  const unsigned posts[WAYS] = { 0, count, 1 };
  unsigned slept = count;

  for (uint64_t i = 0; i < rounds; i++)
    for (unsigned turn = 0; turn < WAYS; turn++)
      {
        unsigned way = (unsigned) ((turn + i) % WAYS);

        settle (count, slept);
        take_turn (writer, posts[way], &ways[way], i);
        slept += posts[way];
      }
}

static void
print (unsigned count, way_t *ways)
{
  const number_t parameters[] = {
    { "waiting", count }, { "size", SIZE }, { "depth", DEPTH }, { NULL, 0 }
  };
  spread_t took[WAYS], worked;

  report ("commit", parameters);
  for (int way = 0; way < WAYS; way++)
    took[way] = spread_of (ways[way].took, rounds);
  for (int way = 0; way < WAYS; way++)
    {
      worked = spread_of (ways[way].worked, rounds);
      report_row (
          names[way], &took[way], &took[count <= 4 ? POSTS : POST],
          (number_t[]){ { "cpu_p50_ns", worked.p50 },
                        { "preempted_ratio",
                          (double) ways[way].preempted / (double) rounds },
                        { NULL, 0 } });
    }
}

static void
some_wait (unsigned count)
{
  way_t ways[WAYS] = { 0 };
  pid_t sleeper[SLEEPERS], consumer[SLEEPERS];
  fc_writer_t *writer;

  memset (shared, 0, sizeof *shared);
  for (unsigned i = 0; i < count; i++)
    {
      sem_init (&shared->sem[i], 1, 0);
      sleeper[i] = start (sleep_bare, &shared->sem[i]);
      consumer[i] = start (take_frames, NULL);
    }
  for (int way = 0; way < WAYS; way++)
    {
      ways[way].took = calloc (rounds, sizeof (int64_t));
      ways[way].worked = calloc (rounds, sizeof (int64_t));
    }
  writer = open_bench_writer ("bench", SIZE, DEPTH, SLEEPERS);
  AWAIT (shared->attached == count, "consumers attached");
  take_turns (writer, count, ways);
  end_all (sleeper, count);
  end_all (consumer, count);
  print (count, ways);
  for (int way = 0; way < WAYS; way++)
    {
      free (ways[way].took);
      free (ways[way].worked);
    }
  fc_writer_close (writer);
}

int
main (int argc, char **argv)
{
  take_options (argc, argv,
                "What a commit costs its writer, beside bare semaphores. The "
                "floor is one post a\nconsumer up to 4 of them, beyond that "
                "one post.",
                options);
  make_bench_dir ();
  shared = share (sizeof *shared);
  if (waiting == 0 || waiting == ALL)
    nobody_waits ();
  for (unsigned count = 1; count <= SLEEPERS; count *= 2)
    if (waiting == ALL)
      some_wait (count);
  if (waiting > 0 && waiting < ALL)
    some_wait ((unsigned) waiting);
  return 0;
}
