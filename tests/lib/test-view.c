/* Looking at a slot that is held open.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

static fc_slot_view_t *
view_new (void)
{
  fc_slot_view_t *view;

  CHECK_OK (fc_slot_view_open (&view, test_dir, "cam0"));
  return view;
}

static fc_slot_stat_t
look (fc_slot_view_t *view)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  CHECK_OK (fc_slot_view_stat (view, &stat));
  return stat;
}

static int
look_again (fc_slot_view_t *view)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  return fc_slot_view_stat (view, &stat);
}

static void
each_look_sees_what_is_new (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_slot_view_t *view = view_new ();
  fc_slot_stat_t once = { .struct_size = sizeof once };
  fc_consumer_t *consumer;

  CHECK_EQ (look (view).head, 0);
  CHECK_EQ (look (view).newest_commit_ns, FC_TIME_NONE);
  put (writer, 7);
  CHECK_EQ (look (view).head, 7);
  CHECK_EQ (look (view).oldest, 3);
  CHECK_EQ (look (view).bytes_total, 7 * 8192);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_EQ (look (view).consumers, 1);
  CHECK_OK (fc_slot_stat (test_dir, "cam0", &once));
  CHECK_EQ (look (view).newest_commit_ns, once.newest_commit_ns);
  CHECK (!strcmp (look (view).name, "cam0"));
  CHECK (!strcmp (look (view).dir, test_dir));
  CHECK_EQ (look (view).owner, geteuid ());
  fc_consumer_close (consumer);
  CHECK_EQ (look (view).consumers, 0);
  fc_slot_view_close (view);
  fc_slot_view_close (NULL);
  fc_writer_close (writer);
}

/* Between two looks of one view: as many frames and bytes as the frames' own
 * times tell. */
static void
rates_are_those_since_the_look_before (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_slot_view_t *view = view_new ();
  fc_slot_stat_t first, second;
  double seconds;

  CHECK_CMP (look (view).frame_rate, ==, 0);
  put (writer, 1);
  CHECK_CMP (look (view).frame_rate, ==, 0);
  put (writer, 20); /* more than the history has */
  first = look (view);
  put (writer, 10);
  second = look (view);
  seconds = (double) (second.newest_commit_ns - first.newest_commit_ns) / 1e9;
  CHECK_CMP (second.frame_rate, ==, 10 / seconds);
  CHECK_CMP (second.bit_rate, ==, 8.0 * 10 * 8192 / seconds);
  CHECK_CMP (look (view).frame_rate, ==, 0);
  CHECK_CMP (look (view).bit_rate, ==, 0);
  CHECK_CMP (slot_stat ("cam0").frame_rate, >, 0);
  fc_slot_view_close (view);
  fc_writer_close (writer);
}

static void
another_ring_is_told (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_slot_view_t *view = view_new ();

  put (writer, 3);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  CHECK_RET (look_again (view), FC_REPLACED);
  CHECK_RET (look_again (view), FC_REPLACED);
  CHECK_DETAIL ("cam0");
  fc_slot_view_close (view);
  view = view_new ();
  CHECK_EQ (look (view).generation, 2);
  CHECK_EQ (look (view).first_seq, 3);
  fc_writer_close (writer);
  CHECK_RET (look_again (view), FC_REPLACED);
  fc_slot_view_close (view);
  CHECK_RET (fc_slot_view_open (&view, test_dir, "cam0"), -ENOENT);
  CHECK_RET (fc_slot_view_open (&view, test_dir, "../cam0"), -EINVAL);
}

static void
write_until_killed (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  put (writer, 5);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

static void
dead_writer_is_seen_at_the_next_look (void)
{
  int ready = event_new ();
  pid_t pid = spawn (write_until_killed, &ready);
  fc_slot_view_t *view;

  event_wait (ready);
  view = view_new ();
  CHECK_EQ (look (view).state, FC_STATE_LIVE);
  CHECK_EQ (look (view).writer_pid, pid);
  kill9 (pid);
  CHECK_EQ (look (view).state, FC_STATE_LOST);
  fc_slot_view_close (view);
}

/* With the reserved slot's format, which its first writer brings. */
static void
format_comes_with_the_first_writer (void)
{
  fc_writer_options_t options = small_ring ();
  fc_slot_view_t *view;
  fc_writer_t *writer;
  char text[16];
  size_t size;

  options.format = NULL;
  options.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  view = view_new ();
  CHECK_EQ (look (view).state, FC_STATE_RESERVED);
  CHECK_EQ (look (view).format_size, 0);
  CHECK_OK (fc_slot_view_format (view, text, sizeof text, &size));
  CHECK_EQ (size, 0);
  options.format = "video/x-raw";
  options.format_size = 11;
  writer = writer_new ("cam0", &options);
  CHECK_EQ (look (view).format_size, 11);
  CHECK_RET (fc_slot_view_format (view, text, 10, &size), -EMSGSIZE);
  CHECK_EQ (size, 11);
  CHECK_OK (fc_slot_view_format (view, text, sizeof text, &size));
  CHECK (size == 11 && memcmp (text, "video/x-raw", 11) == 0);
  fc_writer_close (writer);
  CHECK_EQ (look (view).state, FC_STATE_EOS);
  fc_slot_view_close (view);
}

static int
count (const fc_consumer_stat_t *stat, void *user_data)
{
  CHECK_EQ (stat->pid, getpid ());
  ++*(unsigned *) user_data;
  return 0;
}

static void
consumers_are_looked_at_anew (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_slot_view_t *view = view_new ();
  fc_consumer_t *consumers[3];
  unsigned n = 0;

  CHECK_OK (fc_slot_view_consumers (view, count, &n));
  CHECK_EQ (n, 0);
  for (int i = 0; i < 3; i++)
    consumers[i] = consumer_new ("cam0", FC_START_LIVE);
  CHECK_OK (fc_slot_view_consumers (view, count, &n));
  CHECK_EQ (n, 3);
  for (int i = 0; i < 3; i++)
    fc_consumer_close (consumers[i]);
  fc_slot_view_close (view);
  fc_writer_close (writer);
}

/* Whoever owns the files may cut them: that is an error for who looks. */
static void
files_cut_under_a_view_are_an_error (void)
{
  int ready = event_new ();
  pid_t pid = spawn (write_until_killed, &ready);
  fc_slot_view_t *view;
  fc_slot_stat_t stat;
  unsigned n = 0;

  event_wait (ready);
  stop (pid); /* it would be the one to die of it */
  view = view_new ();
  stat = look (view);
  CHECK_EQ (truncate (table_path ("cam0"), 0), 0);
  CHECK_RET (fc_slot_view_consumers (view, count, &n), -EPROTO);
  CHECK_DETAIL ("truncated");
  CHECK_EQ (look (view).head, stat.head);
  CHECK_EQ (truncate (in_dir ("cam0.ring"), 64), 0);
  CHECK_RET (look_again (view), -EPROTO);
  CHECK_DETAIL ("truncated");
  fc_slot_view_close (view);
  CHECK_RET (fc_slot_view_open (&view, test_dir, "cam0"), -EPROTO);
  kill9 (pid);
}

static const test_t tests[] = {
  TEST (each_look_sees_what_is_new),
  TEST (rates_are_those_since_the_look_before),
  TEST (another_ring_is_told),
  TEST (dead_writer_is_seen_at_the_next_look),
  TEST (format_comes_with_the_first_writer),
  TEST (consumers_are_looked_at_anew),
  TEST (files_cut_under_a_view_are_an_error),
};
TEST_MAIN (tests)
