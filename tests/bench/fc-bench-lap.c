/* The first lap through a ring against later ones: what a frame takes its
 * writer (acquire, fill, commit) and its consumer (lease, read), and how many
 * page faults they meet.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/resource.h>

#include "fc-bench-report.h"

/* Cells that are filled once before one is filled again: the history, and
 * these. */
#define SPARE 2

enum
{
  WRITER_FIRST,
  WRITER_LATER,
  CONSUMER_FIRST,
  CONSUMER_LATER,
  KINDS
};
static const char *const names[KINDS]
    = { "writer-first", "writer-later", "consumer-first", "consumer-later" };

/* Of one side and one ring: what each frame took, and its page faults. */
typedef struct
{
  uint64_t n;
  struct
  {
    int64_t took;
    uint64_t faults;
  } frame[];
} side_t;

static uint64_t size = FRAME_1080P, rate = 120, depth = 30, laps = 3, rings = 3;
static const option_t options[]
    = { { 's', "size", &size, 8, 1 << 28, "bytes of a frame" },
        { 'r', "rate", &rate, 0, 100000, "frames a second; 0: unpaced" },
        { 'd', "depth", &depth, 2, 1000, "frames of history" },
        { 'l', "laps", &laps, 2, 1000, "laps, the first one included" },
        { 'n', "rings", &rings, 1, 100, "rings, each with a first lap" },
        { 0 } };

static side_t *writer_side, *consumer_side;
static int64_t *sample[KINDS];
static uint64_t n_samples[KINDS], n_faults[KINDS];

/* Of the thread that has to do with frames, not of the housekeeper. */
static uint64_t
faults_so_far (void)
{
  struct rusage usage;

  getrusage (RUSAGE_THREAD, &usage);
  return (uint64_t) usage.ru_minflt;
}

static void
note (side_t *side, int64_t began, uint64_t faults)
{
  int64_t now = now_ns ();

  side->frame[side->n].took = now - began;
  side->frame[side->n].faults = faults_so_far () - faults;
  side->n++;
}

static uint64_t
sum_of (const void *data, size_t bytes)
{
  const uint64_t *word = data;
  uint64_t sum = 0;

  for (size_t i = 0; i < bytes / 8; i++)
    sum += word[i];
  return sum;
}

/* Looks for frames without waiting for them, so that no wait is measured. */
static void
consume (void *arg)
{
  fc_consumer_t *consumer;
  volatile uint64_t sum = 0;
  int r;

  (void) arg;
  consumer = open_bench_consumer ("bench");
  do
    {
      fc_frame_t frame = FC_FRAME_INIT;
      uint64_t faults = faults_so_far ();
      int64_t began = now_ns ();

      r = fc_consumer_lease (consumer, &frame, 0);
      if (r >= 0)
        {
          sum = sum + sum_of (frame.data, frame.size);
          fc_consumer_release (consumer, &frame);
          note (consumer_side, began, faults);
        }
      else if (r == FC_TIMEOUT)
        sleep_until (now_ns () + MS / 5);
    }
  while (r >= 0 || r == FC_TIMEOUT);
  if (r != FC_EOS)
    must (r, "lease");
}

/* From the first moment on: nobody waits for what is still being prepared. */
static void
produce (void)
{
  fc_writer_t *writer = open_bench_writer ("bench", size, depth, 64);
  uint64_t frames = laps * (depth + SPARE);
  int64_t next = now_ns ();

  for (uint64_t n = 0; n < frames; n++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      uint64_t faults = faults_so_far ();
      int64_t began;

      if (rate > 0)
        sleep_until (next += SEC / (int64_t) rate);
      began = now_ns ();
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, (int) n, size);
      frame.size = size;
      must (fc_writer_commit (writer, &frame), "commit");
      note (writer_side, began, faults);
    }
  fc_writer_close (writer);
}

static void
sort (const side_t *side, int first)
{
  for (uint64_t i = 0; i < side->n; i++)
    {
      int kind = i < depth + SPARE ? first : first + 1;

      sample[kind][n_samples[kind]++] = side->frame[i].took;
      n_faults[kind] += side->frame[i].faults;
    }
}

static void
run_ring (void)
{
  pid_t pid;
  int status;

  writer_side->n = consumer_side->n = 0;
  pid = start (consume, NULL);
  produce ();
  if (waitpid (pid, &status, 0) != pid || status != 0)
    {
      fprintf (stderr, "the consumer did not come to the end\n");
      exit (1);
    }
  sort (writer_side, WRITER_FIRST);
  sort (consumer_side, CONSUMER_FIRST);
}

static void
print (void)
{
  const number_t parameters[] = { { "size", (double) size },
                                  { "rate", (double) rate },
                                  { "depth", (double) depth },
                                  { "rings", (double) rings },
                                  { NULL, 0 } };
  spread_t spread[KINDS];

  for (int kind = 0; kind < KINDS; kind++)
    spread[kind] = spread_of (sample[kind], n_samples[kind]);
  report ("lap", parameters);
  for (int kind = 0; kind < KINDS; kind++)
    {
      const number_t more[]
          = { { "faults", (double) n_faults[kind] }, { NULL, 0 } };

      report_row (names[kind], &spread[kind], &spread[kind | 1], more);
    }
}

int
main (int argc, char **argv)
{
  uint64_t frames;

  take_options (argc, argv,
                "Frames of the first lap through a ring against those of "
                "later laps, which are the\nfloor. The writer begins at once, "
                "its consumer attaches meanwhile.",
                options);
  make_bench_dir ();
  frames = laps * (depth + SPARE);
  writer_side
      = share (sizeof *writer_side + frames * sizeof *writer_side->frame);
  consumer_side
      = share (sizeof *consumer_side + frames * sizeof *consumer_side->frame);
  for (int kind = 0; kind < KINDS; kind++)
    sample[kind] = share (rings * frames * sizeof *sample[kind]);
  for (uint64_t i = 0; i < rings; i++)
    run_ring ();
  print ();
  return 0;
}
