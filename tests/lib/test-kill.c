/* kill -9 between every two steps of making, renaming, replacing, retiring,
 * removing and collecting a ring.
 *
 * A child does one of these things and kills itself just before, or just
 * after, its n-th call into the C library, for each n. Whatever it was about:
 * the next writer opens at once and counts on, those who were attached get its
 * first frame or are told to attach again, and a collector finds what is to be
 * collected and leaves nothing.
 *
 * The gate tries some of the places; FC_TEST_EVERY=1 tries each, and
 * FC_TEST_EVERY=N each Nth.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-points.h"

/* What is there ----------------------------------------------------------- */

static fc_writer_options_t
larger_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.frame_size *= 2;
  return options;
}

static fc_writer_options_t
watched_ring (void)
{
  fc_writer_options_t options = small_ring ();

  options.observers = 1;
  options.sticky = "sticky";
  options.sticky_size = 6;
  return options;
}

/* Beside one of these there is no room for another. */
static fc_writer_options_t
huge_ring (uint64_t frame_size)
{
  fc_writer_options_t options = small_ring ();

  options.frame_size = frame_size;
  options.ring_depth = 5;
  return options;
}

static fc_writer_options_t
huge (void)
{
  return huge_ring (512 << 10);
}

static fc_writer_options_t
huger (void)
{
  return huge_ring (768 << 10);
}

static void
nothing (void)
{
}

static void
write_some (fc_writer_t *writer)
{
  for (int i = 0; i < 3; i++)
    put_told (writer);
}

static void
open_and_die (void *arg)
{
  fc_writer_options_t options = small_ring ();

  write_some (writer_new ("cam0", &options));
  kill (getpid (), SIGKILL);
}

/* The ring of a dead writer. */
static void
dead_ring (void)
{
  reap (spawn (open_and_die, NULL));
}

/* Two of them: the entry of one is the next consumer's. */
static void
attach_and_die (void *arg)
{
  for (int i = 0; i < 2; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      fc_consumer_t *consumer = consumer_new ("cam0", FC_START_OLDEST);

      CHECK_CMP (fc_consumer_lease (consumer, &frame, BOUND), >=, 0);
    }
  kill (getpid (), SIGKILL);
}

/* And dead consumers in it, and a half-made ring beside it. */
static void
dead_ring_and_more (void)
{
  dead_ring ();
  reap (spawn (attach_and_die, NULL));
  close (
      open (in_dir (".cam0.tmp.0123456789abcdef"), O_CREAT | O_WRONLY, 0600));
  close (open (in_dir (".cam0.0123456789abcdef.consumers"), O_CREAT | O_WRONLY,
               0600));
}

static void
reserved (void)
{
  fc_writer_options_t options = small_ring ();

  options.format = NULL;
  options.format_size = 0;
  options.owner_set = 1;
  options.owner = geteuid ();
  CHECK_OK (fc_slot_reserve ("cam0", &options));
}

/* What is done to it ------------------------------------------------------- */

static fc_writer_t *the_writer;

static void
begin (const fc_writer_options_t *options)
{
  the_writer = writer_new ("cam0", options);
  write_some (the_writer);
}

static void
begin_small (void)
{
  fc_writer_options_t options = small_ring ();

  begin (&options);
}

static void
begin_watched (void)
{
  fc_writer_options_t options = watched_ring ();

  begin (&options);
}

static void
begin_larger (void)
{
  fc_writer_options_t options = larger_ring ();

  begin (&options);
}

static void
begin_huge (void)
{
  fc_writer_options_t options = huge ();

  begin (&options);
}

static void
renew (const fc_writer_options_t *options)
{
  CHECK_RET (fc_writer_renew (the_writer, options), 1);
  write_some (the_writer);
}

/* The second time cuts what the first one replaced. */
static void
renew_twice (void)
{
  fc_writer_options_t options = larger_ring ();

  renew (&options);
  options = watched_ring ();
  renew (&options);
}

static void
renew_without_room (void)
{
  fc_writer_options_t options = huger ();

  renew (&options);
}

static void
prepare_and_show (void)
{
  fc_writer_options_t options = larger_ring ();
  fc_frame_t frame = FC_FRAME_INIT;

  CHECK_RET (fc_writer_prepare (the_writer, &options), 1);
  CHECK_OK (fc_writer_acquire_prepared (the_writer, &frame));
  fill (frame.data, 8192, writer_stats (the_writer).head);
  frame.size = 8192;
  CHECK_OK (fc_writer_commit (the_writer, &frame));
  tell_committed (frame.seq);
}

static void
finish_and_close (void)
{
  CHECK_OK (fc_writer_finish (the_writer));
  fc_writer_close (the_writer);
}

static void
remove_slot (void)
{
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
}

static void
collect (void)
{
  CHECK_CMP (fc_slot_gc (test_dir, NULL, 0), >=, 1);
}

static void
write_reserved (void)
{
  begin_small ();
  finish_and_close ();
}

static int
count_dead (const fc_consumer_stat_t *stat, void *user_data)
{
  *(unsigned *) user_data += kill ((pid_t) stat->pid, 0) < 0;
  return 0;
}

static unsigned
dead_consumers (void)
{
  unsigned dead = 0;

  CHECK_OK (fc_slot_consumers (test_dir, "cam0", count_dead, &dead));
  return dead;
}

/* Give the housekeeper all of its work: the dead are to be reaped, and leases
 * take cells that are to be replaced. */
static void
keep_house (void)
{
  fc_frame_t frame[3] = { FC_FRAME_INIT, FC_FRAME_INIT, FC_FRAME_INIT };
  fc_consumer_t *consumer;

  begin_small ();
  WAIT_UNTIL (dead_consumers () == 0);
  consumer = consumer_new ("cam0", FC_START_OLDEST);
  for (int i = 0; i < 3; i++)
    CHECK_CMP (fc_consumer_lease (consumer, &frame[i], BOUND), >=, 0);
  for (int i = 0; i < 3; i++)
    write_some (the_writer);
}

/* A consumer's life */

static void
use (fc_consumer_t *consumer, bool leases)
{
  fc_frame_t frame = FC_FRAME_INIT, copy = FC_FRAME_INIT;
  uint64_t next = consumer_stats (consumer).first;
  int ret;

  if (leases)
    {
      ret = fc_consumer_lease (consumer, &frame, BOUND);
      CHECK_CMP (ret, >=, 0);
      check_frame (&frame, ret, &next);
    }
  while ((ret = fc_consumer_read (consumer, &copy, MS)) >= 0)
    check_frame (&copy, ret, &next);
  CHECK_RET (ret, FC_TIMEOUT);
  if (leases)
    {
      CHECK (whole (frame.data, frame.size, frame.seq));
      fc_consumer_release (consumer, &frame);
    }
  fc_consumer_close (consumer);
}

static void
consume (void)
{
  use (consumer_new ("cam0", FC_START_OLDEST), true);
}

static void
observe (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);

  options.observe = 1;
  use (consumer_with ("cam0", &options), false);
}

static void
consume_by_descriptors (void)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_consumer_t *consumer;
  int ring, table;

  options.detached = 1;
  consumer = consumer_with ("cam0", &options);
  CHECK_OK (fc_slot_open_fds (test_dir, NULL, "cam0", &ring, &table));
  CHECK_OK (fc_consumer_attach_fds (consumer, ring, table, 0));
  close (ring);
  close (table);
  use (consumer, true);
}

/* Let a reader come to its end in the slot of a writer that lives: its entry
 * and its leases are the next one's and the writer's at once, and nobody else
 * has noticed. */
static void
strike_reader (void (*read) (void), unsigned step, unsigned least)
{
  const scenario_t reading = { NULL, NULL, read, NULL, false };
  victim_t victim = victim_new (&reading, SIGKILL);
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *other, *successor;
  uint64_t next = 0, successors_next;
  fc_writer_t *writer;

  options.max_consumers = 2;
  writer = writer_new ("cam0", &options);
  other = consumer_new ("cam0", FC_START_LIVE);
  for (told->ended = false; !told->ended; victim.point += step)
    {
      pid_t pid;

      put (writer, 4);
      pid = raise_victim (&victim);
      event_post (victim.go);
      bury (pid);
      successor = consumer_new ("cam0", FC_START_LIVE);
      successors_next = consumer_stats (successor).first;
      CHECK_RET (drain (other, &next), FC_TIMEOUT);
      put (writer, 4);
      CHECK_EQ (take (successor, &successors_next).dropped, 0);
      CHECK_RET (drain (other, &next), FC_TIMEOUT);
      CHECK_EQ (writer_stats (writer).cells_leased, 0);
      fc_consumer_close (successor);
      CHECK_EQ (writer_stats (writer).consumers, 1);
    }
  CHECK_CMP (told->points, >=, least);
  CHECK_EQ (consumer_stats (other).dropped, 0);
  CHECK_EQ (writer_stats (writer).dropped, 0);
  CHECK_EQ (writer_stats (writer).history_shortened, 0);
  fprintf (stderr, "# %u points\n", told->points);
  fc_consumer_close (other);
  fc_writer_close (writer);
}

/* As it is, and what comes after it --------------------------------------- */

static const scenario_t making
    = { nothing, NULL, begin_small, small_ring, false };
static const scenario_t making_watched
    = { nothing, NULL, begin_watched, watched_ring, false };
static const scenario_t carrying_on
    = { dead_ring_and_more, NULL, begin_small, small_ring, false };
static const scenario_t replacing_the_dead
    = { dead_ring_and_more, NULL, begin_larger, larger_ring, false };
static const scenario_t renewing
    = { nothing, begin_small, renew_twice, small_ring, false };
static const scenario_t renewing_without_room
    = { nothing, begin_huge, renew_without_room, huger, false };
static const scenario_t preparing
    = { nothing, begin_small, prepare_and_show, larger_ring, false };
static const scenario_t closing
    = { nothing, begin_small, finish_and_close, small_ring, true };
static const scenario_t removing
    = { dead_ring, NULL, remove_slot, small_ring, true };
static const scenario_t collecting
    = { dead_ring_and_more, NULL, collect, small_ring, true };
static const scenario_t reserving
    = { nothing, NULL, reserved, small_ring, false };
static const scenario_t writing_reserved
    = { reserved, NULL, write_reserved, small_ring, false };
static const scenario_t removing_reserved
    = { reserved, NULL, remove_slot, small_ring, true };

#define KILLED(scenario, least)                                                \
  static void killed_while_##scenario (void)                                   \
  {                                                                            \
    victim_t victim = victim_new (&scenario, SIGKILL);                         \
                                                                               \
    strike (&victim, end_among_readers, stride (11), least);                   \
  }                                                                            \
  static void collected_if_killed_while_##scenario (void)                      \
  {                                                                            \
    victim_t victim = victim_new (&scenario, SIGKILL);                         \
                                                                               \
    strike (&victim, end_alone, stride (11), least);                           \
  }                                                                            \
  static void stopped_while_##scenario (void)                                  \
  {                                                                            \
    victim_t victim = victim_new (&scenario, SIGSTOP);                         \
                                                                               \
    strike (&victim, end_among_readers, stride (37), least);                   \
  }

KILLED (making, 60)
KILLED (making_watched, 60)
KILLED (carrying_on, 60)
KILLED (replacing_the_dead, 80)
KILLED (renewing, 80)
KILLED (renewing_without_room, 50)
KILLED (preparing, 30)
KILLED (closing, 10)
KILLED (removing, 30)
KILLED (collecting, 50)
KILLED (reserving, 60)
KILLED (writing_reserved, 60)
KILLED (removing_reserved, 30)

#define KILLED_TWICE(scenario)                                                 \
  static void heir_killed_too_after_##scenario (void)                          \
  {                                                                            \
    strike_twice (&scenario, stride (41), 200);                                \
  }

KILLED_TWICE (carrying_on)
KILLED_TWICE (replacing_the_dead)
KILLED_TWICE (renewing)
KILLED_TWICE (removing_reserved)

/* Its points are few, and not each time the same ones. */
static void
housekeeper_killed (void)
{
  static const scenario_t scenario
      = { dead_ring_and_more, NULL, keep_house, small_ring, false };

  victim_t victim = victim_new (&scenario, SIGKILL);

  victim.housekeeper = true;
  strike (&victim, end_among_readers, 1, 10);
}

#define READER_KILLED(read, least)                                             \
  static void killed_while_it_would_##read (void)                              \
  {                                                                            \
    strike_reader (read, stride (11), least);                                  \
  }

READER_KILLED (consume, 40)
READER_KILLED (observe, 60)
READER_KILLED (consume_by_descriptors, 60)

static void
remove_by_force (void)
{
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
}

/* Whoever takes a slot from its living writer, and dies meanwhile, has taken it
 * or not: the writer goes on, or learns it. */
static void
killed_while_removing_by_force (void)
{
  static const scenario_t removing
      = { NULL, NULL, remove_by_force, NULL, true };
  victim_t victim = victim_new (&removing, SIGKILL);
  fc_writer_options_t options = small_ring ();

  for (told->ended = false; !told->ended; victim.point += stride (19))
    {
      fc_writer_t *writer = writer_new ("cam0", &options);
      fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
      uint64_t next = 0;
      pid_t pid = raise_victim (&victim);

      event_post (victim.go);
      bury (pid);
      if (exists (in_dir ("cam0.ring")))
        {
          put (writer, 1);
          CHECK_EQ (take (consumer, &next).dropped, 0);
        }
      else
        {
          WAIT_UNTIL (fc_writer_write (writer, "", 0, NULL, NULL) == -ESTALE);
          CHECK_RET (drain (consumer, &next), FC_REPLACED);
        }
      fc_consumer_close (consumer);
      fc_writer_close (writer);
      clean_up ();
    }
  CHECK_CMP (told->points, >=, 30u);
}

#define KILLED_TESTS(scenario)                                                 \
  SLOW_TEST (killed_while_##scenario, 600),                                    \
      SLOW_TEST (collected_if_killed_while_##scenario, 600),                   \
      SLOW_TEST (stopped_while_##scenario, 600)

/* clang-format off */
static const test_t tests[] = {
  KILLED_TESTS (making),
  KILLED_TESTS (making_watched),
  KILLED_TESTS (carrying_on),
  KILLED_TESTS (replacing_the_dead),
  KILLED_TESTS (renewing),
  KILLED_TESTS (renewing_without_room),
  KILLED_TESTS (preparing),
  KILLED_TESTS (closing),
  KILLED_TESTS (removing),
  KILLED_TESTS (collecting),
  KILLED_TESTS (reserving),
  KILLED_TESTS (writing_reserved),
  KILLED_TESTS (removing_reserved),
  SLOW_TEST (killed_while_removing_by_force, 600),
  SLOW_TEST (housekeeper_killed, 600),
  SLOW_TEST (killed_while_it_would_consume, 600),
  SLOW_TEST (killed_while_it_would_observe, 600),
  SLOW_TEST (killed_while_it_would_consume_by_descriptors, 600),
  SLOW_TEST (heir_killed_too_after_carrying_on, 7200),
  SLOW_TEST (heir_killed_too_after_replacing_the_dead, 7200),
  SLOW_TEST (heir_killed_too_after_renewing, 7200),
  SLOW_TEST (heir_killed_too_after_removing_reserved, 7200),
};
/* clang-format on */
TEST_MAIN (tests)
