/* The stress of slots: one slot's processes, and what is done to them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CHILDREN_MAX (1 + CONSUMERS_MAX + HOSTILE_MAX)
/* Longest that anybody may take to end. */
#define BOUND (90 * SEC)

typedef struct
{
  role_t role;
  unsigned number; /* among those of its role */
  pid_t pid;
  int64_t stopped_until; /* 0: it runs */
  int64_t killed_at;     /* a hostile one, which is then begun anew */
} child_t;

typedef struct
{
  uint64_t random;
  child_t child[CHILDREN_MAX]; /* the writer, the consumers, the hostile */
  unsigned children;
  int filler; /* what takes all space; -1 */
} run_t;

static void
start (run_t *run, child_t *child)
{
  uint64_t seed = chance (&run->random);

  child->stopped_until = 0;
  child->killed_at = now_ns () + (int64_t) (chance (&run->random) % SEC);
  fflush (NULL);
  child->pid = fork ();
  if (child->pid < 0)
    {
      perror ("fork");
      exit (1);
    }
  if (child->pid > 0)
    return;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (run->filler >= 0)
    close (run->filler);
  if (child->role == WRITER)
    run_writer (seed);
  if (child->role == CONSUMER)
    run_consumer (child->number, seed);
  run_hostile (child->role, seed);
}

static void
start_all (run_t *run)
{
  const unsigned wanted[] = { 1,
                              options.consumers,
                              options.liars,
                              options.lockers,
                              options.hoarders,
                              options.strangers };

  for (role_t role = WRITER; role <= STRANGER; role++)
    for (unsigned i = 0; i < wanted[role]; i++)
      {
        child_t *child = &run->child[run->children++];

        *child = (child_t){ .role = role, .number = i };
        start (run, child);
      }
}

/* Reaped before the next is started: the dead one's locks are gone then. */
static void
kill_one (pid_t pid)
{
  kill (pid, SIGKILL);
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    ;
}

static child_t *
any_consumer (run_t *run)
{
  return &run->child[1 + chance (&run->random) % options.consumers];
}

static void
kill_writer (run_t *run)
{
  kill_one (run->child[0].pid);
  count (WRITERS_KILLED, 1);
  if (chance (&run->random) % 2)
    sleep_ns ((int64_t) (chance (&run->random) % (20 * MS)));
  start (run, &run->child[0]);
}

static void
kill_consumer (run_t *run)
{
  child_t *child = any_consumer (run);

  kill_one (child->pid);
  count (CONSUMERS_KILLED, 1);
  start (run, child);
}

static void
stop_consumer (run_t *run)
{
  child_t *child = any_consumer (run);

  if (child->stopped_until)
    return;
  kill (child->pid, SIGSTOP);
  child->stopped_until
      = now_ns () + (int64_t) (chance (&run->random) % (300 * MS));
  count (CONSUMERS_STOPPED, 1);
}

static void
continue_consumers (run_t *run, bool all)
{
  int64_t now = now_ns ();

  for (unsigned i = 0; i < run->children; i++)
    if (run->child[i].stopped_until
        && (all || run->child[i].stopped_until < now))
      {
        kill (run->child[i].pid, SIGCONT);
        run->child[i].stopped_until = 0;
      }
}

/* What they hold goes with them, at any instant. */
static void
kill_hostile (run_t *run, bool all)
{
  for (unsigned i = 1 + options.consumers; i < run->children; i++)
    if (all || now_ns () > run->child[i].killed_at)
      {
        kill_one (run->child[i].pid);
        count (HOSTILE_LIVES, 1);
        if (!all)
          start (run, &run->child[i]);
      }
}

static bool
ended_well (int status)
{
  return WIFEXITED (status)
         && (WEXITSTATUS (status) == 0
             || (WEXITSTATUS (status) == EXIT_CUT_OFF && options.liars));
}

static void
say_ended (const child_t *child, int status)
{
  static const char *const what[]
      = { "writer", "consumer", "liar", "locker", "hoarder", "stranger" };

  wrong ("%s %d ended with %s %d", what[child->role], child->pid,
         WIFSIGNALED (status) ? "signal" : "exit code",
         WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
}

/* Nobody ends by itself before the end. */
static void
check_alive (run_t *run)
{
  int status;
  pid_t pid = waitpid (-1, &status, WNOHANG);

  for (unsigned i = 0; pid > 0 && i < run->children; i++)
    if (run->child[i].pid == pid)
      {
        if (!ended_well (status) || WEXITSTATUS (status) == 0)
          say_ended (&run->child[i], status);
        start (run, &run->child[i]);
      }
}

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

static bool
enough (int64_t until)
{
  int64_t now = now_ns ();

  if (shared->figure[WRONG] > 1000)
    return true;
  if (options.kills)
    return (!options.kill_writer
            || shared->figure[WRITERS_KILLED] >= options.kills)
           && (!options.kill_consumers
               || shared->figure[CONSUMERS_KILLED] >= options.kills);
  /* a machine that is busy with other things may need longer for anything
   * to happen at all */
  return now >= until
         && (shared->figure[CHECKED] > 0 || now >= until + 60 * SEC);
}

static void
torment (run_t *run)
{
  int64_t last = now_ns (), until = last + options.seconds * SEC;
  /* many slots' rounds are not to be what the machine does */
  uint64_t pause = 4 * MS * (1 + options.slots / 8);

  while (!enough (until))
    {
      int64_t step;

      sleep_ns ((int64_t) (chance (&run->random) % pause));
      step = now_ns () - last;
      last += step;
      check_alive (run);
      continue_consumers (run, false);
      kill_hostile (run, false);
      if (due (run, options.kill_writer, step))
        kill_writer (run);
      if (due (run, options.kill_consumers, step))
        kill_consumer (run);
      if (due (run, options.stop, step))
        stop_consumer (run);
      if (due (run, options.renew, step))
        shared->renewals++;
      if (due (run, options.fill, step))
        fill_space (&run->filler);
    }
}

static void
wait_for (child_t *child)
{
  int64_t until = now_ns () + BOUND;
  int status = 0;

  while (waitpid (child->pid, &status, WNOHANG) != child->pid)
    {
      if (now_ns () > until)
        {
          wrong ("%d does not end", child->pid);
          kill_one (child->pid);
          return;
        }
      sleep_ns (MS);
    }
  if (!ended_well (status))
    say_ended (child, status);
  else if (child->role == CONSUMER && WEXITSTATUS (status) == 0
           && !shared->done[child->number])
    wrong ("consumer %u did not come to the end", child->number);
}

static void
finish (run_t *run)
{
  if (run->filler >= 0)
    fill_space (&run->filler);
  continue_consumers (run, true);
  kill_hostile (run, true);
  shared->ending = true;
  for (unsigned i = 1; i <= options.consumers; i++)
    wait_for (&run->child[i]);
  shared->closing = true;
  wait_for (&run->child[0]);
  if (count_files () > 0)
    wrong ("%u files left beside the lock", count_files ());
  if (options.entries < options.consumers && !shared->figure[TURNED_AWAY])
    wrong ("the consumer table was never full");
  if (!shared->figure[CHECKED])
    wrong ("not one frame was checked");
}

bool
run_slot (uint64_t seed)
{
  run_t run = { .random = seed, .filler = -1 };
  uint64_t used = options.tmpfs ? bytes_used () : 0;

  shared = share (sizeof *shared);
  start_all (&run);
  torment (&run);
  finish (&run);
  if (options.tmpfs && bytes_used () > used + 4096)
    wrong ("%" PRIu64 " bytes of shared memory left over",
           bytes_used () - used);
  report_slot ();
  return shared->figure[WRONG] == 0 && shared->figure[TORN] == 0;
}
