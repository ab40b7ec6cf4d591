/* Each call that can fail fails once, at every place from which libfc makes it,
 * or memory or descriptors are out from there on: that is an error with a
 * sentence, or is got over; nothing is left open or behind, the slot can be
 * used and goes on counting. A call that is interrupted by a signal is got over
 * in any case.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-wraps.h"

/* Failing ------------------------------------------------------------------ */

typedef enum
{
  ONCE,
  EXHAUSTED, /* of what it is, memory or descriptors, there is no more */
  SIGNAL,
  SIGNALS, /* so fast that nothing long is done between two of them */
  NO_THREAD
} fault_t;

static _Thread_local bool armed;
static fault_t fault;
static unsigned calls, failing;
static int failed; /* with what; 0: not yet */
static _Atomic unsigned sleeps;

static bool
strikes (int error, unsigned can)
{
  switch (fault)
    {
    case ONCE:
      return (can & FAILS) != 0 && calls++ == failing;
    case EXHAUSTED:
      return (error == ENOMEM || error == EMFILE) && (can & FAILS) != 0
             && calls++ >= failing && (failed == 0 || failed == error);
    case SIGNAL:
      return (can & INTERRUPTED) != 0 && calls++ == failing;
    case SIGNALS:
      return (can & LONG) != 0;
    default:
      return error == EAGAIN && (can & FAILS) != 0;
    }
}

static int
before_call (int error, unsigned can)
{
  sleeps += (can & SLEEPS) != 0;
  if (!armed || !strikes (error, can))
    return 0;
  failed = fault == SIGNAL || fault == SIGNALS ? EINTR : error;
  return failed;
}

static void
after_call (void)
{
}

/* What libfc is put through: 0, or the error that a call returned --------- */

static fc_writer_options_t
larger (void)
{
  fc_writer_options_t options = small_ring ();

  options.frame_size *= 2;
  return options;
}

static int
write_and_renew (fc_writer_t *writer)
{
  fc_writer_options_t options = larger ();
  fc_frame_t frame = FC_FRAME_INIT;
  int r = fc_writer_write (writer, "bytes", 5, NULL, NULL);

  if (r == 0)
    r = fc_writer_set_sticky (writer, "sticky", 6);
  if (r == 0)
    r = fc_writer_acquire (writer, &frame);
  if (r == 0)
    {
      frame.size = 1;
      r = fc_writer_commit (writer, &frame);
    }
  if (r == 0)
    r = fc_writer_prepare (writer, &options);
  if (r >= 0)
    r = fc_writer_renew (writer, &options);
  if (r >= 0)
    r = fc_writer_write (writer, "bytes", 5, NULL, NULL);
  return r;
}

static int
write_slot (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  int r = fc_writer_open (&writer, "cam0", &options);

  if (r < 0)
    return r;
  r = write_and_renew (writer);
  fc_writer_close (writer);
  return r;
}

static int
write_reserved_slot (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  int r = fc_writer_open (&writer, "kept", &options);

  if (r < 0)
    return r;
  r = fc_writer_write (writer, "bytes", 5, NULL, NULL);
  fc_writer_close (writer);
  return r;
}

/* As it was left, or in another generation. */
static int
replace_reserved_slot (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  int r;

  options.format = "test/others";
  r = fc_writer_open (&writer, "kept", &options);
  if (r < 0)
    return r;
  r = fc_writer_write (writer, "bytes", 5, NULL, NULL);
  fc_writer_close (writer);
  return r;
}

static int
read_all (fc_consumer_t *consumer)
{
  fc_frame_t frame = FC_FRAME_INIT;
  fc_position_t position = { FC_START_OLDEST, 0, 0, 0, 0 };
  static char sticky[FC_STICKY_MAX];
  const void *format;
  size_t size;
  int r = fc_consumer_format (consumer, &format, &size);

  if (r == 0)
    r = fc_consumer_sticky (consumer, sticky, sizeof sticky, &size, NULL);
  if (r == 0)
    r = fc_consumer_seek (consumer, &position);
  if (r == 0)
    r = fc_consumer_read (consumer, &frame, 0);
  if (r < 0)
    return r;
  r = fc_consumer_lease (consumer, &frame, 0);
  if (r >= 0)
    fc_consumer_release (consumer, &frame);
  return r == -EPERM ? 0 : r; /* an observer's */
}

static int
read_slot_as (uint32_t observe)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  int r;

  options.observe = observe;
  r = fc_consumer_open (&consumer, "kept", &options);
  if (r < 0)
    return r;
  r = read_all (consumer);
  fc_consumer_close (consumer);
  return r;
}

static int
read_slot (void)
{
  return read_slot_as (0);
}

static int
observe_slot (void)
{
  return read_slot_as (1);
}

static int
read_by_descriptors (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  int ring, table;
  int r = fc_slot_open_fds (test_dir, NULL, "kept", &ring, &table);

  if (r < 0)
    return r;
  options.detached = 1;
  r = fc_consumer_open (&consumer, "kept", &options);
  if (r == 0)
    {
      r = fc_consumer_attach_fds (consumer, ring, table, 0);
      if (r == 0)
        r = read_all (consumer);
      fc_consumer_close (consumer);
    }
  close (ring);
  close (table);
  return r;
}

static int
wait_for_slot (void)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  int r;

  options.wait_ns = MS;
  r = fc_consumer_open (&consumer, "never", &options);
  return r == -ENOENT ? 0 : r == 0 ? -EINVAL : r;
}

/* Both kinds of readers, and no frame. */
static int
wait_for_frame (void)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  int r = FC_TIMEOUT;

  for (options.observe = 0; r == FC_TIMEOUT && options.observe < 2;
       options.observe++)
    {
      r = fc_consumer_open (&consumer, "live", &options);
      if (r < 0)
        return r;
      r = fc_consumer_read (consumer, &frame, MS);
      fc_consumer_close (consumer);
    }
  return r == FC_TIMEOUT ? 0 : r == 0 ? -EINVAL : r;
}

/* To the next generation, whose writer is another one. */
static int
attach_again (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  int r = fc_consumer_open (&consumer, "kept", &options);

  if (r < 0)
    return r;
  r = replace_reserved_slot ();
  while (r >= 0)
    r = fc_consumer_read (consumer, &frame, 0);
  if (r == FC_REPLACED)
    r = fc_consumer_attach (consumer, 0);
  if (r >= 0)
    r = fc_consumer_read (consumer, &frame, 0);
  fc_consumer_close (consumer);
  return r;
}

static unsigned slots_seen;

static int
see_slot (const fc_slot_stat_t *stat, void *user_data)
{
  slots_seen++;
  return 0;
}

static int
see_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  return 0;
}

static int
look_at_slot (void)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_slot_view_t *view;
  char format[100];
  size_t size;
  int r;

  slots_seen = 0;
  r = fc_slot_list (test_dir, see_slot, NULL);
  if (r == 0 && slots_seen != 2)
    return -EINVAL;
  if (r == 0)
    r = fc_slot_stat (test_dir, "kept", &stat);
  if (r == 0)
    r = fc_slot_consumers (test_dir, "kept", see_consumer, NULL);
  if (r == 0)
    r = fc_slot_format (test_dir, "kept", format, sizeof format, &size);
  if (r == 0)
    r = fc_slot_view_open (&view, test_dir, "kept");
  if (r < 0)
    return r;
  r = fc_slot_view_stat (view, &stat);
  if (r == 0)
    r = fc_slot_view_consumers (view, see_consumer, NULL);
  if (r == 0)
    r = fc_slot_view_format (view, format, sizeof format, &size);
  fc_slot_view_close (view);
  return r;
}

static int
reserve_and_remove (void)
{
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  int r = fc_plan (&options, &plan);

  options.owner_set = 1;
  options.owner = geteuid ();
  if (r == 0)
    r = fc_slot_reserve ("cam0", &options);
  if (r == 0)
    r = fc_slot_gc (test_dir, NULL, 0);
  return r < 0 ? r : fc_slot_remove (test_dir, "cam0", 0);
}

/* And what holds of all of that ------------------------------------------- */

static void
make_kept (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  CHECK_OK (fc_slot_reserve ("kept", &options));
  writer = writer_new ("kept", &options);
  for (int i = 0; i < 3; i++)
    CHECK_OK (fc_writer_write (writer, "bytes", 5, NULL, NULL));
  CHECK_OK (fc_writer_set_sticky (writer, "sticky", 6));
  fc_writer_close (writer);
}

/* Whatever failed, a slot of that name can be made, the one that there was has
 * not lost its count, and nothing else is left. */
static void
check_use (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  uint64_t next = 0;

  (void) fc_slot_remove (test_dir, "cam0", 0);
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  put (writer, 2);
  drain (consumer, &next);
  CHECK_EQ (next, 2);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  writer = writer_new ("kept", &options);
  CHECK_CMP (writer_stats (writer).head, >=, 3u);
  fc_writer_close (writer);
  CHECK_CMP (fc_slot_gc (test_dir, NULL, 0), >=, 0);
  CHECK_OK (fc_slot_remove (test_dir, "kept", 0));
  CHECK_EQ (count_files (test_dir), 3); /* of "live" */
}

/* Not one that an earlier error left. */
#define OLD_SENTENCE "no slot name given"

static void
check_sentence (void)
{
  CHECK (fc_error_detail ()[0] != '\0');
  CHECK (!strstr (fc_error_detail (), OLD_SENTENCE));
}

static bool
fail_at (int (*scenario) (void), unsigned which)
{
  unsigned files = count_files ("/proc/self/fd"), threads;
  int r;

  threads = count_files ("/proc/self/task");
  make_kept ();
  CHECK_RET (fc_slot_remove (test_dir, NULL, 0), -EINVAL);
  CHECK_DETAIL (OLD_SENTENCE);
  calls = 0;
  failing = which;
  failed = 0;
  armed = true;
  r = scenario ();
  armed = false;
  if (failed == 0 || failed == EINTR)
    CHECK_CMP (r, >=, 0);
  if (r < 0)
    check_sentence ();
  check_use ();
  CHECK_EQ (count_files ("/proc/self/fd"), files);
  WAIT_UNTIL (count_files ("/proc/self/task") == threads);
  return failed != 0;
}

/* Returns at how many places. */
static unsigned
fail_everywhere (int (*scenario) (void), fault_t kind)
{
  unsigned which = 0;

  fault = kind;
  while (fail_at (scenario, which))
    which++;
  return which;
}

static void
fault_everywhere (int (*scenario) (void), unsigned least)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("live", &options);
  unsigned once, exhausted, signal;

  once = fail_everywhere (scenario, ONCE);
  exhausted = fail_everywhere (scenario, EXHAUSTED);
  signal = fail_everywhere (scenario, SIGNAL);
  fprintf (stderr,
           "# %u calls that fail, %u that find nothing left, %u that "
           "are interrupted\n",
           once, exhausted, signal);
  CHECK_CMP (once, >=, least);
  fc_writer_close (writer);
}

#define FAULTS(scenario, least)                                                \
  static void scenario##_whatever_fails (void)                                 \
  {                                                                            \
    fault_everywhere (scenario, least);                                        \
  }

FAULTS (write_slot, 50)
FAULTS (write_reserved_slot, 25)
FAULTS (replace_reserved_slot, 40)
FAULTS (read_slot, 15)
FAULTS (observe_slot, 20)
FAULTS (read_by_descriptors, 25)
FAULTS (wait_for_slot, 6)
FAULTS (wait_for_frame, 20)
FAULTS (attach_again, 50)
FAULTS (look_at_slot, 60)
FAULTS (reserve_and_remove, 40)

static void
signals_do_not_keep_memory_from_being_reserved (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.frame_size = 1 << 20;
  fault = SIGNALS;
  failed = 0;
  armed = true;
  writer = writer_new ("cam0", &options);
  armed = false;
  CHECK_EQ (failed, EINTR);
  CHECK_CMP (slot_stat ("cam0").bytes_allocated, >, 4u << 20);
  put (writer, 10);
  fc_writer_close (writer);
}

/* A writer that prepared a ring and then could not prepare the next one has
 * none, and its housekeeper has nothing to do. */
static void
housekeeper_without_a_ring_sleeps (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  unsigned waits;

  options.prepare = 1;
  writer = writer_new ("cam0", &options);
  options.frame_size *= 2;
  fault = EXHAUSTED;
  calls = failing = 0;
  armed = true;
  CHECK_CMP (fc_writer_prepare (writer, &options), <, 0);
  armed = false;
  /* its next look is due by then */
  nanosleep (&(struct timespec){ 1, SEC / 2 }, NULL);
  waits = sleeps;
  nanosleep (&(struct timespec){ 0, SEC / 4 }, NULL);
  CHECK_CMP (sleeps - waits, <, 10u);
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  put (writer, 1);
  fc_writer_close (writer);
}

static void
write_and_die (void *arg)
{
  fc_writer_options_t options = small_ring ();

  put (writer_new ("cam0", &options), 3);
  kill (getpid (), SIGKILL);
}

static void
ring_of_the_dead_stays_where_no_thread_can_be_made (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_consumer_t *consumer;
  uint64_t next = 0;

  reap (spawn (write_and_die, NULL));
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  fault = NO_THREAD;
  armed = true;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EAGAIN);
  armed = false;
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LOST);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 4);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  SLOW_TEST (write_slot_whatever_fails, 120),
  SLOW_TEST (write_reserved_slot_whatever_fails, 120),
  SLOW_TEST (replace_reserved_slot_whatever_fails, 120),
  SLOW_TEST (read_slot_whatever_fails, 120),
  SLOW_TEST (observe_slot_whatever_fails, 120),
  SLOW_TEST (read_by_descriptors_whatever_fails, 120),
  SLOW_TEST (wait_for_slot_whatever_fails, 120),
  SLOW_TEST (wait_for_frame_whatever_fails, 120),
  SLOW_TEST (attach_again_whatever_fails, 120),
  SLOW_TEST (look_at_slot_whatever_fails, 120),
  SLOW_TEST (reserve_and_remove_whatever_fails, 120),
  TEST (signals_do_not_keep_memory_from_being_reserved),
  TEST (housekeeper_without_a_ring_sleeps),
  TEST (ring_of_the_dead_stays_where_no_thread_can_be_made),
};
TEST_MAIN (tests)
