/* Writers and consumers as real processes, killed, stopped and restarted at
 * random instants, with each frame checked at every 4 KiB and every loss
 * counted: torn frames, wrong counts and left-overs must be none.
 *
 * A killed consumer's own counts go with it; of all who stay,
 * delivered + dropped == the last seq + 1 - the first that they began at.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

options_t options = { .slot = "stress",
                      .seconds = 3,
                      .seed = 1,
                      .depth = 4,
                      .consumers = 4,
                      .frame_size = 64 << 10,
                      .slots = 1 };
shared_t *shared;

typedef struct
{
  uint64_t random;
  pid_t writer;
  pid_t consumer[CONSUMERS_MAX];
  int64_t stopped_until[CONSUMERS_MAX]; /* 0: it runs */
  uint64_t writers_killed;
  uint64_t consumers_killed;
  uint64_t stops;
  uint64_t fillings;
  uint64_t delivered; /* told by consumers that were killed since */
  uint64_t dropped;
  uint64_t laps;
  uint64_t lost_writers;
  uint64_t generations;
  int filler; /* a file that takes the space, or -1 */
} run_t;

int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

void
sleep_ns (int64_t ns)
{
  if (ns > 0)
    nanosleep (&(struct timespec){ ns / SEC, ns % SEC }, NULL);
}

uint64_t
chance (uint64_t *state)
{
  uint64_t z = *state += 0x9e3779b97f4a7c15u;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void
wrong (const char *format, ...)
{
  uint64_t before = atomic_fetch_add (&shared->wrong, 1);
  char text[600];
  va_list args;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  if (before < 20)
    fprintf (stderr, "%s [%d] WRONG: %s\n", options.slot, getpid (), text);
}

/* Processes ------------------------------------------------------------- */

static pid_t
start (run_t *run, int number)
{
  uint64_t seed = chance (&run->random);
  pid_t pid;

  fflush (NULL);
  pid = fork ();
  if (pid < 0)
    {
      perror ("fork");
      exit (1);
    }
  if (pid > 0)
    return pid;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (run->filler >= 0)
    close (run->filler);
  if (number < 0)
    run_writer (seed);
  run_consumer ((unsigned) number, seed);
}

/* Reaped before the next is started: the dead one's locks are gone then. */
static void
kill_one (pid_t pid)
{
  kill (pid, SIGKILL);
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    ;
}

static void
take_report (run_t *run, report_t *report)
{
  run->delivered += report->delivered;
  run->dropped += report->dropped;
  run->laps += report->laps;
  run->lost_writers += report->lost_writers;
  run->generations += report->generations;
  memset (report, 0, sizeof *report);
}

static void
restart_consumer (run_t *run, unsigned i)
{
  kill_one (run->consumer[i]);
  take_report (run, &shared->report[i]);
  run->stopped_until[i] = 0;
  run->consumer[i] = start (run, (int) i);
}

static void
stop_consumer (run_t *run, unsigned i)
{
  if (run->stopped_until[i])
    return;
  kill (run->consumer[i], SIGSTOP);
  run->stopped_until[i]
      = now_ns () + (int64_t) (chance (&run->random) % (300 * MS));
  run->stops++;
}

static void
continue_consumers (run_t *run, bool all)
{
  int64_t now = now_ns ();

  for (unsigned i = 0; i < options.consumers; i++)
    if (run->stopped_until[i] && (all || run->stopped_until[i] < now))
      {
        kill (run->consumer[i], SIGCONT);
        run->stopped_until[i] = 0;
      }
}

/* Space ----------------------------------------------------------------- */

static uint64_t
bytes_used (void)
{
  struct statvfs vfs;

  if (statvfs (options.dir, &vfs) < 0)
    return 0;
  return (uint64_t) (vfs.f_blocks - vfs.f_bfree) * vfs.f_frsize;
}

static void
fill_space (run_t *run)
{
  struct statvfs vfs;
  char path[256];

  if (run->filler >= 0)
    {
      close (run->filler);
      run->filler = -1;
      return;
    }
  snprintf (path, sizeof path, "%s/filler", options.dir);
  run->filler = open (path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  unlink (path);
  if (run->filler < 0 || statvfs (options.dir, &vfs) < 0)
    return;
  run->fillings++;
  for (uint64_t left = (uint64_t) vfs.f_bavail * vfs.f_frsize; left >= 4096;
       left /= 2)
    {
      struct stat st;

      if (fstat (run->filler, &st) == 0)
        (void) !posix_fallocate (run->filler, st.st_size, (off_t) left);
    }
}

static void
make_tmpfs (void)
{
  char text[64];

  if (unshare (CLONE_NEWNS) < 0
      || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    {
      perror ("a mount namespace for --tmpfs (it takes root)");
      exit (1);
    }
  snprintf (text, sizeof text, "mode=0700,size=%um", options.tmpfs);
  if (mount ("tmpfs", options.dir, "tmpfs", 0, text) < 0)
    {
      perror (options.dir);
      exit (1);
    }
}

static unsigned
count_files (void)
{
  DIR *dir = opendir (options.dir);
  struct dirent *entry;
  unsigned count = 0;

  while (dir && (entry = readdir (dir)))
    if (strstr (entry->d_name, options.slot))
      {
        size_t length = strlen (entry->d_name);

        if (length < 5 || strcmp (entry->d_name + length - 5, ".lock"))
          count++;
      }
  if (dir)
    closedir (dir);
  return count;
}

/* One slot -------------------------------------------------------------- */

/* Whether something that happens every MEAN ms, on average, happens in this
 * round of STEP ns. */
static bool
due (run_t *run, unsigned mean, int64_t step)
{
  if (!mean)
    return false;
  return chance (&run->random) % 1000000
         < (uint64_t) (1000000.0 * (double) step / (double) (mean * MS));
}

/* Nobody ends by itself before the end. */
static void
check_alive (run_t *run)
{
  int status;
  pid_t pid = waitpid (-1, &status, WNOHANG);

  if (pid <= 0)
    return;
  wrong ("%s %d ended with %s %d", pid == run->writer ? "writer" : "consumer",
         pid, WIFSIGNALED (status) ? "signal" : "exit code",
         WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
  for (unsigned i = 0; i < options.consumers; i++)
    if (run->consumer[i] == pid)
      run->consumer[i] = start (run, (int) i);
  if (run->writer == pid)
    run->writer = start (run, -1);
}

static uint64_t
checked (const run_t *run)
{
  uint64_t frames = run->delivered;

  for (unsigned i = 0; i < options.consumers; i++)
    frames += shared->report[i].delivered;
  return frames;
}

static bool
enough (const run_t *run, int64_t until)
{
  int64_t now = now_ns ();

  if (shared->wrong > 1000)
    return true;
  if (options.kills)
    return (!options.kill_writer || run->writers_killed >= options.kills)
           && (!options.kill_consumers
               || run->consumers_killed >= options.kills);
  /* a machine that is busy with other things may need longer for anything
   * to happen at all */
  return now >= until && (checked (run) > 0 || now >= until + 60 * SEC);
}

static void
torment (run_t *run)
{
  int64_t start_ns = now_ns (), until = start_ns + options.seconds * SEC;
  int64_t last = start_ns;

  while (!enough (run, until))
    {
      int64_t step;

      sleep_ns ((int64_t) (chance (&run->random) % (4 * MS)));
      step = now_ns () - last;
      last += step;
      check_alive (run);
      continue_consumers (run, false);
      if (due (run, options.kill_writer, step))
        {
          kill_one (run->writer);
          run->writers_killed++;
          if (chance (&run->random) % 2)
            sleep_ns ((int64_t) (chance (&run->random) % (20 * MS)));
          run->writer = start (run, -1);
        }
      if (due (run, options.kill_consumers, step))
        {
          restart_consumer (
              run, (unsigned) (chance (&run->random) % options.consumers));
          run->consumers_killed++;
        }
      if (due (run, options.stop, step))
        stop_consumer (run,
                       (unsigned) (chance (&run->random) % options.consumers));
      if (due (run, options.renew, step))
        shared->renewals++;
      if (due (run, options.fill, step))
        fill_space (run);
    }
}

static void
wait_for (pid_t pid, const char *what)
{
  int64_t until = now_ns () + 60 * SEC;
  int status = 0;

  while (waitpid (pid, &status, WNOHANG) != pid)
    {
      if (now_ns () > until)
        {
          wrong ("%s %d does not end", what, pid);
          kill_one (pid);
          return;
        }
      sleep_ns (MS);
    }
  if (!WIFEXITED (status) || WEXITSTATUS (status))
    wrong ("%s %d ended with %s %d", what, pid,
           WIFSIGNALED (status) ? "signal" : "exit code",
           WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
}

static void
finish (run_t *run)
{
  if (run->filler >= 0)
    fill_space (run);
  continue_consumers (run, true);
  shared->ending = true;
  for (unsigned i = 0; i < options.consumers; i++)
    {
      wait_for (run->consumer[i], "consumer");
      if (!shared->report[i].done)
        wrong ("consumer %u did not come to the end", i);
      take_report (run, &shared->report[i]);
    }
  shared->closing = true;
  wait_for (run->writer, "writer");
  if (count_files () > 0)
    wrong ("%u files left beside the lock", count_files ());
}

static bool
run_slot (uint64_t seed)
{
  run_t run = { .random = seed, .filler = -1 };
  uint64_t used = options.tmpfs ? bytes_used () : 0;

  shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return false;
  run.writer = start (&run, -1);
  for (unsigned i = 0; i < options.consumers; i++)
    run.consumer[i] = start (&run, (int) i);
  torment (&run);
  finish (&run);
  if (options.tmpfs && bytes_used () > used + 4096)
    wrong ("%" PRIu64 " bytes of shared memory left over",
           bytes_used () - used);
  if (!options.quiet || shared->wrong || run.delivered == 0)
    printf ("%s: %" PRIu64 " frames written in %" PRIu64 " lives and %" PRIu64
            " renewals; %" PRIu64 " checked, %" PRIu64 " lost in %" PRIu64
            " laps; killed: %" PRIu64 " writers, %" PRIu64
            " consumers; stopped %" PRIu64 "; filled %" PRIu64
            "; writer lost seen %" PRIu64 ", generations seen %" PRIu64
            "; history shortened %" PRIu64 ", writer dropped %" PRIu64
            "; torn %" PRIu64 ", wrong %" PRIu64 "\n",
            options.slot, shared->final_head - options.first_seq, shared->lives,
            shared->renewed, run.delivered, run.dropped, run.laps,
            run.writers_killed, run.consumers_killed, run.stops, run.fillings,
            run.lost_writers, run.generations, shared->shortened,
            shared->writer_dropped, shared->torn, shared->wrong);
  if (run.delivered == 0)
    printf ("%s: not one frame was checked\n", options.slot);
  return shared->wrong == 0 && shared->torn == 0 && run.delivered > 0;
}

/* Many slots ------------------------------------------------------------ */

static bool
run_slots (void)
{
  pid_t *pid = calloc (options.slots, sizeof *pid);
  unsigned failed = 0;

  for (unsigned i = 0; i < options.slots; i++)
    {
      fflush (NULL);
      pid[i] = fork ();
      if (pid[i] == 0)
        {
          prctl (PR_SET_PDEATHSIG, SIGKILL);
          snprintf (options.slot, sizeof options.slot, "stress%03u.", i);
          options.quiet = true;
          exit (!run_slot (options.seed * 1000 + i));
        }
    }
  for (unsigned i = 0; i < options.slots; i++)
    {
      int status;

      if (waitpid (pid[i], &status, 0) < 0 || status)
        failed++;
    }
  free (pid);
  printf ("%u slots at once, %u failed\n", options.slots, failed);
  return failed == 0;
}

typedef struct
{
  const char *name;
  unsigned *number;
  const char *help;
} number_option_t;

static const number_option_t numbers[] = {
  { "seconds", &options.seconds, "how long; 3" },
  { "kills", &options.kills, "instead: until so many of each were killed" },
  { "depth", &options.depth, "ring depth; 4" },
  { "consumers", &options.consumers, "1 to 256; 4" },
  { "frame-size", &options.frame_size, "bytes, a multiple of 4096; 65536" },
  { "paced", &options.paced, "frames/s; 0, as fast as it goes" },
  { "kill-writer", &options.kill_writer, "mean ms between two; 0, never" },
  { "kill-consumers", &options.kill_consumers, "the same" },
  { "stop", &options.stop, "the same, of a consumer stopped for a while" },
  { "renew", &options.renew, "the same, of a change of geometry" },
  { "tmpfs", &options.tmpfs, "MiB of a file system of its own; 0, none" },
  { "fill", &options.fill, "mean ms between its being filled or emptied" },
  { "slots", &options.slots, "so many at once; 1" },
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static int
usage (const char *program)
{
  printf ("usage: %s [--OPTION NUMBER]...\n", program);
  for (unsigned i = 0; i < NUMBERS; i++)
    printf ("  --%-15s %s\n", numbers[i].name, numbers[i].help);
  printf ("  --%-15s %s\n  --%-15s %s\n", "seed", "of all chance; 1",
          "first-seq", "where the slot begins to count; 0");
  return 2;
}

static bool
parse (int argc, char **argv)
{
  struct option longs[NUMBERS + 3] = { { 0 } };
  int which;

  for (unsigned i = 0; i < NUMBERS; i++)
    longs[i] = (struct option){ numbers[i].name, 1, NULL, 256 + (int) i };
  longs[NUMBERS] = (struct option){ "seed", 1, NULL, 1 };
  longs[NUMBERS + 1] = (struct option){ "first-seq", 1, NULL, 2 };
  while ((which = getopt_long (argc, argv, "", longs, NULL)) >= 0)
    if (which == 1)
      options.seed = strtoull (optarg, NULL, 0);
    else if (which == 2)
      options.first_seq = strtoull (optarg, NULL, 0);
    else if (which >= 256)
      *numbers[which - 256].number = (unsigned) strtoul (optarg, NULL, 0);
    else
      return false;
  return optind == argc && options.consumers >= 1
         && options.consumers <= CONSUMERS_MAX && options.slots >= 1
         && options.frame_size >= BLOCK && options.frame_size % BLOCK == 0
         && (options.tmpfs || !options.fill);
}

int
main (int argc, char **argv)
{
  const char *base = getenv ("FC_TEST_DIR");
  bool good;

  if (!parse (argc, argv))
    return usage (argv[0]);
  snprintf (options.dir, sizeof options.dir, "%s/fc-stress-XXXXXX",
            base ? base : "/dev/shm");
  if (!mkdtemp (options.dir))
    {
      perror (options.dir);
      return 1;
    }
  if (options.tmpfs)
    make_tmpfs ();
  good = options.slots > 1 ? run_slots () : run_slot (options.seed);
  /* what a failed run left is evidence no more once it was counted */
  if (options.tmpfs)
    umount2 (options.dir, MNT_DETACH);
  else
    {
      DIR *dir = opendir (options.dir);
      struct dirent *entry;

      while (dir && (entry = readdir (dir)))
        unlinkat (dirfd (dir), entry->d_name, 0);
      if (dir)
        closedir (dir);
    }
  rmdir (options.dir);
  return !good;
}
