/* What the benches share: time, percentiles, processes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_BENCH_H
#define FC_BENCH_H

#include <dirent.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fc.h"

#define MS 1000000LL
#define SEC 1000000000LL
#define FRAME_1080P 3110400u /* NV12 */

static char bench_dir[64];
static pid_t bench_parent, bench_cleaner;

static inline int64_t
clock_ns (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

static inline int64_t
now_ns (void)
{
  return clock_ns (CLOCK_MONOTONIC);
}

static inline void
sleep_until (int64_t then)
{
  struct timespec at = { then / SEC, then % SEC };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
    ;
}

static inline void
must (int ret, const char *what)
{
  if (ret >= 0)
    return;
  fprintf (stderr, "%s: %d, %s\n", what, ret, fc_error_detail ());
  exit (1);
}

static inline void *
share (size_t size)
{
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

  if (memory == MAP_FAILED)
    {
      perror ("mmap");
      exit (1);
    }
  return memory;
}

/* Bounded: what does not come within a minute does not come. */
static inline void
give_up_after (int64_t began, const char *what)
{
  if (now_ns () - began > 60 * SEC)
    {
      fprintf (stderr, "gave up after 60 s: %s\n", what);
      exit (1);
    }
  sleep_until (now_ns () + MS / 5);
}

#define AWAIT(condition, what)                                                 \
  for (int64_t began_ = now_ns (); !(condition); give_up_after (began_, what))

static inline void
remove_bench_dir (void)
{
  DIR *dir = opendir (bench_dir);
  struct dirent *file;

  while (dir != NULL && (file = readdir (dir)) != NULL)
    unlinkat (dirfd (dir), file->d_name, 0);
  if (dir != NULL)
    closedir (dir);
  rmdir (bench_dir);
}

/* A process that outlives this one, however that ends, to clean up. */
static inline void
keep_bench_dir_clean (void)
{
  sigset_t all;
  int signal;

  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  prctl (PR_SET_PDEATHSIG, SIGUSR1);
  sigemptyset (&all);
  sigaddset (&all, SIGUSR1);
  if (getppid () == bench_parent)
    sigwait (&all, &signal);
  remove_bench_dir ();
  _exit (0);
}

static inline void
end_cleaner (void)
{
  if (getpid () != bench_parent)
    return;
  kill (bench_cleaner, SIGUSR1);
  waitpid (bench_cleaner, NULL, 0);
}

static inline void
make_bench_dir (void)
{
  strcpy (bench_dir, "/dev/shm/fc-bench-XXXXXX");
  if (!mkdtemp (bench_dir))
    {
      perror (bench_dir);
      exit (1);
    }
  bench_parent = getpid ();
  fflush (NULL);
  bench_cleaner = fork ();
  if (bench_cleaner == 0)
    keep_bench_dir_clean ();
  if (bench_cleaner < 0)
    {
      perror ("fork");
      remove_bench_dir ();
      exit (1);
    }
  atexit (end_cleaner);
}

/* To be called before the parent has a handle: a child would keep its locks. */
static inline pid_t
start (void (*func) (void *arg), void *arg)
{
  pid_t pid;

  fflush (NULL);
  pid = fork ();
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      func (arg);
      _exit (0);
    }
  if (pid < 0)
    {
      perror ("fork");
      exit (1);
    }
  return pid;
}

static inline void
end (pid_t pid)
{
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
}

static inline int
compare_ns (const void *a, const void *b)
{
  int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

  return (x > y) - (x < y);
}

/* Sorts the samples. */
static inline double
percentile_us (int64_t *sample, size_t count, double percent)
{
  qsort (sample, count, sizeof *sample, compare_ns);
  return (double) sample[(size_t) ((double) (count - 1) * percent / 100)] / 1e3;
}

static inline int
count_waiting (const fc_consumer_stat_t *stat, void *user_data)
{
  *(unsigned *) user_data += stat->waiting;
  return 0;
}

static inline unsigned
waiting_consumers (const char *slot)
{
  unsigned waiting = 0;

  must (fc_slot_consumers (bench_dir, slot, count_waiting, &waiting),
        "consumers");
  return waiting;
}

/* Until COUNT consumers of the slot sleep, and had the time to do so. */
static inline void
wait_until_asleep (unsigned count)
{
  AWAIT (waiting_consumers ("bench") >= count, "consumers that wait");
  sleep_until (now_ns () + MS / 2);
}

#endif /* FC_BENCH_H */
