/* From exec to the first frame: of a writer (its first commit) and of a
 * consumer of a ring that lives (its first lease), beside what the kernel takes
 * for as much memory: to reserve it, and to fill its pages and page tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fc-bench-report.h"

#define RUNS_MAX 1000

enum
{
  BARE_EXEC, /* to main () */
  RESERVE,   /* fallocate () of the ring's bytes */
  POPULATE,  /* and the mapping of all of them */
  WRITER_OPEN,
  WRITER, /* exec to the first commit */
  CONSUMER_OPEN,
  CONSUMER, /* exec to the first lease */
  KINDS
};
static const char *const names[KINDS]
    = { "exec",   "reserve",       "populate", "writer-open",
        "writer", "consumer-open", "consumer" };

/* What a process that was started says of itself, on its standard output. */
typedef struct
{
  int64_t began, opened, first;
} stamps_t;

static uint64_t size = FRAME_1080P, depth = 120, runs = 10;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 'd', "depth", &depth, 2, 10000, "frames of history" },
        { 'n', "runs", &runs, 1, RUNS_MAX, "times that each is started" },
        { 0 } };

static int64_t sample[KINDS][RUNS_MAX];

/* The started ------------------------------------------------------------- */

static void
commit_one (fc_writer_t *writer)
{
  fc_frame_t frame = FC_FRAME_INIT;

  must (fc_writer_acquire (writer, &frame), "acquire");
  memset (frame.data, 1, frame.capacity);
  frame.size = frame.capacity;
  must (fc_writer_commit (writer, &frame), "commit");
}

static void
be_writer (stamps_t *at)
{
  fc_writer_t *writer = open_bench_writer ("bench", size, depth, 64);

  at->opened = now_ns ();
  commit_one (writer);
  at->first = now_ns ();
  fc_writer_close (writer);
}

static void
be_consumer (stamps_t *at)
{
  fc_consumer_options_t how = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;

  how.dir = bench_dir;
  how.position.start = FC_START_LATEST;
  must (fc_consumer_open (&consumer, "bench", &how), "consumer");
  at->opened = now_ns ();
  must (fc_consumer_lease (consumer, &frame, 0), "lease");
  at->first = now_ns ();
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
}

static int
be_started (const char *role)
{
  stamps_t at = { .began = now_ns () };

  if (strcmp (role, "writer") == 0)
    be_writer (&at);
  else
    be_consumer (&at);
  return write (STDOUT_FILENO, &at, sizeof at) == sizeof at ? 0 : 1;
}

/* The starting ------------------------------------------------------------ */

static stamps_t
start_and_wait (const char *role, int64_t *at)
{
  stamps_t stamps;
  int ends[2], status;
  pid_t pid;

  must (pipe (ends), "pipe");
  *at = now_ns ();
  pid = start_anew (role, size, depth, ends[1]);
  close (ends[1]);
  if (read (ends[0], &stamps, sizeof stamps) != sizeof stamps
      || waitpid (pid, &status, 0) != pid || status != 0)
    {
      fprintf (stderr, "the %s that was started failed\n", role);
      exit (1);
    }
  close (ends[0]);
  return stamps;
}

static void
start_writer (uint64_t run)
{
  int64_t at;
  stamps_t stamps = start_and_wait ("writer", &at);

  sample[BARE_EXEC][run] = stamps.began - at;
  sample[WRITER_OPEN][run] = stamps.opened - stamps.began;
  sample[WRITER][run] = stamps.first - at;
}

/* Beside a writer of which every page has been filled. */
static void
start_consumer (uint64_t run)
{
  fc_writer_t *writer = open_bench_writer ("bench", size, depth, 64);
  stamps_t stamps;
  int64_t at;

  for (uint64_t i = 0; i < depth + 2; i++)
    commit_one (writer);
  stamps = start_and_wait ("consumer", &at);
  sample[CONSUMER_OPEN][run] = stamps.opened - stamps.began;
  sample[CONSUMER][run] = stamps.first - at;
  fc_writer_close (writer);
}

static void
reserve_bare (uint64_t run, uint64_t bytes)
{
  char path[128];
  int64_t began;
  void *memory;
  int fd;

  snprintf (path, sizeof path, "%s/bare", bench_dir);
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  began = now_ns ();
  if (fd < 0 || fallocate (fd, 0, 0, (off_t) bytes) != 0)
    {
      perror (path);
      exit (1);
    }
  sample[RESERVE][run] = now_ns () - began;
  began = now_ns ();
  memory = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                 fd, 0);
  sample[POPULATE][run] = now_ns () - began;
  if (memory == MAP_FAILED)
    {
      perror ("mmap");
      exit (1);
    }
  munmap (memory, bytes);
  unlink (path);
  close (fd);
}

static uint64_t
ring_bytes (void)
{
  fc_writer_options_t how = FC_WRITER_OPTIONS_INIT;
  fc_plan_t plan = { .struct_size = sizeof plan };

  how.dir = bench_dir;
  how.frame_size = size;
  how.ring_depth = (uint32_t) depth;
  must (fc_plan (&how, &plan), "plan");
  return plan.bytes_initial;
}

int
main (int argc, char **argv)
{
  const char *role = started_anew (argc, argv, &size, &depth);
  uint64_t bytes;

  if (role != NULL)
    return be_started (role);
  take_options (argc, argv,
                "From exec to a writer's first commit and to a consumer's "
                "first lease, and what of\nthat is the kernel's: to reserve a "
                "ring's bytes, and to map them.",
                options);
  make_bench_dir ();
  bytes = ring_bytes ();
  for (uint64_t run = 0; run < runs; run++)
    {
      reserve_bare (run, bytes);
      start_writer (run);
      start_consumer (run);
    }
  report ("start", (number_t[]){ { "size", (double) size },
                                 { "depth", (double) depth },
                                 { "ring_bytes", (double) bytes },
                                 { NULL, 0 } });
  for (int kind = 0; kind < KINDS; kind++)
    {
      spread_t spread = spread_of (sample[kind], runs);

      report_row (names[kind], &spread, NULL,
                  (number_t[]){ { "ns", spread.p50 }, { NULL, 0 } });
    }
  return 0;
}
