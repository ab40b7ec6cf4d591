/* Waiting: it ends with a frame, in time, or when it is told to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/time.h>

/* Of all processes here: waits that nobody ended before their time. */
static atomic_uint *slept_out;

static fc_consumer_t *to_interrupt;

/* libfc's futex calls come here, by the linker's --wrap. */
long __real_syscall (long number, ...);
long __wrap_syscall (long number, ...);

long
__wrap_syscall (long number, ...)
{
  long a[6], ret;
  va_list args;

  va_start (args, number);
  for (int i = 0; i < 6; i++)
    a[i] = va_arg (args, long);
  va_end (args);
  ret = __real_syscall (number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (ret < 0 && errno == ETIMEDOUT && slept_out)
    atomic_fetch_add (slept_out, 1);
  return ret;
}

static void
no_timeout_looks_once (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  int64_t start = now_ns ();

  for (int i = 0; i < 100; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      CHECK_RET (fc_consumer_read (consumer, &frame, 0), FC_TIMEOUT);
      CHECK_RET (fc_consumer_lease (consumer, &frame, 0), FC_TIMEOUT);
    }
  /* 200 waits of a slice each would be 50 s */
  CHECK_CMP (now_ns () - start, <, 5 * SEC);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
timeout_is_as_long_as_asked (void)
{
  static const int64_t times[] = { 1 * MS, 30 * MS, 249 * MS, 600 * MS };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  for (uint32_t observe = 0; observe < 2; observe++)
    {
      fc_consumer_options_t other = from (FC_START_LIVE);
      fc_consumer_t *consumer;

      other.observe = observe;
      consumer = consumer_with ("cam0", &other);
      for (unsigned i = 0; i < 4; i++)
        {
          fc_frame_t frame = FC_FRAME_INIT;
          int64_t start = now_ns (), took;

          CHECK_RET (fc_consumer_read (consumer, &frame, times[i]), FC_TIMEOUT);
          took = now_ns () - start;
          CHECK_CMP (took, >=, times[i]);
          /* and not a slice's or another wait's length, or for ever */
          CHECK_CMP (took, <, times[i] + BOUND / 2);
        }
      fc_consumer_close (consumer);
    }
  fc_writer_close (writer);
}

typedef struct
{
  unsigned frames;
  int events[16]; /* of each reader: it took a frame */
  int n;
} readers_t;

static void
read_frames (void *arg)
{
  readers_t *readers = arg;
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  uint64_t next = 0;

  while (next < readers->frames)
    {
      CHECK_EQ (take (consumer, &next).dropped, 0);
      event_post (readers->events[readers->n]);
    }
  fc_consumer_close (consumer);
}

/* Each frame goes out when all are asleep, so that without a wake-up it
 * would take most of a slice to arrive. */
static void
check_wakes (int count)
{
  fc_writer_options_t options = small_ring ();
  readers_t readers = { .frames = 24 };
  fc_writer_t *writer;
  pid_t pid[16];
  int64_t spent = 0;

  options.max_consumers = 16;
  writer = writer_new ("cam0", &options);
  for (int i = 0; i < count; i++)
    {
      readers.events[i] = event_new ();
      readers.n = i;
      pid[i] = spawn (read_frames, &readers);
    }
  for (unsigned f = 0; f < readers.frames; f++)
    {
      int64_t start;

      WAIT_UNTIL (slot_waiting ("cam0") == (unsigned) count);
      start = now_ns ();
      put (writer, 1);
      for (int i = 0; i < count; i++)
        event_wait (readers.events[i]);
      spent += now_ns () - start;
    }
  for (int i = 0; i < count; i++)
    reap_ok (pid[i]);
  CHECK_CMP (spent / readers.frames, <, SLICE / 4);
  fc_writer_close (writer);
}

static void
one_consumer_is_woken_by_each_frame (void)
{
  check_wakes (1);
}

static void
four_consumers_are_woken_by_each_frame (void)
{
  check_wakes (4);
}

static void
sixteen_consumers_are_woken_by_each_frame (void)
{
  check_wakes (16);
}

/* The reader is on its way to sleep when the next frame comes, at a different
 * point each time: a wake-up lost there costs the rest of a slice, and is the
 * end of one. A reader that was woken and then had to wait for a processor is
 * late too, but did not sleep its time out. */
static void
no_wake_up_is_lost (void)
{
  fc_writer_options_t options = small_ring ();
  readers_t readers = { .frames = UINT32_MAX };
  fc_writer_t *writer = writer_new ("cam0", &options);
  int64_t start = now_ns ();
  uint64_t random = 7;
  unsigned lost = 0;
  pid_t pid;

  slept_out = share (sizeof *slept_out);
  readers.events[0] = event_new ();
  pid = spawn (read_frames, &readers);
  for (unsigned f = 0; f < 20000 && now_ns () - start < 8 * SEC; f++)
    {
      int64_t sent = now_ns ();
      int64_t pause = (int64_t) (chance (&random) % 20000);
      unsigned before;

      while (now_ns () < sent + pause)
        ;
      before = atomic_load (slept_out);
      sent = now_ns ();
      put_size (writer, 64);
      event_wait (readers.events[0]);
      lost += now_ns () - sent > SLICE - 50 * MS
              && atomic_load (slept_out) != before;
    }
  kill9 (pid);
  /* a busy machine may stop the writer for so long before it wakes */
  CHECK_CMP (lost, <=, 2u);
  fc_writer_close (writer);
}

static void *
interrupt_thread (void *arg)
{
  WAIT_UNTIL (slot_waiting ("cam0") == 1);
  fc_consumer_interrupt (arg);
  return NULL;
}

static void
interrupt_ends_a_wait (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;
  pthread_t thread = thread_new (interrupt_thread, consumer);

  CHECK_RET (fc_consumer_lease (consumer, &frame, FC_FOREVER), FC_INTERRUPTED);
  thread_join (thread);
  /* it sticks until resumed */
  for (int i = 0; i < 3; i++)
    CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER), FC_INTERRUPTED);
  fc_consumer_resume (consumer);
  CHECK_RET (fc_consumer_read (consumer, &frame, MS), FC_TIMEOUT);
  put (writer, 2);
  take (consumer, &next);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
interrupt_before_the_wait_counts (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_options_t other = from (FC_START_LIVE);

  for (other.observe = 0; other.observe < 2; other.observe++)
    {
      fc_consumer_t *consumer = consumer_with ("cam0", &other);
      fc_frame_t frame = FC_FRAME_INIT;

      fc_consumer_interrupt (consumer);
      CHECK_RET (fc_consumer_read (consumer, &frame, FC_FOREVER),
                 FC_INTERRUPTED);
      fc_consumer_resume (consumer);
      CHECK_RET (fc_consumer_read (consumer, &frame, 10 * MS), FC_TIMEOUT);
      fc_consumer_close (consumer);
    }
  fc_writer_close (writer);
}

static void
on_alarm (int signal)
{
  (void) signal;
  fc_consumer_interrupt (to_interrupt);
}

static void
signal_handler_may_interrupt (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
  fc_frame_t frame = FC_FRAME_INIT;

  to_interrupt = consumer_new ("cam0", FC_START_LIVE);
  CHECK_EQ (sigaction (SIGALRM, &action, NULL), 0);
  for (int i = 0; i < 5; i++)
    {
      struct itimerval soon = { { 0, 0 }, { 0, 20000 } };

      CHECK_EQ (setitimer (ITIMER_REAL, &soon, NULL), 0);
      CHECK_RET (fc_consumer_read (to_interrupt, &frame, FC_FOREVER),
                 FC_INTERRUPTED);
      fc_consumer_resume (to_interrupt);
    }
  fc_consumer_close (to_interrupt);
  fc_writer_close (writer);
}

static void
on_signal (int signal)
{
  (void) signal;
}

static void
other_signals_do_not_end_a_wait (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  struct sigaction action = { .sa_handler = on_signal };
  struct itimerval often = { { 0, 3000 }, { 0, 3000 } }, never = { 0 };
  fc_consumer_options_t other = from (FC_START_LIVE);

  CHECK_EQ (sigaction (SIGALRM, &action, NULL), 0);
  for (other.observe = 0; other.observe < 2; other.observe++)
    {
      fc_consumer_t *consumer = consumer_with ("cam0", &other);
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t start = now_ns ();

      CHECK_EQ (setitimer (ITIMER_REAL, &often, NULL), 0);
      CHECK_RET (fc_consumer_read (consumer, &frame, 400 * MS), FC_TIMEOUT);
      CHECK_CMP (now_ns () - start, >=, 400 * MS);
      CHECK_EQ (setitimer (ITIMER_REAL, &never, NULL), 0);
      fc_consumer_close (consumer);
    }
  fc_writer_close (writer);
}

static void *
writer_comes (void *arg)
{
  fc_writer_options_t options = small_ring ();

  event_wait (*(int *) arg);
  return writer_new ("cam0", &options);
}

static void
open_waits_for_the_slot (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer = NULL;
  int event = event_new ();
  int64_t start = now_ns ();
  pthread_t thread;
  void *writer;

  CHECK_RET (fc_consumer_open (&consumer, "cam0", &options), -ENOENT);
  CHECK_CMP (now_ns () - start, <, SEC);
  options.wait_ns = 300 * MS;
  CHECK_RET (fc_consumer_open (&consumer, "cam0", &options), -ENOENT);
  CHECK_CMP (now_ns () - start, >=, 300 * MS);
  options.wait_ns = BOUND;
  thread = thread_new (writer_comes, &event);
  event_post (event);
  consumer = consumer_with ("cam0", &options);
  CHECK_EQ (pthread_join (thread, &writer), 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void *
interrupt_soon (void *arg)
{
  nap ();
  fc_consumer_interrupt (arg);
  return NULL;
}

static void
detached_consumer_attaches_when_told (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  pthread_t thread;
  uint64_t next = 0;

  other.detached = 1;
  consumer = consumer_with ("cam0", &other);
  CHECK_EQ (fc_consumer_write_cursor (consumer), 0);
  CHECK_RET (fc_consumer_attach (consumer, 0), -ENOENT);
  thread = thread_new (interrupt_soon, consumer);
  CHECK_RET (fc_consumer_attach (consumer, FC_FOREVER), FC_INTERRUPTED);
  thread_join (thread);
  fc_consumer_resume (consumer);
  CHECK_RET (fc_consumer_attach (consumer, 20 * MS), -ENOENT);
  writer = writer_new ("cam0", &options);
  put (writer, 2);
  CHECK_CMP (fc_consumer_attach (consumer, BOUND), >=, 0);
  take (consumer, &next);
  take (consumer, &next);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (no_timeout_looks_once),
  TEST (timeout_is_as_long_as_asked),
  TEST (one_consumer_is_woken_by_each_frame),
  TEST (four_consumers_are_woken_by_each_frame),
  TEST (sixteen_consumers_are_woken_by_each_frame),
  TEST (no_wake_up_is_lost),
  TEST (interrupt_ends_a_wait),
  TEST (interrupt_before_the_wait_counts),
  TEST (signal_handler_may_interrupt),
  TEST (other_signals_do_not_end_a_wait),
  TEST (open_waits_for_the_slot),
  TEST (detached_consumer_attaches_when_told),
};
TEST_MAIN (tests)
