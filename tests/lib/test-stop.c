/* A consumer that is stopped while it holds a lease. FC_TEST_STOP_SECONDS
 * says for how long; one second where it is not set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#define DEPTH 120

typedef struct
{
  int ready;
  int done;
  uint64_t until;
  bool holds;
  _Atomic uint64_t *at; /* where it is; NULL: it does not tell */
} reader_t;

static void
read_holding (void *arg)
{
  reader_t *reader = arg;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_frame_t held = FC_FRAME_INIT;
  fc_consumer_stats_t stats;
  uint64_t next = 0;

  if (reader->holds)
    {
      int ret = fc_consumer_lease (consumer, &held, BOUND);

      CHECK_CMP (ret, >=, 0);
      check_frame (&held, ret, &next);
    }
  event_post (reader->ready);
  while (next < reader->until)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      /* stopped for longer than any bound, it must just go on */
      int ret = fc_consumer_read (consumer, &frame, FC_FOREVER);

      CHECK_CMP (ret, >=, 0);
      check_frame (&frame, ret, &next);
      check_counts (consumer);
      if (reader->at != NULL)
        atomic_store (reader->at, next);
    }
  stats = consumer_stats (consumer);
  CHECK_EQ (stats.delivered + stats.dropped, reader->until);
  if (reader->holds)
    {
      CHECK (whole (held.data, held.size, held.seq));
      CHECK_RET (fc_frame_intact (consumer, &held), 1);
      CHECK_CMP (stats.dropped, >, 0u);
      fc_consumer_release (consumer, &held);
    }
  else
    CHECK_EQ (stats.dropped, 0);
  fc_consumer_close (consumer);
  event_post (reader->done);
}

static int
compare (const void *a, const void *b)
{
  int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

  return (x > y) - (x < y);
}

/* Commit COUNT frames, no faster than who reads up to *AT can on a busy
 * machine; returns the median of what a commit took, and in *P99 the 99th
 * percentile. */
static int64_t
commit_paced (fc_writer_t *writer, const _Atomic uint64_t *at, unsigned count,
              int64_t *p99)
{
  int64_t *took = calloc (count, sizeof *took), median;

  for (unsigned i = 0; i < count; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t start;

      CHECK_OK (fc_writer_acquire (writer, &frame));
      fill (frame.data, 8192, writer_stats (writer).head);
      frame.size = 8192;
      start = now_ns ();
      CHECK_OK (fc_writer_commit (writer, &frame));
      took[i] = now_ns () - start;
      nap ();
      WAIT_UNTIL ((int64_t) (frame.seq - atomic_load (at)) < DEPTH / 2);
    }
  qsort (took, count, sizeof *took, compare);
  median = took[count / 2];
  *p99 = took[count * 99 / 100];
  free (took);
  return median;
}

static void
stopped_consumer_costs_only_its_own_frames (void)
{
  const char *seconds = getenv ("FC_TEST_STOP_SECONDS");
  unsigned naps = 1000 * (unsigned) (seconds ? atoi (seconds) : 1);
  fc_writer_options_t options = small_ring ();
  reader_t stopped
      = { event_new (), event_new (), 500 + naps + 500, true, NULL };
  reader_t other = { event_new (), event_new (), 500 + naps + 500, false,
                     share (sizeof *other.at) };
  int64_t before, during, after, p99[3];
  fc_writer_t *writer;
  pid_t pid[2];

  options.ring_depth = DEPTH;
  writer = writer_new ("cam0", &options);
  pid[0] = spawn (read_holding, &stopped);
  pid[1] = spawn (read_holding, &other);
  event_wait (other.ready);
  before = commit_paced (writer, other.at, 500, &p99[0]);
  event_wait (stopped.ready);
  stop (pid[0]);
  during = commit_paced (writer, other.at, naps, &p99[1]);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  CHECK_EQ (writer_stats (writer).consumers, 2);
  cont (pid[0]);
  after = commit_paced (writer, other.at, 500, &p99[2]);
  event_wait (stopped.done);
  event_wait (other.done);
  reap_ok (pid[0]);
  reap_ok (pid[1]);
  fprintf (stderr,
           "# commit, us: before p50 %.1f p99 %.1f, while stopped p50 %.1f "
           "p99 %.1f, after p50 %.1f p99 %.1f\n",
           (double) before / 1e3, (double) p99[0] / 1e3, (double) during / 1e3,
           (double) p99[1] / 1e3, (double) after / 1e3, (double) p99[2] / 1e3);
  /* far from a wait for the stopped one, also on a busy machine */
  CHECK_CMP (during, <, 20 * before + MS);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  SLOW_TEST (stopped_consumer_costs_only_its_own_frames, 600),
};
TEST_MAIN (tests)
