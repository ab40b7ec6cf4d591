/* Looking for a frame before sleeping: it costs no system call, on neither
 * side, and ends with a frame, in time, or when it is told to.
 *
 * What a reader's calls are is counted where they are made. A machine that is
 * busy may keep a reader from its processor for longer than it may spin, and
 * then it has to sleep: what is checked is what held for each wait that was
 * shorter.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-wraps.h"

#define SPIN ((int64_t) FC_SPIN_MAX)

/* Of this thread's: libfc's calls, and those that sleep. */
static _Thread_local unsigned calls, sleeps;
/* What the machine is said to have; 0: what it has. */
static long processors;

static int
before_call (int error, unsigned can)
{
  (void) error;
  calls++;
  sleeps += (can & SLEEPS) != 0;
  return 0;
}

static void
after_call (void)
{
}

long __real_sysconf (int name);
long __wrap_sysconf (int name);

long
__wrap_sysconf (int name)
{
  if (name == _SC_NPROCESSORS_ONLN && processors > 0)
    return processors;
  return __real_sysconf (name);
}

/* Spinning is not for machines with one processor, and this may be one. */
static fc_consumer_t *
spinner_new (uint64_t spin_ns)
{
  fc_consumer_options_t options = from (FC_START_LIVE);

  processors = 2;
  options.spin_ns = spin_ns;
  return consumer_with ("cam0", &options);
}

/* A wait, and what it took. */
typedef struct
{
  int ret;
  int64_t ns;
  unsigned calls, sleeps;
} wait_t;

static wait_t
wait_for_frame (fc_consumer_t *consumer, fc_frame_t *frame, int64_t timeout)
{
  wait_t wait;
  int64_t start;

  calls = sleeps = 0;
  start = now_ns ();
  wait.ret = fc_consumer_lease (consumer, frame, timeout);
  wait.ns = now_ns () - start;
  wait.calls = calls;
  wait.sleeps = sleeps;
  return wait;
}

/* One frame is there, and taken: the next one is spun for. */
static void
take_one (fc_writer_t *writer, fc_consumer_t *consumer)
{
  uint64_t next = put (writer, 1);

  take (consumer, &next);
}

/* Frames ------------------------------------------------------------------- */

#define FRAMES 100u

typedef struct
{
  fc_writer_t *writer;
  _Atomic unsigned taken;
  _Atomic bool enough;
  unsigned waiting[100 * FRAMES]; /* consumers that the writer could wake */
} turns_t;

/* A frame a millisecond after the one before it was taken. */
static void *
write_in_turn (void *arg)
{
  turns_t *turns = arg;
  unsigned frame = 0;

  while (!turns->enough)
    {
      int64_t then = now_ns () + MS;

      while (now_ns () < then)
        nap ();
      turns->waiting[frame++] = slot_waiting ("cam0");
      put (turns->writer, 1);
      WAIT_UNTIL (turns->taken == frame);
    }
  return NULL;
}

static void
frame_costs_neither_side_a_call (void)
{
  fc_writer_options_t options = small_ring ();
  turns_t *turns = share (sizeof *turns);
  fc_consumer_t *consumer;
  unsigned frame = 0, spun = 0;
  uint64_t next = 0;
  pthread_t thread;

  turns->writer = writer_new ("cam0", &options);
  consumer = spinner_new (SPIN);
  take_one (turns->writer, consumer);
  next = 1;
  thread = thread_new (write_in_turn, turns);
  while (!turns->enough)
    {
      fc_frame_t frame_taken = FC_FRAME_INIT;
      wait_t wait = wait_for_frame (consumer, &frame_taken, BOUND);

      CHECK_EQ (wait.ret, FC_OK);
      check_frame (&frame_taken, wait.ret, &next);
      fc_consumer_release (consumer, &frame_taken);
      if (wait.ns < SPIN)
        {
          spun++;
          CHECK_EQ (wait.calls, 0);
          CHECK_EQ (turns->waiting[frame], 0);
        }
      frame++;
      CHECK_CMP (frame, <, 100 * FRAMES);
      turns->enough = spun >= FRAMES;
      turns->taken = frame;
    }
  thread_join (thread);
  fc_consumer_close (consumer);
  fc_writer_close (turns->writer);
}

/* Ends --------------------------------------------------------------------- */

static void
time_out_comes_without_a_call (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = spinner_new (SPIN);
  fc_frame_t frame = FC_FRAME_INIT;
  wait_t wait;

  do
    {
      take_one (writer, consumer);
      wait = wait_for_frame (consumer, &frame, 5 * MS);
      CHECK_EQ (wait.ret, FC_TIMEOUT);
      CHECK_CMP (wait.ns, >=, 5 * MS);
    }
  while (wait.ns >= SPIN);
  CHECK_EQ (wait.calls, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

/* Where no frame comes for long, a processor is not kept busy for ever. */
static void
each_frame_is_spun_for_once (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = spinner_new (SPIN);
  fc_frame_t frame = FC_FRAME_INIT;
  wait_t wait;

  take_one (writer, consumer);
  wait = wait_for_frame (consumer, &frame, SPIN + 5 * MS);
  CHECK_EQ (wait.ret, FC_TIMEOUT);
  CHECK_CMP (wait.sleeps, >=, 1u);
  wait = wait_for_frame (consumer, &frame, 5 * MS);
  CHECK_EQ (wait.ret, FC_TIMEOUT);
  CHECK_CMP (wait.sleeps, >=, 1u);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

typedef struct
{
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  _Atomic bool waits;
} other_t;

/* In the middle of it, as far as this thread has a processor by then. */
static void
await_the_wait (other_t *other)
{
  int64_t then;

  WAIT_UNTIL (other->waits);
  then = now_ns () + 2 * MS;
  while (now_ns () < then)
    nap ();
}

static void *
interrupt_it (void *arg)
{
  other_t *other = arg;

  await_the_wait (other);
  fc_consumer_interrupt (other->consumer);
  return NULL;
}

static void *
finish_it (void *arg)
{
  other_t *other = arg;

  await_the_wait (other);
  CHECK_OK (fc_writer_finish (other->writer));
  return NULL;
}

/* What another thread does meanwhile ends the wait before the spin would. */
static void
check_ended_by (void *(*func) (void *other), int ret)
{
  fc_writer_options_t options = small_ring ();
  other_t other = { .writer = writer_new ("cam0", &options) };
  wait_t wait;

  other.consumer = spinner_new (SPIN);
  do
    {
      fc_frame_t frame = FC_FRAME_INIT;
      pthread_t thread;

      take_one (other.writer, other.consumer);
      other.waits = false;
      thread = thread_new (func, &other);
      other.waits = true;
      wait = wait_for_frame (other.consumer, &frame, FC_FOREVER);
      thread_join (thread);
      CHECK_EQ (wait.ret, ret);
      fc_consumer_resume (other.consumer);
    }
  while (wait.ns < MS || wait.ns >= SPIN);
  CHECK_EQ (wait.calls, 0);
  fc_consumer_close (other.consumer);
  fc_writer_close (other.writer);
}

static void
interrupt_ends_it (void)
{
  check_ended_by (interrupt_it, FC_INTERRUPTED);
}

static void
end_of_the_stream_ends_it (void)
{
  check_ended_by (finish_it, FC_EOS);
}

static void
kill_writer (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  other_t *other = arg;

  WAIT_UNTIL (other->waits);
  put (writer, 1);
  raise (SIGKILL);
}

static void
death_of_the_writer_is_seen (void)
{
  other_t *other = share (sizeof *other);
  pid_t pid = spawn (kill_writer, other);
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;

  processors = 2;
  options.spin_ns = SPIN;
  options.wait_ns = BOUND;
  consumer = consumer_with ("cam0", &options);
  other->waits = true;
  CHECK_OK (fc_consumer_read (consumer, &frame, BOUND));
  CHECK_RET (fc_consumer_read (consumer, &frame, BOUND), FC_WRITER_LOST);
  reap (pid);
  fc_consumer_close (consumer);
}

/* Who does not ------------------------------------------------------------ */

static void
check_sleeps (const fc_consumer_options_t *options)
{
  fc_writer_options_t ring = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &ring);
  fc_consumer_t *consumer = consumer_with ("cam0", options);
  fc_frame_t frame = FC_FRAME_INIT;

  take_one (writer, consumer);
  sleeps = 0;
  CHECK_RET (fc_consumer_read (consumer, &frame, 5 * MS), FC_TIMEOUT);
  CHECK_CMP (sleeps, >=, 1u);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
nobody_does_who_did_not_ask_for_it (void)
{
  fc_consumer_options_t other = from (FC_START_LIVE);

  processors = 2;
  CHECK_EQ (other.spin_ns, 0);
  check_sleeps (&other);
  /* compiled when there was no such option: what lies there is not it */
  other.struct_size = offsetof (fc_consumer_options_t, spin_ns);
  other.spin_ns = UINT64_MAX;
  check_sleeps (&other);
  other.spin_ns = SPIN;
  check_sleeps (&other);
}

static void
observer_does_not (void)
{
  fc_consumer_options_t other = from (FC_START_LIVE);

  processors = 2;
  other.spin_ns = SPIN;
  other.observe = 1;
  check_sleeps (&other);
}

static void
nobody_does_on_the_only_processor (void)
{
  fc_consumer_options_t other = from (FC_START_LIVE);

  processors = 1;
  other.spin_ns = SPIN;
  check_sleeps (&other);
}

static void
more_than_the_limit_is_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_consumer_t *consumer = NULL;

  other.spin_ns = FC_SPIN_MAX + UINT64_C (1);
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &other), -EINVAL);
  CHECK_DETAIL ("spin_ns is 50000001; the limit is 50000000");
  CHECK (consumer == NULL);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  SLOW_TEST (frame_costs_neither_side_a_call, 120),
  TEST (time_out_comes_without_a_call),
  TEST (each_frame_is_spun_for_once),
  TEST (interrupt_ends_it),
  TEST (end_of_the_stream_ends_it),
  TEST (death_of_the_writer_is_seen),
  TEST (nobody_does_who_did_not_ask_for_it),
  TEST (observer_does_not),
  TEST (nobody_does_on_the_only_processor),
  TEST (more_than_the_limit_is_refused),
};
TEST_MAIN (tests)
