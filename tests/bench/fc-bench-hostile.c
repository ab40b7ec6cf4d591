/* A process that may only read the ring, and does it as a nuisance: what the
 * writer's commits take while it is quiet, while it does the same to a file of
 * its own (the machine is then as busy), and while it does it to the ring.
 *
 * usage: fc-bench-hostile [ROUNDS [RATE [SIZE]]]     10 200 3110400
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

#include "fc-bench.h"

#define NOBODY 65534
#define ROUNDS_MAX 1000
#define RATE_MAX 10000
#define WAITERS 100
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

static const char *const mode_name[] = { "quiet", "elsewhere", "on the ring" };

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

/* Of one round: us. Processor time is the commit's own, on a machine that does
 * something else meanwhile too. */
enum
{
  P50,
  P99,
  PROCESSOR_P99,
  FIGURES
};

static int64_t
processor_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

static void
write_paced (fc_writer_t *writer, size_t size, int rate, double *figure)
{
  static int64_t took[RATE_MAX], worked[RATE_MAX];
  int64_t next = now_ns ();

  for (int i = 0; i < rate; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t began, work;

      sleep_until (next += SEC / rate);
      must (fc_writer_acquire (writer, &frame), "acquire");
      memset (frame.data, i, size);
      frame.size = size;
      work = processor_ns ();
      began = now_ns ();
      must (fc_writer_commit (writer, &frame), "commit");
      took[i] = now_ns () - began;
      worked[i] = processor_ns () - work;
    }
  figure[P50] = percentile_us (took, (size_t) rate, 50);
  figure[P99] = percentile_us (took, (size_t) rate, 99);
  figure[PROCESSOR_P99] = percentile_us (worked, (size_t) rate, 99);
}

static int
compare_figures (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
median (double (*round)[MODES][FIGURES], int rounds, int mode, int figure)
{
  double value[ROUNDS_MAX];

  for (int i = 0; i < rounds; i++)
    value[i] = round[i][mode][figure];
  qsort (value, (size_t) rounds, sizeof *value, compare_figures);
  return value[rounds / 2];
}

static void
compare (fc_writer_t *writer, size_t size, int rate, int rounds)
{
  static double round[ROUNDS_MAX][MODES][FIGURES];
  double of[MODES][FIGURES];

  for (int i = 0; i < rounds; i++)
    for (int mode = 0; mode < MODES; mode++)
      {
        orders->mode = mode;
        write_paced (writer, size, rate, round[i][mode]);
      }
  printf ("commit, us (medians of %d) %9s %9s %9s\n", rounds, "p50", "p99",
          "cpu p99");
  for (int mode = 0; mode < MODES; mode++)
    {
      for (int figure = 0; figure < FIGURES; figure++)
        of[mode][figure] = median (round, rounds, mode, figure);
      printf ("%-26s %9.1f %9.1f %9.1f\n", mode_name[mode], of[mode][P50],
              of[mode][P99], of[mode][PROCESSOR_P99]);
    }
  printf ("on the ring / elsewhere    %9.2f %9.2f %9.2f\n",
          of[HERE][P50] / of[ELSEWHERE][P50],
          of[HERE][P99] / of[ELSEWHERE][P99],
          of[HERE][PROCESSOR_P99] / of[ELSEWHERE][PROCESSOR_P99]);
}

int
main (int argc, char **argv)
{
  int rounds = argc > 1 ? atoi (argv[1]) : 10;
  int rate = argc > 2 ? atoi (argv[2]) : 200;
  size_t size = argc > 3 ? (size_t) atoll (argv[3]) : FRAME_1080P;
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  fc_writer_t *writer;
  char path[128];
  pid_t pid;

  if (rounds < 1 || rounds > ROUNDS_MAX || rate < 1 || rate > RATE_MAX
      || size < 1)
    {
      fprintf (stderr, "usage: %s [ROUNDS [RATE [SIZE]]]\n", argv[0]);
      return 2;
    }
  make_bench_dir ();
  chmod (bench_dir, 0755);
  orders = share (sizeof *orders);
  pid = start (be_a_nuisance, NULL);
  options.dir = bench_dir;
  options.frame_size = size;
  options.ring_depth = 16;
  options.access = FC_SHARE_ALL;
  must (fc_writer_open (&writer, "bench", &options), "writer");
  must (fc_writer_stats (writer, &stats), "stats");
  make_elsewhere ((off_t) stats.bytes_allocated);
  orders->ready = 1;
  while (orders->ready < 2)
    sleep_until (now_ns () + MS);
  compare (writer, size, rate, rounds);
  must (fc_writer_stats (writer, &stats), "stats");
  printf ("%llu frames, %llu dropped by the writer, history shortened by "
          "%llu\n",
          (unsigned long long) stats.frames, (unsigned long long) stats.dropped,
          (unsigned long long) stats.history_shortened);
  end (pid);
  fc_writer_close (writer);
  snprintf (path, sizeof path, "%s/elsewhere", bench_dir);
  unlink (path);
  return 0;
}
