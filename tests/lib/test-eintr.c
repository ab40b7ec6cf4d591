/* Signals, thousands a second, in a process that does all that libfc can do:
 * no call fails, waits are as long as they were asked to be, no frame is lost.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/time.h>

#define PERIOD_US 50

static volatile sig_atomic_t signals;

static void
count_signal (int number)
{
  (void) number;
  signals++;
}

static void
begin_storm (void)
{
  /* without SA_RESTART */
  struct sigaction action = { .sa_handler = count_signal };
  struct itimerval every = { { 0, PERIOD_US }, { 0, PERIOD_US } };

  CHECK_EQ (sigaction (SIGALRM, &action, NULL), 0);
  CHECK_EQ (setitimer (ITIMER_REAL, &every, NULL), 0);
}

static void
end_storm (void)
{
  struct itimerval never = { 0 };

  CHECK_EQ (setitimer (ITIMER_REAL, &never, NULL), 0);
  CHECK_CMP (signals, >, 10);
}

/* A slot's whole life ----------------------------------------------------- */

static int
see_slot (const fc_slot_stat_t *stat, void *user_data)
{
  ++*(unsigned *) user_data;
  return 0;
}

static void
read_all (fc_consumer_t *consumer[2], uint64_t next[2], unsigned frames)
{
  for (int i = 0; i < 2; i++)
    for (unsigned n = 0; n < frames; n++)
      CHECK_EQ (take (consumer[i], &next[i]).dropped, 0);
}

static void
live_once (void)
{
  fc_writer_options_t options = small_ring (), larger = small_ring ();
  fc_consumer_options_t observe = from (FC_START_OLDEST);
  fc_consumer_t *consumer[2];
  uint64_t next[2] = { 0, 0 };
  unsigned slots = 0;
  fc_writer_t *writer;

  observe.observe = 1;
  larger.frame_size *= 2;
  CHECK_OK (fc_slot_reserve ("kept", &options));
  writer = writer_new ("cam0", &options);
  consumer[0] = consumer_new ("cam0", FC_START_OLDEST);
  consumer[1] = consumer_with ("cam0", &observe);
  put (writer, 3);
  read_all (consumer, next, 3);
  CHECK_OK (fc_writer_set_sticky (writer, "sticky", 6));
  CHECK_RET (fc_writer_renew (writer, &larger), 1);
  put (writer, 3);
  for (int i = 0; i < 2; i++)
    {
      CHECK_RET (drain (consumer[i], &next[i]), FC_REPLACED);
      CHECK_OK (fc_consumer_attach (consumer[i], BOUND));
    }
  read_all (consumer, next, 3);
  CHECK_OK (fc_slot_list (test_dir, see_slot, &slots));
  CHECK_EQ (slots, 2);
  fc_consumer_close (consumer[0]);
  fc_consumer_close (consumer[1]);
  fc_writer_close (writer);
  CHECK_OK (fc_slot_remove (test_dir, "kept", 0));
  CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 0);
  CHECK_EQ (count_files (test_dir), 0);
}

static void
nothing_fails_in_a_storm_of_signals (void)
{
  int64_t until = now_ns () + SEC;

  begin_storm ();
  do
    live_once ();
  while (now_ns () < until);
  end_storm ();
}

/* Waits ------------------------------------------------------------------- */

#define WAIT (300 * MS)

static void
check_waited (int64_t since)
{
  CHECK_CMP (now_ns () - since, >=, WAIT);
  CHECK_CMP (now_ns () - since, <, BOUND);
}

static void
waits_are_not_shortened_by_signals (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t from_now = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  int64_t since;

  begin_storm ();
  for (from_now.observe = 0; from_now.observe < 2; from_now.observe++)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      consumer = consumer_with ("cam0", &from_now);
      since = now_ns ();
      CHECK_RET (fc_consumer_read (consumer, &frame, WAIT), FC_TIMEOUT);
      check_waited (since);
      fc_consumer_close (consumer);
    }
  from_now = from (FC_START_LIVE);
  from_now.wait_ns = WAIT;
  since = now_ns ();
  CHECK_RET (fc_consumer_open (&consumer, "never", &from_now), -ENOENT);
  check_waited (since);
  end_storm ();
  fc_writer_close (writer);
}

typedef struct
{
  int turn, taken;
} writer_t;

static void
write_in_turn (void *arg)
{
  const writer_t *turns = arg;
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  begin_storm ();
  event_post (turns->turn);
  for (;;)
    {
      while (!event_poll (turns->taken))
        nap ();
      put (writer, 1);
    }
}

static void
each_frame_comes_to_who_waits_among_signals (void)
{
  writer_t turns = { event_new (), event_new () };
  pid_t pid = spawn (write_in_turn, &turns);
  fc_consumer_options_t observe = from (FC_START_LIVE);
  fc_consumer_t *consumer[2];
  uint64_t next[2] = { 0, 0 };

  event_wait (turns.turn);
  observe.observe = 1;
  consumer[0] = consumer_new ("cam0", FC_START_LIVE);
  consumer[1] = consumer_with ("cam0", &observe);
  begin_storm ();
  for (int i = 0; i < 200; i++)
    {
      event_post (turns.taken);
      read_all (consumer, next, 1);
    }
  end_storm ();
  kill9 (pid);
  fc_consumer_close (consumer[0]);
  fc_consumer_close (consumer[1]);
}

/* The lock ---------------------------------------------------------------- */

typedef struct
{
  int locked, opening;
} locker_t;

static void
hold_lock_a_moment (void *arg)
{
  const locker_t *locker = arg;
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
  int fd = open (in_dir ("cam0.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  CHECK_EQ (fcntl (fd, F_OFD_SETLK, &lock), 0);
  event_post (locker->locked);
  event_wait (locker->opening);
  nanosleep (&(struct timespec){ 0, 20 * MS }, NULL);
  close (fd);
}

/* Whoever collects has a slot's lock for a moment, in which a writer has
 * patience, also where its sleep is cut short again and again. */
static void
patience_is_not_cut_short_by_signals (void)
{
  locker_t locker = { event_new (), event_new () };
  fc_writer_options_t options = small_ring ();
  pid_t pid = spawn (hold_lock_a_moment, &locker);
  fc_writer_t *writer;

  event_wait (locker.locked);
  begin_storm ();
  event_post (locker.opening);
  writer = writer_new ("cam0", &options);
  end_storm ();
  fc_writer_close (writer);
  reap_ok (pid);
}

static const test_t tests[] = {
  TEST (nothing_fails_in_a_storm_of_signals),
  TEST (waits_are_not_shortened_by_signals),
  TEST (each_frame_comes_to_who_waits_among_signals),
  TEST (patience_is_not_cut_short_by_signals),
};
TEST_MAIN (tests)
