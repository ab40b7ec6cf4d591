/* Resident memory of a writer and its consumers after two laps, against the
 * bytes that fc_plan () told, and against a process that does nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fc-bench-report.h"

#define CONSUMERS_MAX 64

typedef struct
{
  double rss, pss, page_tables; /* bytes */
} memory_t;

static uint64_t size = FRAME_1080P, depth = 30, consumers = 1, leases;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 'd', "depth", &depth, 2, 10000, "frames of history" },
        { 'c', "consumers", &consumers, 1, CONSUMERS_MAX,
          "consumers that read each frame" },
        { 'l', "leases", &leases, 0, 3, "frames that each of them keeps" },
        { 0 } };

/* What the started processes say when they have done what they do. */
#define DONE "."
#define RATE 200

/* The value of the line of FILE that begins with KEY; in kB there. */
static double
bytes_in (pid_t pid, const char *file, const char *key)
{
  char path[64], line[256];
  unsigned long long value = 0;
  FILE *from;

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, file);
  from = fopen (path, "r");
  if (from == NULL)
    {
      perror (path);
      exit (1);
    }
  while (fgets (line, sizeof line, from) != NULL)
    if (strncmp (line, key, strlen (key)) == 0)
      value = strtoull (line + strlen (key), NULL, 10);
  fclose (from);
  return (double) value * 1024;
}

static memory_t
memory_of (pid_t pid)
{
  return (memory_t){ bytes_in (pid, "smaps_rollup", "Rss:"),
                     bytes_in (pid, "smaps_rollup", "Pss:"),
                     bytes_in (pid, "status", "VmPTE:") };
}

/* The started ------------------------------------------------------------- */

static void
stay (void)
{
  if (write (STDOUT_FILENO, DONE, 1) != 1)
    exit (1);
  for (;;)
    pause ();
}

/* Two laps, at a pace that consumers keep. */
static void
be_writer (void)
{
  fc_writer_t *writer = open_bench_writer ("bench", size, depth, CONSUMERS_MAX);
  int64_t next;

  AWAIT ((uint64_t) fc_writer_consumers (writer) == consumers, "consumers");
  next = now_ns ();
  for (uint64_t n = 0; n < 2 * depth; n++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      sleep_until (next += SEC / RATE);
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, (int) n, size);
      frame.size = size;
      must (fc_writer_commit (writer, &frame), "commit");
    }
  stay ();
}

static void
be_consumer (void)
{
  fc_consumer_t *consumer = open_bench_consumer ("bench");
  fc_frame_t kept[3];
  volatile uint8_t byte;

  for (uint64_t n = 0; n < 2 * depth; n++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_consumer_lease (consumer, &frame, 60 * SEC), "lease");
      for (uint64_t at = 0; at < frame.size; at += 4096)
        byte = ((const uint8_t *) frame.data)[at];
      n += frame.dropped;
      if (leases > 0 && n < leases)
        kept[n] = frame;
      else
        fc_consumer_release (consumer, &frame);
    }
  (void) byte;
  (void) kept;
  stay ();
}

static void
be_started (const char *role, uint64_t how)
{
  consumers = how % 100;
  leases = how / 100 % 10;
  depth = how / 1000;
  if (strcmp (role, "writer") == 0)
    be_writer ();
  else if (strcmp (role, "consumer") == 0)
    be_consumer ();
  stay ();
}

/* The starting ------------------------------------------------------------ */

static void
await_done (int from, uint64_t count)
{
  char text;

  for (uint64_t i = 0; i < count; i++)
    if (read (from, &text, 1) != 1)
      {
        fprintf (stderr, "a process that was started failed\n");
        exit (1);
      }
}

/* Of ring and consumer table, as the file system counts them. */
static double
bytes_of_files (void)
{
  DIR *dir = opendir (bench_dir);
  struct dirent *file;
  struct stat st;
  double bytes = 0;

  while (dir != NULL && (file = readdir (dir)) != NULL)
    if (fstatat (dirfd (dir), file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
        && S_ISREG (st.st_mode))
      bytes += (double) st.st_blocks * 512;
  if (dir != NULL)
    closedir (dir);
  return bytes;
}

static void
report_process (const char *what, const memory_t *memory)
{
  report_row (what, NULL, NULL,
              (number_t[]){ { "rss_bytes", memory->rss },
                            { "bytes", memory->pss },
                            { "page_table_bytes", memory->page_tables },
                            { NULL, 0 } });
}

static void
print (const pid_t *pid)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  memory_t idle = memory_of (pid[0]), writer = memory_of (pid[1]), total;
  memory_t consumer = memory_of (pid[2]);

  must (fc_slot_stat (bench_dir, "bench", &stat), "stat");
  total = writer;
  for (uint64_t i = 0; i < consumers; i++)
    {
      memory_t one = memory_of (pid[2 + i]);

      total.pss += one.pss;
      total.page_tables += one.page_tables;
    }
  report ("memory", (number_t[]){ { "size", (double) size },
                                  { "depth", (double) depth },
                                  { "consumers", (double) consumers },
                                  { "leases", (double) leases },
                                  { NULL, 0 } });
  report_process ("idle", &idle);
  report_process ("writer", &writer);
  report_process ("consumer", &consumer);
  report_row ("total", NULL, NULL,
              (number_t[]){ { "bytes", total.pss },
                            { "page_table_bytes", total.page_tables },
                            { "blocks_bytes", bytes_of_files () },
                            { "reserved_bytes", (double) stat.bytes_allocated },
                            { "planned_bytes", (double) stat.bytes_planned },
                            { "over_reserved_bytes",
                              total.pss - (double) stat.bytes_allocated },
                            { NULL, 0 } });
}

int
main (int argc, char **argv)
{
  pid_t pid[2 + CONSUMERS_MAX];
  uint64_t how;
  const char *role = started_anew (argc, argv, &size, &how);
  int ends[2];

  if (role != NULL)
    be_started (role, how);
  take_options (argc, argv,
                "Resident memory (Pss) of a writer and its consumers after "
                "two laps, beside the bytes\nthat were reserved and planned, "
                "and a process that does nothing.",
                options);
  make_bench_dir ();
  how = depth * 1000 + leases * 100 + consumers;
  must (pipe (ends), "pipe");
  pid[0] = start_anew ("idle", size, how, ends[1]);
  pid[1] = start_anew ("writer", size, how, ends[1]);
  for (uint64_t i = 0; i < consumers; i++)
    pid[2 + i] = start_anew ("consumer", size, how, ends[1]);
  close (ends[1]);
  await_done (ends[0], 2 + consumers);
  print (pid);
  end_all (pid, 2 + consumers);
  return 0;
}
