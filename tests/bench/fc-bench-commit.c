/* What a commit costs its writer: with nobody waiting, and with N consumers
 * waiting against N bare sem_posts to as many sleepers, in turn.
 *
 * usage: fc-bench-commit [ROUNDS]     200
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench.h"

#define SLEEPERS 64
#define UNPACED 200000u

typedef struct
{
  sem_t sem[SLEEPERS];
  _Atomic unsigned asleep;
  _Atomic unsigned attached;
} shared_t;

static shared_t *shared;

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
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;

  (void) arg;
  options.dir = bench_dir;
  options.wait_ns = 20 * SEC;
  must (fc_consumer_open (&consumer, "bench", &options), "consumer");
  shared->attached++;
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      if (fc_consumer_lease (consumer, &frame, FC_FOREVER) >= 0)
        fc_consumer_release (consumer, &frame);
    }
}

static fc_writer_t *
open_writer (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer;

  options.dir = bench_dir;
  options.frame_size = 4096;
  options.ring_depth = 120;
  options.max_consumers = SLEEPERS;
  must (fc_writer_open (&writer, "bench", &options), "writer");
  return writer;
}

static int64_t
commit_one (fc_writer_t *writer)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int64_t began;

  must (fc_writer_acquire (writer, &frame), "acquire");
  frame.size = 4096;
  began = now_ns ();
  must (fc_writer_commit (writer, &frame), "commit");
  return now_ns () - began;
}

static void
nobody_waits (void)
{
  fc_writer_t *writer = open_writer ();
  int64_t *took = calloc (UNPACED, sizeof *took), began, clock, total;

  began = now_ns ();
  for (unsigned i = 0; i < UNPACED; i++)
    (void) now_ns ();
  clock = (now_ns () - began) / UNPACED;
  began = now_ns ();
  for (unsigned i = 0; i < UNPACED; i++)
    took[i] = commit_one (writer);
  total = now_ns () - began;
  printf ("nobody waits: commit p50 %.0f ns, p99 %.0f ns (of which the clock "
          "%lld ns); acquire and commit, mean %.0f ns\n",
          1e3 * percentile_us (took, UNPACED, 50),
          1e3 * percentile_us (took, UNPACED, 99), (long long) clock,
          (double) total / UNPACED - 2 * (double) clock);
  free (took);
  fc_writer_close (writer);
}

static int64_t
post_all (unsigned count)
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
settle (unsigned count, unsigned posted)
{
  wait_until_asleep (count);
  while (shared->asleep < count * (posted + 1))
    sleep_until (now_ns () + MS / 2);
  sleep_until (now_ns () + 2 * MS);
}

static void
some_wait (unsigned count, unsigned rounds)
{
  int64_t *commits = calloc (rounds, sizeof *commits);
  int64_t *posts = calloc (rounds, sizeof *posts);
  pid_t sleeper[SLEEPERS], consumer[SLEEPERS];
  fc_writer_t *writer;
  unsigned posted = 0;
  double commit, post;

  memset (shared, 0, sizeof *shared);
  for (unsigned i = 0; i < count; i++)
    {
      sem_init (&shared->sem[i], 1, 0);
      sleeper[i] = start (sleep_bare, &shared->sem[i]);
      consumer[i] = start (take_frames, NULL);
    }
  writer = open_writer ();
  while (shared->attached < count)
    sleep_until (now_ns () + MS);
  for (unsigned i = 0; i < rounds; i++)
    for (unsigned turn = 0; turn < 2; turn++)
      {
        settle (count, posted);
        if (turn == i % 2)
          commits[i] = commit_one (writer);
        else
          {
            posts[i] = post_all (count);
            posted++;
          }
      }
  commit = percentile_us (commits, rounds, 50);
  post = percentile_us (posts, rounds, 50);
  printf ("%7u %12.1f %12.1f %9.2f %12.1f %12.1f\n", count, commit, post,
          commit / post, percentile_us (commits, rounds, 99),
          percentile_us (posts, rounds, 99));
  for (unsigned i = 0; i < count; i++)
    {
      end (sleeper[i]);
      end (consumer[i]);
    }
  fc_writer_close (writer);
  free (commits);
  free (posts);
}

int
main (int argc, char **argv)
{
  unsigned rounds = argc > 1 ? (unsigned) atoi (argv[1]) : 200;

  if (rounds < 10)
    {
      fprintf (stderr, "usage: %s [ROUNDS]\n", argv[0]);
      return 2;
    }
  make_bench_dir ();
  shared = share (sizeof *shared);
  nobody_waits ();
  printf ("%7s %12s %12s %9s %12s %12s\n", "waiting", "commit p50", "posts p50",
          "ratio", "commit p99", "posts p99 (us)");
  for (unsigned count = 1; count <= SLEEPERS; count *= 2)
    some_wait (count, rounds);
  return 0;
}
