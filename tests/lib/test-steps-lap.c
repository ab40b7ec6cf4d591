/* A reader is lapped, or its ring taken away, at any instruction.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"
#include "fc-test-steps.h"

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
  /* other instructions than the last variant's, where not every one */
  unsigned n = (way.frames * 2 + way.half) % way.stride;
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
  check_all_laps ((way_t){ .lease = true, .stride = stride (3) });
}

static void
copier_lapped_at_any_instruction (void)
{
  check_all_laps ((way_t){ .stride = stride (5) });
}

static void
observer_lapped_at_any_instruction (void)
{
  check_all_laps ((way_t){ .observe = 1, .stride = stride (23) });
}

/* Lies ------------------------------------------------------------------- */

static void
lease_stepped (void *arg)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer;
  uint64_t next;

  (void) arg;
  options.wait_ns = BOUND;
  consumer = consumer_with ("cam0", &options);
  next = consumer_stats (consumer).first;
  traced ();
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;

      mark ();
      CHECK_CMP (fc_consumer_lease (consumer, &frame, 0), >=, 0);
      mark ();
      CHECK_EQ (frame.seq, next + frame.dropped);
      next = frame.seq + 1;
      if (!whole (frame.data, frame.size, frame.seq))
        CHECK_RET (fc_frame_intact (consumer, &frame), 0);
      fc_consumer_release (consumer, &frame);
      check_counts (consumer);
      CHECK_RET (drain (consumer, &next), FC_TIMEOUT);
    }
}

/* Its lease is taken away and, when it is too late, put back. */
static void
overtake_by_a_lie (fc_writer_t *writer, void *table, unsigned frames)
{
  uint32_t lease[4];
  fc_frame_t half;

  for (unsigned k = 0; k < 4; k++)
    lease[k] = atomic_exchange (&table_entry (table, 0)->lease[k], 0);
  overtake (writer, frames, true, &half);
  let_be (writer, &half);
  for (unsigned k = 0; k < 4; k++)
    atomic_store (&table_entry (table, 0)->lease[k], lease[k]);
}

static void
leaser_betrayed_at_any_instruction (void)
{
  fc_writer_options_t options = tiny_ring ();
  stepped_t stepped = STEPPED;
  pid_t pid = spawn (lease_stepped, NULL);
  fc_writer_t *writer = writer_new ("cam0", &options);
  void *table = bytes_map (table_path ("cam0"));
  unsigned n = 0;

  wait_mark (pid);
  for (; stepped != ENDED; n += stride (3))
    {
      put_tiny (writer, options.ring_depth);
      stepped = step (pid, n);
      CHECK (stepped != ASLEEP);
      /* so that there is one to be had, and its cell was one of these */
      overtake_by_a_lie (writer, table, 3 + n % 4);
      if (stepped != ENDED)
        {
          go_on (pid);
          wait_mark (pid);
        }
      go_on (pid);
      wait_mark (pid);
    }
  CHECK_CMP (n, >, 50u);
  kill9 (pid);
  fc_writer_close (writer);
}

/* Generations ------------------------------------------------------------ */

static void
read_replaced (void *arg)
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
      if (ret < 0)
        CHECK_RET (ret, FC_REPLACED);
      else
        check_frame (&frame, ret, &next);
      fc_consumer_release (consumer, &frame);
      CHECK_RET (drain (consumer, &next), FC_REPLACED);
      CHECK_OK (fc_consumer_attach (consumer, BOUND));
      check_counts (consumer);
    }
}

/* Two rings do not fit beside each other: the old one's memory goes at once,
 * whatever its readers are about to do with it. */
static void
check_replaced (way_t way)
{
  fc_writer_options_t options = tiny_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  stepped_t stepped = STEPPED;
  fc_writer_t *writer;
  unsigned n = 0;
  pid_t pid;

  options.frame_size = 256 << 10;
  CHECK_OK (fc_plan (&options, &plan));
  mount_tmpfs (test_dir, plan.bytes_initial * 3 / 2, 0);
  pid = spawn (read_replaced, &way);
  writer = writer_new ("cam0", &options);
  wait_mark (pid);
  for (; stepped != ENDED; n += way.stride)
    {
      put_tiny (writer, options.ring_depth);
      stepped = step (pid, n);
      CHECK (stepped != ASLEEP);
      options.frame_size ^= 4096;
      CHECK_RET (fc_writer_renew (writer, &options), 1);
      if (stepped != ENDED)
        {
          go_on (pid);
          wait_mark (pid);
        }
      go_on (pid);
      wait_mark (pid);
    }
  CHECK_CMP (n, >, 50u);
  kill9 (pid);
  fc_writer_close (writer);
}

static void
leaser_replaced_at_any_instruction (void)
{
  check_replaced ((way_t){ .lease = true, .stride = stride (5) });
}

static void
copier_replaced_at_any_instruction (void)
{
  check_replaced ((way_t){ .stride = stride (7) });
}

static void
observer_replaced_at_any_instruction (void)
{
  check_replaced ((way_t){ .observe = 1, .stride = stride (11) });
}

static const test_t tests[] = {
  SLOW_TEST (leaser_lapped_at_any_instruction, 240),
  SLOW_TEST (copier_lapped_at_any_instruction, 240),
  SLOW_TEST (observer_lapped_at_any_instruction, 240),
  SLOW_TEST (leaser_betrayed_at_any_instruction, 240),
  SLOW_TEST (leaser_replaced_at_any_instruction, 240),
  SLOW_TEST (copier_replaced_at_any_instruction, 240),
  SLOW_TEST (observer_replaced_at_any_instruction, 240),
};
TEST_MAIN (tests)
