/* Descriptors that run out while a slot is in use: what needs another one is an
 * error that says so; what has its own goes on; and with more of them all that
 * is made good, and counted.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <sys/resource.h>

/* More than any call of libfc has open at once. */
#define ENOUGH 16

/* Let only LEFT more be opened; returns how many that were before. */
static rlim_t
leave_descriptors (unsigned left)
{
  struct rlimit limit;
  rlim_t before;
  int next = dup (STDERR_FILENO);

  CHECK_CMP (next, >=, 0);
  close (next);
  CHECK_EQ (getrlimit (RLIMIT_NOFILE, &limit), 0);
  before = limit.rlim_cur;
  /* each number below NEXT is in use */
  limit.rlim_cur = (rlim_t) next + left;
  CHECK_EQ (setrlimit (RLIMIT_NOFILE, &limit), 0);
  return before;
}

static void
give_descriptors (rlim_t before)
{
  struct rlimit limit;

  CHECK_EQ (getrlimit (RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = before;
  CHECK_EQ (setrlimit (RLIMIT_NOFILE, &limit), 0);
}

/* Returns whether CALL's result was GOOD, and not that there are none left. */
static bool
check_call (int ret, int good)
{
  if (ret == good)
    return true;
  CHECK_RET (ret, -EMFILE);
  CHECK_DETAIL (strerror (EMFILE));
  return false;
}

static int
see_slot (const fc_slot_stat_t *stat, void *user_data)
{
  CHECK (!strcmp (stat->name, "cam0"));
  ++*(unsigned *) user_data;
  return 0;
}

static int
see_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  (void) stat;
  ++*(unsigned *) user_data;
  return 0;
}

static void
look (void)
{
  unsigned slots = 0, consumers = 0;

  if (check_call (fc_slot_list (test_dir, see_slot, &slots), 0))
    CHECK_EQ (slots, 1);
  if (check_call (
          fc_slot_consumers (test_dir, "cam0", see_consumer, &consumers), 0))
    CHECK_EQ (consumers, 1);
}

static void
attach_one_more (void)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;

  if (check_call (fc_consumer_open (&consumer, "cam0", &options), 0))
    fc_consumer_close (consumer);
}

/* Returns whether all went well. */
static bool
go_on_with (unsigned left)
{
  fc_writer_options_t options = small_ring (), larger = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  uint64_t next = 0;
  rlim_t before;
  bool renewed, attached = false;

  larger.frame_size *= 2;
  before = leave_descriptors (left);
  put (writer, 2);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  look ();
  attach_one_more ();
  CHECK_CMP (fc_slot_gc (test_dir, NULL, 0), <=, 0);
  renewed = check_call (fc_writer_renew (writer, &larger), 1);
  put (writer, 2);
  CHECK_RET (drain (consumer, &next), renewed ? FC_REPLACED : FC_TIMEOUT);
  if (renewed)
    attached = check_call (fc_consumer_attach (consumer, 0), 0);
  give_descriptors (before);

  CHECK_RET (fc_writer_renew (writer, &larger), !renewed);
  if (!attached)
    {
      CHECK_RET (drain (consumer, &next), FC_REPLACED);
      CHECK_OK (fc_consumer_attach (consumer, 0));
    }
  put (writer, 1);
  CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
  CHECK_EQ (next, 5);
  CHECK_EQ (consumer_stats (consumer).total_dropped, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  return attached;
}

static void
slot_in_use_goes_on_without_descriptors (void)
{
  CHECK (!go_on_with (0));
  for (unsigned left = 1; left < ENOUGH; left++)
    go_on_with (left);
  CHECK (go_on_with (ENOUGH));
}

/* Each attachment has a descriptor of its own of the ring, and of the table. */
static void
handed_over_slot_needs_two_more (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t detached = FC_CONSUMER_OPTIONS_INIT;
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;
  int ring, table;

  CHECK_OK (fc_slot_open_fds (test_dir, NULL, "cam0", &ring, &table));
  detached.detached = 1;
  consumer = consumer_with ("cam0", &detached);
  for (unsigned left = 0; left <= 2; left++)
    {
      rlim_t before = leave_descriptors (left);
      int r = fc_consumer_attach_fds (consumer, ring, table, 0);

      give_descriptors (before);
      CHECK_EQ (check_call (r, 0), left == 2);
    }
  close (ring);
  close (table);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (slot_in_use_goes_on_without_descriptors),
  TEST (handed_over_slot_needs_two_more),
};
TEST_MAIN (tests)
