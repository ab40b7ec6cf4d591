/* A process that may only read the ring, and does it as a nuisance: what the
 * writer's commits take while it is quiet, while it does the same to a file of
 * its own (the machine is then as busy), and while it does it to the ring.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fc-bench-report.h"

#define NOBODY 65534
#define ROUNDS_MAX 1000
#define FRAMES_MAX 10000
#define WAITERS 100
#define DEPTH 16
#define LOCKS 2000
#define WORDS_OFFSET                                                           \
  128            /* docs/ring-format.md: where that is in the header           \
                  */
#define WAKE 128 /* and the futex word in the words */

enum
{
  QUIET,
  ELSEWHERE,
  HERE,
  MODES
};

static const char *const names[MODES] = { "quiet", "elsewhere", "ring" };

static uint64_t size = FRAME_1080P, rate = 200, frames = 200, rounds = 10;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 'r', "rate", &rate, 1, 10000, "frames a second" },
        { 'f', "frames", &frames, 10, FRAMES_MAX, "frames of each round" },
        { 'n', "rounds", &rounds, 1, 1000, "rounds of each mode" },
        { 0 } };

typedef struct
{
  _Atomic int mode;
  _Atomic int ready;
} orders_t;

/* One of the two files, as the nuisance has it. */
typedef struct
{
  char path[128];
  int fd;
  uint32_t *wake;
} victim_t;

static orders_t *orders;
static victim_t victim[MODES];

/* Which file it is now; waits while it has to be quiet. */
static const victim_t *
wait_for_orders (void)
{
  int mode;

  while ((mode = orders->mode) == QUIET)
    sleep_until (now_ns () + MS);
  return &victim[mode];
}

static void *
read_on (void *arg)
{
  static char bytes[256 << 10];
  off_t at = 0;

  (void) arg;
  for (;;)
    at = pread (wait_for_orders ()->fd, bytes, sizeof bytes, at) > 0
             ? at + (off_t) sizeof bytes
             : 0;
  return NULL;
}

static void *
open_and_lock (void *arg)
{
  struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };

  (void) arg;
  for (;;)
    {
      const victim_t *at = wait_for_orders ();
      int fd = open (at->path, O_RDONLY | O_CLOEXEC);

      flock (fd, LOCK_EX | LOCK_NB);
      /* One in two, so that the kernel can not make one lock of them. */
      for (lock.l_start = 1; lock.l_start < 2 * LOCKS; lock.l_start += 2)
        fcntl (fd, F_OFD_SETLK, &lock);
      close (fd);
    }
  return NULL;
}

static void *
sleep_on_the_word (void *arg)
{
  static const struct timespec pause = { 0, 50 * MS };

  (void) arg;
  for (;;)
    {
      uint32_t *wake = wait_for_orders ()->wake;

      syscall (SYS_futex, wake, FUTEX_WAIT, __atomic_load_n (wake, 0), &pause,
               NULL, 0);
    }
  return NULL;
}

static void
look_at_victim (victim_t *v, const char *path)
{
  uint64_t words = 0;
  char *base;

  snprintf (v->path, sizeof v->path, "%s", path);
  v->fd = open (path, O_RDONLY | O_CLOEXEC);
  base = mmap (NULL, 4096, PROT_READ, MAP_SHARED, v->fd, 0);
  if (v->fd < 0 || base == MAP_FAILED)
    {
      perror (path);
      exit (1);
    }
  memcpy (&words, base + WORDS_OFFSET, sizeof words);
  v->wake = (uint32_t *) (base + (words < 2048 ? words : 0) + WAKE);
}

static void
be_a_nuisance (void *arg)
{
  char path[128];
  pthread_t thread;

  (void) arg;
  if (geteuid () == 0 && (setgid (NOBODY) != 0 || setuid (NOBODY) != 0))
    exit (1);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  while (!orders->ready)
    sleep_until (now_ns () + MS);
  snprintf (path, sizeof path, "%s/elsewhere", bench_dir);
  look_at_victim (&victim[ELSEWHERE], path);
  snprintf (path, sizeof path, "%s/bench.ring", bench_dir);
  look_at_victim (&victim[HERE], path);
  pthread_create (&thread, NULL, read_on, NULL);
  pthread_create (&thread, NULL, open_and_lock, NULL);
  for (int i = 0; i < WAITERS; i++)
    pthread_create (&thread, NULL, sleep_on_the_word, NULL);
  orders->ready = 2;
  for (;;)
    pause ();
}

/* As long as the ring, to be read in its stead. */
static void
make_elsewhere (off_t length)
{
  char path[128];
  int fd;

  snprintf (path, sizeof path, "%s/elsewhere", bench_dir);
  fd = open (path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0 || posix_fallocate (fd, 0, length) != 0)
    {
      perror (path);
      exit (1);
    }
  close (fd);
}

/* What the commits took, and what of that the writer's own processor time was:
 * the machine does something else meanwhile too. */
static void
write_paced (fc_writer_t *writer, int64_t *took, int64_t *worked)
{
  int64_t next = now_ns ();

  for (uint64_t i = 0; i < frames; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t began, work;

      sleep_until (next += SEC / (int64_t) rate);
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, (int) i, size);
      frame.size = size;
      work = clock_ns (CLOCK_THREAD_CPUTIME_ID);
      began = now_ns ();
      must (fc_writer_commit (writer, &frame), "commit");
      took[i] = now_ns () - began;
      worked[i] = clock_ns (CLOCK_THREAD_CPUTIME_ID) - work;
    }
}

static void
print (fc_writer_t *writer, int64_t **took, int64_t **worked)
{
  const number_t parameters[] = { { "size", (double) size },
                                  { "rate", (double) rate },
                                  { "depth", DEPTH },
                                  { "rounds", (double) rounds },
                                  { NULL, 0 } };
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  spread_t spread[MODES];

  must (fc_writer_stats (writer, &stats), "stats");
  report ("hostile", parameters);
  for (int mode = 0; mode < MODES; mode++)
    {
      spread_t own = spread_of (worked[mode], rounds * frames);
      const number_t more[]
          = { { "cpu_p50_ns", own.p50 },
              { "cpu_p99_ns", own.p99 },
              { "dropped", (double) stats.dropped },
              { "shortened", (double) stats.history_shortened },
              { NULL, 0 } };

      spread[mode] = spread_of (took[mode], rounds * frames);
      report_row (names[mode], &spread[mode],
                  mode == HERE ? &spread[ELSEWHERE] : NULL, more);
    }
}

static void
compare (fc_writer_t *writer)
{
  int64_t *took[MODES], *worked[MODES];

  for (int mode = 0; mode < MODES; mode++)
    {
      took[mode] = calloc (rounds * frames, sizeof *took[mode]);
      worked[mode] = calloc (rounds * frames, sizeof *worked[mode]);
    }
  write_paced (writer, took[QUIET], worked[QUIET]); /* does not count */
  for (uint64_t i = 0; i < rounds; i++)
    for (int mode = 0; mode < MODES; mode++)
      {
        orders->mode = mode;
        write_paced (writer, took[mode] + i * frames,
                     worked[mode] + i * frames);
      }
  orders->mode = QUIET;
  print (writer, took, worked);
}

int
main (int argc, char **argv)
{
  fc_writer_options_t how = FC_WRITER_OPTIONS_INIT;
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  fc_writer_t *writer;
  pid_t pid;

  take_options (argc, argv,
                "A writer's commits while a process that may only read the "
                "ring is quiet, a nuisance\nelsewhere, and a nuisance on the "
                "ring. The floor is elsewhere.",
                options);
  make_bench_dir ();
  chmod (bench_dir, 0755);
  orders = share (sizeof *orders);
  pid = start (be_a_nuisance, NULL);
  how.dir = bench_dir;
  how.frame_size = size;
  how.ring_depth = DEPTH;
  how.access = FC_SHARE_ALL;
  must (fc_writer_open (&writer, "bench", &how), "writer");
  must (fc_writer_stats (writer, &stats), "stats");
  make_elsewhere ((off_t) stats.bytes_allocated);
  orders->ready = 1;
  AWAIT (orders->ready == 2, "the nuisance");
  compare (writer);
  end (pid);
  fc_writer_close (writer);
  return 0;
}
