/* kill -9 at any instruction, and a writer that stands still at any.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-steps.h"

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
  check_writer_deaths (false, stride (13));
}

static void
copying_writer_killed_at_any_instruction (void)
{
  check_writer_deaths (true, stride (29));
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
  check_consumer_deaths (false, stride (29));
}

static void
consumer_killed_while_it_attaches (void)
{
  check_consumer_deaths (true, 997);
}

/* Standing still ---------------------------------------------------------- */

typedef struct
{
  fc_consumer_t *consumer;
  uint64_t next;
} onlooker_t;

static onlooker_t
onlooker_new (uint32_t observe)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  onlooker_t looker = { NULL, 0 };

  options.observe = observe;
  looker.consumer = consumer_with ("cam0", &options);
  looker.next = consumer_stats (looker.consumer).first;
  return looker;
}

/* A frame or none yet, a writer that is lost, or another ring to go over to:
 * never anything else. */
static void
look_on (onlooker_t *looker)
{
  int ret = drain (looker->consumer, &looker->next);

  if (ret == FC_REPLACED)
    ret = fc_consumer_attach (looker->consumer, 0);
  if (ret != FC_TIMEOUT && ret != FC_WRITER_LOST && ret != -ENOENT)
    CHECK_OK (ret);
}

typedef void (*write_func_t) (fc_writer_t *writer);

static void
write_stepped (void *arg)
{
  write_func_t *write = arg;
  fc_writer_options_t options = tiny_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put_tiny (writer, 1);
  traced ();
  mark ();
  (*write) (writer);
  mark ();
  put_tiny (writer, 1);
  for (;;)
    pause ();
}

static void
commit_one (fc_writer_t *writer)
{
  put_tiny (writer, 1);
}

static void
renew_once (fc_writer_t *writer)
{
  fc_writer_options_t options = tiny_ring ();

  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
}

/* Those who read look on after each COUNT instructions of WRITE, for FRAMES
 * frames. */
static void
check_stopped_writer (write_func_t write, unsigned count, unsigned frames)
{
  pid_t pid = spawn (write_stepped, &write);
  onlooker_t looker[2];
  unsigned stops = 0;

  wait_mark (pid);
  for (uint32_t i = 0; i < 2; i++)
    looker[i] = onlooker_new (i);
  do
    {
      for (int i = 0; i < 2; i++)
        look_on (&looker[i]);
      stops++;
    }
  while (step (pid, count) != ENDED);
  go_on (pid);
  for (int i = 0; i < 2; i++)
    {
      WAIT_UNTIL ((look_on (&looker[i]), looker[i].next == 2 + frames));
      CHECK_EQ (consumer_stats (looker[i].consumer).total_dropped, 0);
      fc_consumer_close (looker[i].consumer);
    }
  CHECK_CMP (stops, >, 50u);
  kill9 (pid);
}

static void
committing_writer_stopped_at_any_instruction (void)
{
  check_stopped_writer (commit_one, 1, 1);
}

static void
renewing_writer_stopped_at_any_instruction (void)
{
  check_stopped_writer (renew_once, stride (97), 0);
}

/* Killed while it renews, it is followed by a writer that asks for the ring of
 * before; who was attached goes along, and nothing is counted twice or not. */
static void
renewing_writer_killed_between_its_calls (void)
{
  /* a renewal has so many that to try each would take a day */
  unsigned apart = stride (19997) < 499 ? 499 : stride (19997);
  fc_writer_options_t options = tiny_ring ();
  write_func_t write = renew_once;
  fc_writer_t *writer;
  stepped_t stepped = STEPPED;
  onlooker_t looker[2] = { { NULL, 0 }, { NULL, 0 } };
  uint64_t first = 0;
  unsigned n;

  for (n = 0; stepped != ENDED; n += apart)
    {
      pid_t pid = spawn (write_stepped, &write);
      uint64_t head;

      wait_mark (pid);
      head = slot_stat ("cam0").head;
      for (uint32_t i = 0; i < 2; i++)
        {
          if (n == 0)
            {
              looker[i] = onlooker_new (i);
              first = looker[i].next;
            }
          WAIT_UNTIL ((look_on (&looker[i]), looker[i].next == head));
        }
      stepped = step (pid, n);
      kill9 (pid);
    }
  writer = writer_new ("cam0", &options);
  put_tiny (writer, 1);
  for (int i = 0; i < 2; i++)
    {
      fc_consumer_stats_t stats;

      WAIT_UNTIL (
          (look_on (&looker[i]), looker[i].next == writer_stats (writer).head));
      stats = consumer_stats (looker[i].consumer);

      CHECK_EQ (stats.total_delivered + stats.total_dropped,
                looker[i].next - first);
      CHECK_EQ (stats.total_dropped, 0);
      fc_consumer_close (looker[i].consumer);
    }
  fc_writer_close (writer);
}

static const test_t tests[] = {
  SLOW_TEST (writer_killed_at_any_instruction, 240),
  SLOW_TEST (copying_writer_killed_at_any_instruction, 240),
  SLOW_TEST (consumer_killed_at_any_instruction, 240),
  SLOW_TEST (consumer_killed_while_it_attaches, 240),
  SLOW_TEST (committing_writer_stopped_at_any_instruction, 240),
  SLOW_TEST (renewing_writer_stopped_at_any_instruction, 600),
  SLOW_TEST (renewing_writer_killed_between_its_calls, 3600),
};
TEST_MAIN (tests)
