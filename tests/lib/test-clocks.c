/* Clocks that are not one clock, that are set, and that go on while all else
 * stands still.
 *
 * The program is linked with --wrap=clock_gettime: for what it and libfc ask,
 * the wall clock is set by STEP.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sched.h>

#define HOUR (3600 * SEC)

/* The wall clock ----------------------------------------------------------- */

static _Atomic int64_t step; /* ns */

int __real_clock_gettime (clockid_t clock, struct timespec *time);
int __wrap_clock_gettime (clockid_t clock, struct timespec *time);

int
__wrap_clock_gettime (clockid_t clock, struct timespec *time)
{
  int r = __real_clock_gettime (clock, time);

  if (clock == CLOCK_REALTIME)
    time->tv_sec += step / SEC;
  return r;
}

static uint64_t
wall_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return (uint64_t) now.tv_sec * SEC + (uint64_t) now.tv_nsec;
}

/* Sets it without pause, by up to five hours either way, until *ARG. */
static void *
keep_stepping (void *arg)
{
  _Atomic bool *end = arg;
  uint64_t state = 1;

  while (!*end)
    {
      step = ((int64_t) (chance (&state) % 10) - 5) * HOUR;
      nap ();
    }
  return NULL;
}

static void
wait_in_vain (fc_consumer_t *consumer, int64_t timeout)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int64_t begin = now_ns ();

  CHECK_RET (fc_consumer_read (consumer, &frame, timeout), FC_TIMEOUT);
  CHECK_CMP (now_ns () - begin, >=, timeout);
  CHECK_CMP (now_ns () - begin, <, BOUND);
}

static void
lease_and_die (void *leased)
{
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_OK (fc_consumer_lease (consumer, &frame, BOUND));
  event_post (*(int *) leased);
  kill (getpid (), SIGKILL);
}

static void
waits_are_as_long_as_asked_for (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE), *never;
  _Atomic bool end = false;
  pthread_t thread = thread_new (keep_stepping, &end);
  int64_t begin;

  wait_in_vain (consumer, SLICE / 5);
  wait_in_vain (consumer, 3 * SLICE);
  other.observe = 1;
  fc_consumer_close (consumer);
  consumer = consumer_with ("cam0", &other);
  wait_in_vain (consumer, 3 * SLICE);
  begin = now_ns ();
  other.wait_ns = 2 * SLICE;
  CHECK_RET (fc_consumer_open (&never, "never", &other), -ENOENT);
  CHECK_CMP (now_ns () - begin, >=, 2 * SLICE);
  CHECK_CMP (now_ns () - begin, <, BOUND);
  end = true;
  CHECK_EQ (pthread_join (thread, NULL), 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
the_dead_are_found (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  _Atomic bool end = false;
  int leased = event_new ();
  pthread_t thread;
  pid_t pid;

  put (writer, 1);
  pid = spawn (lease_and_die, &leased);
  event_wait (leased);
  reap (pid);
  thread = thread_new (keep_stepping, &end);
  /* by the housekeeper alone, once a second */
  WAIT_UNTIL (slot_stat ("cam0").consumers == 0);
  end = true;
  CHECK_EQ (pthread_join (thread, NULL), 0);
  fc_writer_close (writer);
}

static void
frames_tell_the_wall_clock_and_are_not_led_by_it (void)
{
  static const int64_t steps[] = { 0, 5 * HOUR, -5 * HOUR, 0 };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);
  fc_position_t second = { FC_START_TIME, 0, 0, 0, 0 };
  uint64_t next = 0;

  for (int i = 0; i < 4; i++)
    {
      uint64_t monotonic = (uint64_t) now_ns (), wall;
      fc_frame_t frame;

      step = steps[i];
      wall = wall_ns ();
      put (writer, 1);
      frame = take (consumer, &next);
      CHECK_CMP (frame.info.wall_ns, >=, wall);
      CHECK_CMP (frame.info.wall_ns, <=, wall_ns ());
      CHECK_CMP (frame.info.commit_ns, >=, monotonic);
      CHECK_CMP (frame.info.commit_ns, <=, (uint64_t) now_ns ());
      CHECK_EQ (frame.info.capture_ns, frame.info.commit_ns);
      if (i == 1)
        second.value = frame.info.capture_ns;
      CHECK_CMP (consumer_stats (consumer).observed_latency_ns, <,
                 (uint64_t) BOUND);
    }
  CHECK_OK (fc_consumer_seek (consumer, &second));
  next = 1;
  take (consumer, &next);
  second = (fc_position_t){ FC_START_AGO, 0, HOUR, 0, 0 };
  CHECK_OK (fc_consumer_seek (consumer, &second));
  next = 0;
  take (consumer, &next);
  CHECK_CMP (slot_stat ("cam0").newest_commit_ns, <=, (uint64_t) now_ns ());
  CHECK_CMP (slot_stat ("cam0").frame_rate, >, 1.0 / (double) (BOUND / SEC));
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
write_and_die (void *written)
{
  fc_writer_options_t options = small_ring ();

  put (writer_new ("cam0", &options), 1);
  event_post (*(int *) written);
  kill (getpid (), SIGKILL);
}

static void
age_is_not_by_the_wall_clock (void)
{
  int written = event_new ();

  reap (spawn (write_and_die, &written));
  event_wait (written);
  step = 5 * HOUR;
  CHECK_EQ (fc_slot_gc (test_dir, NULL, HOUR), 0);
  step = -5 * HOUR;
  CHECK_EQ (fc_slot_gc (test_dir, NULL, HOUR), 0);
  CHECK_EQ (fc_slot_gc (test_dir, NULL, 0), 1);
}

/* Standing still ----------------------------------------------------------- */

/* Longer than a consumer's slice and the housekeeper's pause, together. */
#define STILL (5 * SLICE)

typedef struct
{
  _Atomic uint64_t frames;
  _Atomic bool end;
} moving_t;

static void
write_on (void *arg)
{
  moving_t *moving = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  options.ring_depth = 4000;
  options.frame_size = 64;
  writer = writer_new ("cam0", &options);
  while (!moving->end)
    {
      put_size (writer, 64);
      moving->frames++;
      nap ();
    }
  /* before anybody can be late for the end */
  CHECK_OK (fc_writer_finish (writer));
  WAIT_UNTIL (writer_stats (writer).consumers == 0);
  fc_writer_close (writer);
}

typedef struct
{
  moving_t moving;
  uint32_t observe;
} reading_t;

/* Whatever stands still, all that a reader is told is that no frame came. */
static void
read_on (void *arg)
{
  reading_t *reading = arg;
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  int r;

  options.observe = reading->observe;
  options.wait_ns = BOUND;
  consumer = consumer_with ("cam0", &options);
  while ((r = fc_consumer_read (consumer, &frame, SLICE)) != FC_EOS)
    {
      if (r != FC_TIMEOUT)
        CHECK_OK (r);
      reading->moving.frames += r == FC_OK;
    }
  check_counts (consumer);
  CHECK_EQ (consumer_stats (consumer).dropped, 0);
  fc_consumer_close (consumer);
}

static void
stand_still (void)
{
  int64_t until = now_ns () + STILL;

  while (now_ns () < until)
    nap ();
}

/* As by a suspended machine, a frozen container or a debugger; the writer goes
 * on first, and then a reader. */
static void
who_stood_still_goes_on (void)
{
  moving_t *writing = share (sizeof *writing);
  reading_t *reading = share (2 * sizeof *reading);
  pid_t pid[3] = { spawn (write_on, writing) };

  for (uint32_t i = 0; i < 2; i++)
    {
      reading[i].observe = i;
      pid[i + 1] = spawn (read_on, &reading[i]);
    }
  for (int first = 0; first < 2; first++)
    {
      uint64_t seen[2] = { reading[0].moving.frames, reading[1].moving.frames };

      WAIT_UNTIL (reading[0].moving.frames > seen[0]
                  && reading[1].moving.frames > seen[1]);
      for (int i = 0; i < 3; i++)
        stop (pid[i]);
      step += HOUR;
      stand_still ();
      cont (pid[first]);
      stand_still ();
      for (int i = 0; i < 3; i++)
        if (i != first)
          cont (pid[i]);
    }
  writing->end = true;
  for (int i = 2; i >= 0; i--)
    reap_ok (pid[i]);
  CHECK_EQ (reading[0].moving.frames, writing->frames);
  CHECK_EQ (reading[1].moving.frames, writing->frames);
}

/* Time namespaces ---------------------------------------------------------- */

typedef struct
{
  int64_t offset; /* of its clock, ns */
  void (*func) (void *member);
  int ready;
  int go;
} member_t;

/* The offset is that of the children to come. */
static void
unshare_time (int64_t offset)
{
  char text[64];
  int fd, size;

  CHECK_EQ (unshare (CLONE_NEWTIME), 0);
  size = snprintf (text, sizeof text, "monotonic %lld 0",
                   (long long) (offset / SEC));
  fd = open ("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  CHECK (fd >= 0);
  CHECK_EQ (write (fd, text, (size_t) size), size);
  close (fd);
}

static void
in_its_time (void *arg)
{
  member_t *member = arg;
  int64_t before = now_ns ();
  pid_t pid;

  unshare_time (member->offset);
  pid = fork ();
  if (pid == 0)
    {
      CHECK_CMP (now_ns () - before - member->offset, <, BOUND);
      member->func (member);
      _exit (0);
    }
  reap_ok (pid);
}

static void
try_to_unshare (void *arg)
{
  _exit (unshare (CLONE_NEWTIME) != 0);
}

static void
need_time_namespaces (void)
{
  if (!am_root () || !exists ("/proc/self/timens_offsets")
      || reap (spawn (try_to_unshare, NULL)) != 0)
    test_skip ("no time namespaces may be made here");
}

/* Far ahead of this clock, and far behind. */
static const int64_t *
two_offsets (void)
{
  static int64_t offsets[2] = { 1000 * HOUR };

  offsets[1] = -(now_ns () / SEC / 2) * SEC;
  return offsets;
}

#define DELAY (400 * SEC)

/* Frames 0 and 1, the second captured when it was committed; the first, as far
 * as clocks reach back, DELAY before. */
static void
write_two (fc_writer_t *writer)
{
  fc_info_t info = FC_INFO_INIT;

  info.capture_ns = now_ns () > DELAY ? (uint64_t) (now_ns () - DELAY) : 0;
  CHECK_OK (fc_writer_write (writer, "0", 1, &info, NULL));
  CHECK_OK (fc_writer_write (writer, "1", 1, NULL, NULL));
}

/* That they are at DELAY before BEGIN and at BEGIN of this process's clock. */
static void
check_times (uint32_t observe, int64_t begin)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  fc_frame_t frame[2] = { FC_FRAME_INIT, FC_FRAME_INIT };
  fc_position_t position = { FC_START_AGO, 0, DELAY / 2, 0, 0 };
  uint64_t first = begin > DELAY ? (uint64_t) (begin - DELAY) : 0;

  options.observe = observe;
  consumer = consumer_with ("cam0", &options);
  for (int i = 0; i < 2; i++)
    {
      CHECK_OK (fc_consumer_read (consumer, &frame[i], BOUND));
      CHECK_CMP (frame[i].info.commit_ns, >=, (uint64_t) begin);
      CHECK_CMP (frame[i].info.commit_ns, <=, (uint64_t) now_ns ());
    }
  CHECK_EQ (frame[1].info.capture_ns, frame[1].info.commit_ns);
  CHECK_CMP (frame[0].info.capture_ns, >=, first);
  CHECK_CMP (frame[0].info.capture_ns, <=, first + (uint64_t) BOUND);
  if (first > 0)
    {
      CHECK_OK (fc_consumer_seek (consumer, &position));
      CHECK_EQ (consumer_stats (consumer).cursor, 1);
    }
  position
      = (fc_position_t){ FC_START_TIME, 0, frame[0].info.capture_ns + 1, 0, 0 };
  CHECK_OK (fc_consumer_seek (consumer, &position));
  CHECK_EQ (consumer_stats (consumer).cursor, 1);
  CHECK_EQ (slot_stat ("cam0").newest_commit_ns, frame[1].info.commit_ns);
  CHECK_OK (fc_consumer_read (consumer, &frame[0], BOUND));
  wait_in_vain (consumer, SLICE / 2);
  fc_consumer_close (consumer);
}

static void
write_in_its_time (void *arg)
{
  member_t *member = arg;
  fc_writer_options_t options = small_ring ();

  write_two (writer_new ("cam0", &options));
  event_post (member->ready);
  event_wait (member->go);
}

/* A writer in a container whose clock is another one. */
static void
frames_have_the_readers_time (void)
{
  need_time_namespaces ();
  for (int i = 0; i < 2; i++)
    {
      member_t member = { two_offsets ()[i], write_in_its_time, event_new (),
                          event_new () };
      int64_t begin = now_ns ();
      pid_t pid = spawn (in_its_time, &member);

      event_wait (member.ready);
      check_times (0, begin);
      check_times (1, begin);
      event_post (member.go);
      reap_ok (pid);
      /* It did not close its slot, which is left for a next writer. */
      CHECK_EQ (fc_slot_gc (test_dir, NULL, HOUR), 0);
      CHECK_EQ (fc_slot_gc (test_dir, NULL, 0), 1);
    }
}

static void
read_in_its_time (void *arg)
{
  member_t *member = arg;
  int64_t begin = now_ns ();

  event_post (member->ready);
  event_wait (member->go);
  check_times (0, begin);
  check_times (1, begin);
  CHECK_EQ (fc_slot_gc (test_dir, NULL, HOUR), 0);
}

/* And a reader. */
static void
frames_are_read_in_ones_own_time (void)
{
  fc_writer_options_t options = small_ring ();

  need_time_namespaces ();
  for (int i = 0; i < 3; i++)
    {
      /* the third clock began after the first frame was captured */
      member_t member = { i < 2 ? two_offsets ()[i] : SEC - now_ns (),
                          read_in_its_time, event_new (), event_new () };
      fc_writer_t *writer = writer_new ("cam0", &options);
      pid_t pid = spawn (in_its_time, &member);

      event_wait (member.ready);
      write_two (writer);
      event_post (member.go);
      reap_ok (pid);
      fc_writer_close (writer);
    }
}

/* As a container's manager does before it starts the container. */
static void
write_beside_its_childrens_time (void *arg)
{
  unshare_time (1000 * HOUR);
  write_in_its_time (arg);
}

static void
time_of_ones_children_is_not_ones_own (void)
{
  member_t member = { 0, NULL, event_new (), event_new () };
  int64_t begin = now_ns ();
  pid_t pid;

  need_time_namespaces ();
  pid = spawn (write_beside_its_childrens_time, &member);
  event_wait (member.ready);
  check_times (0, begin);
  event_post (member.go);
  reap_ok (pid);
}

static const test_t tests[] = {
  TEST (waits_are_as_long_as_asked_for),
  TEST (the_dead_are_found),
  TEST (frames_tell_the_wall_clock_and_are_not_led_by_it),
  TEST (age_is_not_by_the_wall_clock),
  SLOW_TEST (who_stood_still_goes_on, 120),
  TEST (frames_have_the_readers_time),
  TEST (frames_are_read_in_ones_own_time),
  TEST (time_of_ones_children_is_not_ones_own),
};
TEST_MAIN (tests)
