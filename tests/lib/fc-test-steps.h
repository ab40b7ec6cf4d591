/* One process stepped instruction by instruction, while another acts.
 *
 * A race whose window is a few instructions wide is not met by chance in any
 * test's time. So one process is stepped by ptrace: after each instruction of
 * a lease, a copy, a wait or a commit, one after another, it stands still,
 * and the writer laps it, or a frame is published, or it is killed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_TEST_STEPS_H
#define FC_TEST_STEPS_H

#include "fc-test.h"

#include <sched.h>
#include <sys/ptrace.h>

#define SIZE 64

static inline fc_writer_options_t
tiny_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.frame_size = SIZE;
  options.ring_depth = 2;
  options.max_consumers = 2;
  return options;
}

/* Stepping --------------------------------------------------------------- */

/* The stepped process says that an operation begins, or has ended. */
static inline void
mark (void)
{
  raise (SIGSTOP);
}

static inline void
traced (void)
{
  CHECK_EQ (ptrace (PTRACE_TRACEME, 0, NULL, NULL), 0);
}

static inline char
state_of (pid_t pid)
{
  char path[40], text[400];

  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  read_text (path, text, sizeof text);
  return strrchr (text, ')')[2];
}

/* Wait for a stop. Returns its signal; 0 where there is none within BOUND and
 * the process sleeps in a system call. */
static inline int
wait_stop (pid_t pid, int64_t bound)
{
  int64_t until = now_ns () + bound;
  int status;

  for (;;)
    {
      pid_t got = waitpid (pid, &status, WNOHANG);

      if (got == pid)
        break;
      CHECK_EQ (got, 0);
      if (now_ns () > until && state_of (pid) == 'S')
        return 0;
      sched_yield ();
    }
  if (!WIFSTOPPED (status))
    test_fail (__FILE__, __LINE__, "the stepped process ended, status %#x",
               (unsigned) status);
  return WSTOPSIG (status);
}

static inline void
wait_mark (pid_t pid)
{
  CHECK_EQ (wait_stop (pid, BOUND), SIGSTOP);
}

static inline void
go_on (pid_t pid)
{
  CHECK_EQ (ptrace (PTRACE_CONT, pid, NULL, NULL), 0);
}

typedef enum
{
  STEPPED,
  ASLEEP, /* in a system call: to be woken */
  ENDED   /* at the next mark already */
} stepped_t;

/* Let it do COUNT instructions. */
static inline stepped_t
step (pid_t pid, unsigned count)
{
  while (count-- > 0)
    {
      int sig;

      CHECK_EQ (ptrace (PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
      sig = wait_stop (pid, 30 * MS);
      if (sig == 0)
        return ASLEEP;
      if (sig == SIGSTOP)
        return ENDED;
      CHECK_EQ (sig, SIGTRAP);
    }
  return STEPPED;
}

static inline void
put_tiny (fc_writer_t *writer, unsigned count)
{
  while (count--)
    put_size (writer, SIZE);
}

#endif /* FC_TEST_STEPS_H */
