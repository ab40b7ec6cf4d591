/* Writers and consumers as real processes, killed, stopped and restarted at
 * random instants, beside hostile ones, with each frame checked at every 4 KiB
 * and every loss counted: torn frames, wrong counts and left-overs must be
 * none. tests/stress/run knows what is worth being run.
 *
 * A killed consumer's own counts go with it; of all who stay,
 * delivered + dropped == the last seq + 1 - the first that they began at.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <dirent.h>
#include <getopt.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

options_t options = { .slot = "stress",
                      .seconds = 3,
                      .seed = 1,
                      .depth = 4,
                      .consumers = 4,
                      .frame_size = 64 << 10,
                      .slots = 1 };
shared_t *shared;

/* Many slots ------------------------------------------------------------ */

static bool
run_slots (void)
{
  pid_t *pid = calloc (options.slots, sizeof *pid);
  bool good = true;

  for (unsigned i = 0; i < options.slots; i++)
    {
      fflush (NULL);
      pid[i] = fork ();
      if (pid[i] == 0)
        {
          prctl (PR_SET_PDEATHSIG, SIGKILL);
          snprintf (options.slot, sizeof options.slot, "stress%03u.", i);
          exit (!run_slot (options.seed * 1000 + i));
        }
    }
  for (unsigned i = 0; i < options.slots; i++)
    {
      int status;

      if (waitpid (pid[i], &status, 0) < 0 || status)
        {
          fprintf (stderr, "slot %u failed\n", i);
          good = false;
        }
    }
  free (pid);
  return good;
}

/* Options --------------------------------------------------------------- */

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
  { "entries", &options.entries, "of the consumer table; consumers + 4" },
  { "frame-size", &options.frame_size, "bytes, a multiple of 4096; 65536" },
  { "paced", &options.paced, "frames/s; 0, as fast as it goes" },
  { "kill-writer", &options.kill_writer, "mean ms between two; 0, never" },
  { "kill-consumers", &options.kill_consumers, "the same" },
  { "stop", &options.stop, "the same, of a consumer stopped for a while" },
  { "renew", &options.renew, "the same, of a change of geometry" },
  { "stay", &options.stay, "mean frames until a consumer comes anew" },
  { "by-descriptors", &options.fds, "so does one consumer of so many" },
  { "tmpfs", &options.tmpfs, "MiB of a file system of its own; 0, none" },
  { "fill", &options.fill, "mean ms between its being filled or emptied" },
  { "slots", &options.slots, "so many at once; 1" },
  { "liars", &options.liars, "trusted, store anything in the table" },
  { "lockers", &options.lockers, "trusted, take every lock" },
  { "hoarders", &options.hoarders, "trusted, take every entry and lease" },
  { "strangers", &options.strangers, "observers, do all that they can; alone" },
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
  if (!options.entries)
    options.entries = options.consumers + 4;
  return optind == argc && options.consumers >= 1
         && options.consumers <= CONSUMERS_MAX && options.slots >= 1
         && options.frame_size >= BLOCK && options.frame_size % BLOCK == 0
         && options.liars + options.lockers + options.hoarders
                    + options.strangers
                <= HOSTILE_MAX
         && !(is_betrayed () && options.strangers)
         && (options.tmpfs || !options.fill);
}

/* The directory ---------------------------------------------------------- */

static bool
make_dir (void)
{
  const char *base = getenv ("FC_TEST_DIR");

  snprintf (options.dir, sizeof options.dir, "%s/fc-stress-XXXXXX",
            base ? base : "/dev/shm");
  /* the hostile have to get at what is shared with them */
  if (mkdtemp (options.dir) && chmod (options.dir, 0755) == 0)
    return true;
  perror (options.dir);
  return false;
}

/* What a failed run left is evidence no more once it was counted. */
static void
remove_dir (void)
{
  DIR *dir;
  struct dirent *entry;

  if (options.tmpfs)
    umount2 (options.dir, MNT_DETACH);
  dir = opendir (options.dir);
  while (dir && (entry = readdir (dir)))
    unlinkat (dirfd (dir), entry->d_name, 0);
  if (dir)
    closedir (dir);
  rmdir (options.dir);
}

int
main (int argc, char **argv)
{
  bool good;

  if (!parse (argc, argv))
    return usage (argv[0]);
  if (!make_dir ())
    return 1;
  if (options.tmpfs)
    make_tmpfs ();
  totals = share (FIGURES * sizeof *totals);
  good = options.slots > 1 ? run_slots () : run_slot (options.seed);
  report_print ();
  remove_dir ();
  return !good;
}
