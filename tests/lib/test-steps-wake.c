/* A frame comes at any instruction of a wait, and a wait begins at any
 * instruction of a commit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-steps.h"

/* Wake-ups --------------------------------------------------------------- */

static void
wait_stepped (void *spin_ns)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  uint64_t next;

  options.wait_ns = BOUND;
  options.spin_ns = *(const uint64_t *) spin_ns;
  consumer = consumer_with ("cam0", &options);
  next = consumer_stats (consumer).first;
  traced ();
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret;

      mark ();
      ret = fc_consumer_read (consumer, &frame, FC_FOREVER);
      mark ();
      CHECK_CMP (ret, >=, 0);
      check_frame (&frame, ret, &next);
    }
}

/* Whether the reader gets the frame that comes after COUNT instructions of
 * its wait, and not only at its next look a slice later. */
static bool
is_woken (fc_writer_t *writer, pid_t pid, unsigned count, stepped_t *stepped)
{
  bool woken;

  *stepped = step (pid, count);
  put_tiny (writer, 1);
  if (*stepped == ASLEEP)
    CHECK_EQ (wait_stop (pid, BOUND), SIGTRAP);
  go_on (pid);
  woken = wait_stop (pid, SLICE / 2) == SIGSTOP;
  if (!woken)
    wait_mark (pid);
  go_on (pid);
  wait_mark (pid);
  return woken;
}

static void
check_waits (uint64_t spin_ns, unsigned usual, unsigned least)
{
  fc_writer_options_t options = tiny_ring ();
  pid_t pid = spawn (wait_stepped, &spin_ns);
  fc_writer_t *writer = writer_new ("cam0", &options);
  stepped_t stepped = STEPPED;
  unsigned n;

  wait_mark (pid);
  for (n = 0; stepped == STEPPED; n += stride (usual))
    /* a busy machine may be slow once, or twice */
    CHECK (is_woken (writer, pid, n, &stepped)
           || is_woken (writer, pid, n, &stepped)
           || is_woken (writer, pid, n, &stepped));
  CHECK_EQ (stepped, ASLEEP);
  CHECK_CMP (n, >, least);
  kill9 (pid);
  fc_writer_close (writer);
}

static void
frame_at_any_instruction_of_a_wait_wakes (void)
{
  check_waits (0, 3, 50);
}

/* A spin that ends as soon as it looks at the clock, and then it sleeps. */
static void
frame_at_any_instruction_of_a_spin_is_had (void)
{
  if (sysconf (_SC_NPROCESSORS_ONLN) < 2)
    test_skip ("with one processor nobody spins");
  check_waits (1, 23, 500);
}

typedef struct
{
  int go;
  int took;
} sleeper_t;

static void
read_when_told (void *arg)
{
  sleeper_t *sleeper = arg;
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  uint64_t next = 0;

  options.wait_ns = BOUND;
  consumer = consumer_with ("cam0", &options);
  for (;;)
    {
      event_wait (sleeper->go);
      take (consumer, &next);
      event_post (sleeper->took);
    }
}

static void
commit_stepped (void *arg)
{
  fc_writer_options_t options = tiny_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  (void) arg;
  traced ();
  for (;;)
    {
      mark ();
      CHECK_OK (fc_writer_write (writer, "", 0, NULL, NULL));
      mark ();
    }
}

static bool
posted_within (int event, int64_t bound)
{
  int64_t until = now_ns () + bound;

  while (now_ns () < until)
    if (event_poll (event))
      return true;
  return false;
}

/* Whether a reader that begins to wait after COUNT instructions of a commit
 * gets its frame, and not only a slice later. */
static bool
sleeper_is_woken (pid_t pid, const sleeper_t *sleeper, unsigned count,
                  stepped_t *stepped)
{
  bool took = false, woken = true;

  *stepped = step (pid, count);
  CHECK (*stepped != ASLEEP);
  event_post (sleeper->go);
  while (!took && slot_waiting ("cam0") == 0)
    took = event_poll (sleeper->took);
  if (*stepped != ENDED)
    {
      go_on (pid);
      wait_mark (pid);
    }
  if (!took && !posted_within (sleeper->took, SLICE / 2))
    {
      woken = false;
      event_wait (sleeper->took);
    }
  go_on (pid);
  wait_mark (pid);
  return woken;
}

static void
commit_wakes_who_falls_asleep_at_any_instruction (void)
{
  sleeper_t sleeper = { event_new (), event_new () };
  pid_t pid = spawn (commit_stepped, NULL), reader;
  stepped_t stepped = STEPPED;
  unsigned n;

  wait_mark (pid);
  reader = spawn (read_when_told, &sleeper);
  for (n = 0; stepped != ENDED; n += stride (3))
    CHECK (sleeper_is_woken (pid, &sleeper, n, &stepped)
           || sleeper_is_woken (pid, &sleeper, n, &stepped)
           || sleeper_is_woken (pid, &sleeper, n, &stepped));
  CHECK_CMP (n, >, 50u);
  kill9 (reader);
  kill9 (pid);
}

static const test_t tests[] = {
  SLOW_TEST (frame_at_any_instruction_of_a_wait_wakes, 240),
  SLOW_TEST (frame_at_any_instruction_of_a_spin_is_had, 900),
  SLOW_TEST (commit_wakes_who_falls_asleep_at_any_instruction, 240),
};
TEST_MAIN (tests)
