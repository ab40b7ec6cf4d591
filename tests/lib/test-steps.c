/* The other side acts at every single instruction of an operation.
 *
 * A race whose window is a few instructions wide is not met by chance in any
 * test's time. So one process is stepped by ptrace: after each instruction of
 * a lease, a copy, a wait or a commit, one after another, it is stopped, and
 * the writer laps it, or a frame is published, or it is killed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sched.h>
#include <sys/ptrace.h>

#define SIZE 64

/* Lives take long to make, so not each instruction gets its own, unless
 * FC_TEST_EVERY is set. */
static unsigned
stride (unsigned usual)
{
  return getenv ("FC_TEST_EVERY") ? 1 : usual;
}

static fc_writer_options_t
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
static void
mark (void)
{
  raise (SIGSTOP);
}

static void
traced (void)
{
  CHECK_EQ (ptrace (PTRACE_TRACEME, 0, NULL, NULL), 0);
}

static char
state_of (pid_t pid)
{
  char path[40], text[400];

  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  read_text (path, text, sizeof text);
  return strrchr (text, ')')[2];
}

/* Wait for a stop. Returns its signal; 0 where there is none within BOUND and
 * the process sleeps in a system call. */
static int
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

static void
wait_mark (pid_t pid)
{
  CHECK_EQ (wait_stop (pid, BOUND), SIGSTOP);
}

static void
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
static stepped_t
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

static void
put_tiny (fc_writer_t *writer, unsigned count)
{
  while (count--)
    put_size (writer, SIZE);
}

/* Laps ------------------------------------------------------------------- */

typedef struct
{
  bool lease;
  uint32_t observe;
  unsigned frames;           /* that the writer writes meanwhile */
  bool half;                 /* and begins one more */
  _Atomic uint64_t *dropped; /* told by the reader */
  unsigned stride;           /* instructions from one place to the next */
} way_t;

static void
read_stepped (void *arg)
{
  const way_t *way = arg;
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  uint64_t next;

  options.wait_ns = BOUND;
  options.observe = way->observe;
  consumer = consumer_with ("cam0", &options);
  next = consumer_stats (consumer).first;
  traced ();
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int ret;

      mark ();
      ret = way->lease ? fc_consumer_lease (consumer, &frame, 0)
                       : fc_consumer_read (consumer, &frame, 0);
      mark ();
      CHECK_CMP (ret, >=, 0);
      check_frame (&frame, ret, &next);
      check_counts (consumer);
      *way->dropped = frame.dropped;
      if (way->lease)
        {
          CHECK_RET (fc_frame_intact (consumer, &frame), 1);
          fc_consumer_release (consumer, &frame);
        }
      CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
    }
}

/* Write frames beside a reader that stands still, and half of one more; or
 * else have the writer look which cells are free by then. */
static void
overtake (fc_writer_t *writer, unsigned frames, bool begin, fc_frame_t *half)
{
  put_tiny (writer, frames);
  *half = (fc_frame_t) FC_FRAME_INIT;
  writer_stats (writer);
  if (!begin)
    return;
  CHECK_OK (fc_writer_acquire (writer, half));
  memset (half->data, 0xee, SIZE);
}

static void
let_be (fc_writer_t *writer, fc_frame_t *half)
{
  if (half->data)
    fc_writer_abandon (writer, half);
}

static void
check_laps (way_t way)
{
  fc_writer_options_t options = tiny_ring ();
  stepped_t stepped = STEPPED;
  bool held = false;
  fc_writer_t *writer;
  unsigned n = 0;
  pid_t pid;

  way.dropped = share (sizeof *way.dropped);
  pid = spawn (read_stepped, &way);
  writer = writer_new ("cam0", &options);
  wait_mark (pid);
  for (; stepped != ENDED; n += way.stride)
    {
      fc_frame_t half;

      /* its next frame is the oldest, the first that the writer takes */
      put_tiny (writer, options.ring_depth);
      stepped = step (pid, n);
      CHECK (stepped != ASLEEP);
      overtake (writer, way.frames, way.half, &half);
      if (stepped != ENDED)
        {
          go_on (pid);
          wait_mark (pid);
        }
      let_be (writer, &half);
      overtake (writer, 3, true, &half);
      /* it looks at what it got, and comes back */
      go_on (pid);
      wait_mark (pid);
      let_be (writer, &half);
      /* one instruction makes the difference, for good */
      if (held && !way.observe)
        CHECK_EQ (*way.dropped, 0);
      held = held || *way.dropped == 0;
    }
  CHECK (held);
  CHECK_CMP (n, >, 50u);
  kill9 (pid);
  fc_writer_close (writer);
}

/* The cell that the reader is about to have is out of the history, or free to
 * be taken, or taken, or in the history again. */
static void
check_all_laps (way_t way)
{
  for (way.frames = 1; way.frames <= 3; way.frames++)
    {
      way.half = false;
      check_laps (way);
      way.half = true;
      check_laps (way);
    }
}

static void
leaser_lapped_at_any_instruction (void)
{
  check_all_laps ((way_t){ .lease = true, .stride = 1 });
}

static void
copier_lapped_at_any_instruction (void)
{
  check_all_laps ((way_t){ .stride = stride (2) });
}

static void
observer_lapped_at_any_instruction (void)
{
  check_all_laps ((way_t){ .observe = 1, .stride = stride (11) });
}

/* Wake-ups --------------------------------------------------------------- */

static void
wait_stepped (void *arg)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  uint64_t next;

  options.wait_ns = BOUND;
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
frame_at_any_instruction_of_a_wait_wakes (void)
{
  fc_writer_options_t options = tiny_ring ();
  pid_t pid = spawn (wait_stepped, NULL);
  fc_writer_t *writer = writer_new ("cam0", &options);
  stepped_t stepped = STEPPED;
  unsigned n;

  wait_mark (pid);
  for (n = 0; stepped == STEPPED; n++)
    /* a busy machine may be slow once, or twice */
    CHECK (is_woken (writer, pid, n, &stepped)
           || is_woken (writer, pid, n, &stepped)
           || is_woken (writer, pid, n, &stepped));
  CHECK_EQ (stepped, ASLEEP);
  CHECK_CMP (n, >, 50u);
  kill9 (pid);
  fc_writer_close (writer);
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
  for (n = 0; stepped != ENDED; n++)
    CHECK (sleeper_is_woken (pid, &sleeper, n, &stepped)
           || sleeper_is_woken (pid, &sleeper, n, &stepped)
           || sleeper_is_woken (pid, &sleeper, n, &stepped));
  CHECK_CMP (n, >, 50u);
  kill9 (reader);
  kill9 (pid);
}

/* Deaths ----------------------------------------------------------------- */

typedef struct
{
  bool copies;
} victim_t;

static void
write_and_die (void *arg)
{
  const victim_t *victim = arg;
  fc_writer_options_t options = tiny_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  char data[SIZE];

  put_tiny (writer, 1);
  fill (data, SIZE, writer_stats (writer).head);
  traced ();
  mark ();
  if (victim->copies)
    CHECK_OK (fc_writer_write (writer, data, SIZE, NULL, NULL));
  else
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_OK (fc_writer_acquire (writer, &frame));
      memcpy (frame.data, data, SIZE);
      frame.size = SIZE;
      CHECK_OK (fc_writer_commit (writer, &frame));
    }
  CHECK_OK (fc_writer_set_sticky (writer, data, SIZE));
  mark ();
}

/* What the dead left is carried on by the next, whose first frame comes to
 * the same consumer, with everything counted. */
static void
check_writer_deaths (bool copies, unsigned stride)
{
  fc_writer_options_t options = tiny_ring ();
  victim_t victim = { copies };
  fc_consumer_t *consumer = NULL;
  stepped_t stepped = STEPPED;
  fc_writer_t *writer;
  uint64_t next = 0, first = 0;
  unsigned n;

  for (n = 0; stepped != ENDED; n += stride)
    {
      pid_t pid = spawn (write_and_die, &victim);

      wait_mark (pid);
      if (!consumer)
        {
          consumer = consumer_new ("cam0", FC_START_OLDEST);
          next = first = consumer_stats (consumer).first;
        }
      while (drain (consumer, &next) == FC_REPLACED)
        CHECK_OK (fc_consumer_attach (consumer, BOUND));
      CHECK_EQ (next, slot_stat ("cam0").head);
      stepped = step (pid, n);
      kill9 (pid);
      drain (consumer, &next);
    }
  CHECK_CMP (n, >, 50u);
  writer = writer_new ("cam0", &options);
  while (drain (consumer, &next) == FC_REPLACED)
    CHECK_OK (fc_consumer_attach (consumer, BOUND));
  put_tiny (writer, 10);
  CHECK_EQ (take (consumer, &next).dropped, 8);
  CHECK_EQ (slot_stat ("cam0").oldest, slot_stat ("cam0").head - 2);
  CHECK_EQ (consumer_stats (consumer).total_delivered
                + consumer_stats (consumer).total_dropped,
            next - first);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
writer_killed_at_any_instruction (void)
{
  check_writer_deaths (false, stride (7));
}

static void
copying_writer_killed_at_any_instruction (void)
{
  check_writer_deaths (true, stride (17));
}

static void
read_and_die (void *arg)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT, copy = FC_FRAME_INIT;
  bool attach_too = *(bool *) arg;
  fc_consumer_t *consumer = NULL;

  if (!attach_too)
    consumer = consumer_with ("cam0", &options);
  traced ();
  mark ();
  if (attach_too)
    consumer = consumer_with ("cam0", &options);
  CHECK_CMP (fc_consumer_lease (consumer, &frame, 0), >=, 0);
  CHECK_CMP (fc_consumer_read (consumer, &copy, 0), >=, 0);
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
  mark ();
}

/* Its entry and its leases are the next one's and the writer's at once. */
static void
check_consumer_deaths (bool attach_too, unsigned stride)
{
  fc_writer_options_t options = tiny_ring ();
  stepped_t stepped = STEPPED;
  fc_writer_t *writer;
  unsigned n;

  options.max_consumers = 1;
  writer = writer_new ("cam0", &options);
  for (n = 0; stepped != ENDED; n += stride)
    {
      pid_t pid;
      uint64_t next;
      fc_consumer_t *consumer;

      put_tiny (writer, 2);
      pid = spawn (read_and_die, &attach_too);
      wait_mark (pid);
      stepped = step (pid, n);
      kill9 (pid);
      consumer = consumer_new ("cam0", FC_START_LIVE);
      next = consumer_stats (consumer).first;
      put_tiny (writer, 5);
      CHECK_EQ (take (consumer, &next).dropped, 3);
      CHECK_EQ (writer_stats (writer).cells_leased, 0);
      fc_consumer_close (consumer);
      CHECK_EQ (writer_stats (writer).consumers, 0);
    }
  CHECK_CMP (n, >, 50u);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  fc_writer_close (writer);
}

static void
consumer_killed_at_any_instruction (void)
{
  check_consumer_deaths (false, stride (17));
}

static void
consumer_killed_while_it_attaches (void)
{
  check_consumer_deaths (true, 499);
}

static const test_t tests[] = {
  SLOW_TEST (leaser_lapped_at_any_instruction, 120),
  SLOW_TEST (copier_lapped_at_any_instruction, 120),
  SLOW_TEST (observer_lapped_at_any_instruction, 120),
  SLOW_TEST (frame_at_any_instruction_of_a_wait_wakes, 120),
  SLOW_TEST (commit_wakes_who_falls_asleep_at_any_instruction, 120),
  SLOW_TEST (writer_killed_at_any_instruction, 240),
  SLOW_TEST (copying_writer_killed_at_any_instruction, 240),
  SLOW_TEST (consumer_killed_at_any_instruction, 240),
  SLOW_TEST (consumer_killed_while_it_attaches, 240),
};
TEST_MAIN (tests)
