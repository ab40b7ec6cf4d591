/* framecache: nothing is lost, and nothing unlawful seen, at a change
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Three consumers at once (leasing, copying behind a queue, and with buffers
 * kept downstream), and a slot that changes under them. Frames are numbered
 * through all changes, so that each consumer's watch sees what is missing.
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fc-gst-watch.h"

#define N_CONSUMERS 3
#define RAW "video/x-raw, format=(string)"

typedef struct
{
  GstElement *pipeline;
  GstElement *src;
  GstBus *bus;
  FctWatch *watch;
} Consumer;

typedef struct
{
  const gchar *caps;
  gsize size;
} Format;

/* A resolution, a format and a frame rate that differ. As GStreamer prints
 * them: for libfc the string is the format. */
static const Format formats[] = {
  { RAW "I420, width=(int)64, height=(int)48, framerate=(fraction)50/1", 4608 },
  { RAW "I420, width=(int)32, height=(int)24, framerate=(fraction)50/1", 1152 },
  { RAW "RGB, width=(int)32, height=(int)24, framerate=(fraction)50/1", 2304 },
  { RAW "RGB, width=(int)32, height=(int)24, framerate=(fraction)25/1", 2304 },
};

static const gchar *const ends[N_CONSUMERS] = {
  "memory=auto ! fakesink sync=false",
  "memory=copy ! queue ! fakesink sync=false",
  "memory=auto ! queue max-size-buffers=2 ! fakesink sync=false",
};

static Consumer consumers[N_CONSUMERS];
static guint number; /* of the next frame */

static const Format *
format_of (guint i)
{
  return &formats[i % G_N_ELEMENTS (formats)];
}

/* Consumers ----------------------------------------------------------- */

static void
start_consumers (const gchar *options)
{
  guint i;

  number = 0;
  for (i = 0; i < N_CONSUMERS; i++)
    {
      Consumer *c = &consumers[i];
      gchar *line = g_strdup_printf (
          "fcsrc name=src slot=cam0 start=oldest timestamps=stream %s %s",
          options, ends[i]);

      c->pipeline = gst_parse_launch (line, NULL);
      c->src = gst_bin_get_by_name (GST_BIN (c->pipeline), "src");
      c->bus = gst_element_get_bus (c->pipeline);
      c->watch = fct_watch_new (c->src, "src");
      fail_if (gst_element_set_state (c->pipeline, GST_STATE_PLAYING)
               == GST_STATE_CHANGE_FAILURE);
      g_free (line);
    }
}

/* All that was written came, or was counted as lost. */
static void
await_all (void)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    fct_watch_await (consumers[i].watch, number);
}

static void
expect_end (GstMessageType type)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    {
      GstMessage *message
          = gst_bus_timed_pop_filtered (consumers[i].bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

      fail_unless (message != NULL, "consumer %u goes on", i);
      fail_unless_equals_int (GST_MESSAGE_TYPE (message), type);
      gst_message_unref (message);
    }
}

static void
no_errors (Consumer *c)
{
  GstMessage *message = gst_bus_pop_filtered (c->bus, GST_MESSAGE_ERROR);
  GError *error;

  if (message == NULL)
    return;
  gst_message_parse_error (message, &error, NULL);
  fail ("%s", error->message);
}

/* WRITTEN frames in all. */
static void
stop_consumer (Consumer *c, guint64 written)
{
  guint64 missing = fct_watch_get (c->watch, &c->watch->missing);

  fail_unless_equals_uint64 (
      fct_watch_get (c->watch, &c->watch->buffers) + missing, written);
  fail_unless_equals_uint64 (fct_stat (c->src, "dropped"), missing);
  fail_unless_equals_uint64 (fct_stat (c->src, "skipped"), 0);
  fail_unless_equals_uint64 (fct_stat (c->src, "delivered"),
                             written - missing
                                 + fct_watch_get (c->watch, &c->watch->gaps));
  gst_element_set_state (c->pipeline, GST_STATE_NULL);
  fct_watch_free (c->watch);
  fct_bus_free (c->bus);
  gst_object_unref (c->src);
  gst_object_unref (c->pipeline);
}

static void
stop_consumers (guint64 written)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    {
      no_errors (&consumers[i]);
      stop_consumer (&consumers[i], written);
    }
}

static void
stop_failed_consumers (guint64 written)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    stop_consumer (&consumers[i], written);
}

static void
check_all (gsize field, guint64 expected, const gchar *what)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    {
      FctWatch *watch = consumers[i].watch;
      guint64 *at = (guint64 *) ((gchar *) watch + field);

      fail_unless (fct_watch_get (watch, at) == expected,
                   "consumer %u: %" G_GUINT64_FORMAT " %s", i,
                   fct_watch_get (watch, at), what);
    }
}

#define CHECK_ALL(field, expected)                                             \
  check_all (G_STRUCT_OFFSET (FctWatch, field), expected, #field)

/* Writers ------------------------------------------------------------- */

static void
push_frames (GstHarness *sink, const Format *format, guint n)
{
  while (n-- > 0)
    fct_push (sink, number++, format->size);
}

static GstHarness *
new_sink (const Format *format)
{
  return fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                           format->caps);
}

static GPid
spawn_writer (const gchar *end, const Format *format, guint n)
{
  GPid pid = fct_spawn ("%s/change-writer %s 1000 %u '%s' %u %u",
                        g_getenv ("FC_TEST_PROGRAMS"), end, number,
                        format->caps, (guint) format->size, n);

  number += n;
  return pid;
}

static gboolean
slot_is_gone (void)
{
  fc_slot_stat_t stat;

  return !fct_slot_stat ("cam0", &stat);
}

/* Caps ---------------------------------------------------------------- */

GST_START_TEST (caps_changed_in_the_middle)
{
  GstHarness *sink = new_sink (format_of (0));
  guint i;

  start_consumers ("");
  push_frames (sink, format_of (0), 3);
  await_all ();
  for (i = 1; i < 30; i++)
    {
      fct_push_caps (sink, format_of (i)->caps);
      push_frames (sink, format_of (i), 3);
      await_all ();
    }
  CHECK_ALL (missing, 0);
  CHECK_ALL (caps_changes, 30);
  CHECK_ALL (disconts, 30);
  stop_consumers (number);
  fct_stop (sink);
}
GST_END_TEST

/* What a consumer could not take from a ring that was replaced more than once
 * is counted. */
GST_START_TEST (caps_changed_without_a_pause)
{
  GstHarness *sink = new_sink (format_of (0));
  guint i;

  start_consumers ("");
  push_frames (sink, format_of (0), 1);
  await_all ();
  for (i = 1; i < 100; i++)
    {
      fct_push_caps (sink, format_of (i)->caps);
      push_frames (sink, format_of (i), 5);
    }
  await_all ();
  stop_consumers (number);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (caps_changed_by_another_process)
{
  GString *line = g_string_new (g_getenv ("FC_TEST_PROGRAMS"));
  GPid pid;
  guint i;

  start_consumers ("");
  g_string_append (line, "/change-writer hang 1000 0");
  for (i = 0; i < 20; i++, number += 10)
    g_string_append_printf (line, " '%s' %u 10", format_of (i)->caps,
                            (guint) format_of (i)->size);
  pid = fct_spawn ("%s", line->str);
  await_all ();
  stop_consumers (number);
  fct_kill (pid);
  g_string_free (line, TRUE);
}
GST_END_TEST

/* Writers that end ---------------------------------------------------- */

/* With the same caps, and with others, in turn. */
GST_START_TEST (ended_and_begun_again)
{
  guint i;

  start_consumers ("on-eos=wait");
  for (i = 0; i < 10; i++)
    {
      GstHarness *sink = new_sink (format_of (i / 2));

      push_frames (sink, format_of (i / 2), 5);
      await_all ();
      gst_harness_push_event (sink, gst_event_new_eos ());
      fct_stop (sink);
    }
  CHECK_ALL (missing, 0);
  CHECK_ALL (disconts, 10);
  CHECK_ALL (eos, 0);
  stop_consumers (number);
}
GST_END_TEST

GST_START_TEST (ended_and_begun_again_elsewhere)
{
  guint i;

  start_consumers ("on-eos=wait");
  for (i = 0; i < 10; i++)
    {
      GPid pid = spawn_writer ("3", format_of (i / 2), 5);

      fct_finished (pid);
      await_all ();
    }
  CHECK_ALL (missing, 0);
  CHECK_ALL (disconts, 10);
  CHECK_ALL (eos, 0);
  stop_consumers (number);
}
GST_END_TEST

GST_START_TEST (killed_and_begun_again)
{
  guint i;

  start_consumers ("on-writer-lost=wait");
  for (i = 0; i < 10; i++)
    {
      GPid pid = spawn_writer ("hang", format_of (i / 2), 5);

      await_all ();
      fct_kill (pid);
    }
  CHECK_ALL (missing, 0);
  CHECK_ALL (disconts, 10);
  CHECK_ALL (eos, 0);
  stop_consumers (number);
}
GST_END_TEST

/* An element of this process, a program of libfc's with the same caps, a
 * pipeline of another process with other caps, and the element again. */
GST_START_TEST (another_program_takes_over)
{
  GstHarness *sink = new_sink (format_of (0));
  guint i, theirs = 20;
  GPid pid;

  start_consumers ("on-eos=wait");
  push_frames (sink, format_of (0), 5);
  await_all ();
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_stop (sink);
  pid = spawn_writer ("hang", format_of (0), 5);
  await_all ();
  fct_kill (pid);

  for (i = 0; i < N_CONSUMERS; i++)
    fct_watch_expect (consumers[i].watch, 0);
  pid = fct_launch ("videotestsrc is-live=true num-buffers=%u ! "
                    "video/x-raw,format=RGB,width=32,height=24,framerate=100/1"
                    " ! fcsink slot=cam0",
                    theirs);
  fct_finished (pid);
  for (i = 0; i < N_CONSUMERS; i++)
    {
      fct_watch_await (consumers[i].watch, number + theirs);
      fct_watch_expect (consumers[i].watch, number);
    }
  sink = new_sink (format_of (1));
  push_frames (sink, format_of (1), 5);
  number += theirs;
  await_all ();
  CHECK_ALL (missing, 0);
  CHECK_ALL (eos, 0);
  stop_consumers (number);
  fct_stop (sink);
}
GST_END_TEST

/* Slots that go: found out, by the writer, within two seconds ------------ */

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  return ftw->level > 0 ? remove (path) : rmdir (path);
}

/* A gap has no number. */
static void
wait_until_refused (GstHarness *sink)
{
  FCT_WAIT (!gst_harness_push_event (
      sink, gst_event_new_gap (number * GST_MSECOND, GST_MSECOND)));
}

GST_START_TEST (slot_removed_and_made_again)
{
  guint i;

  start_consumers ("");
  for (i = 0; i < 3; i++)
    {
      GstHarness *sink = new_sink (format_of (i / 2));

      push_frames (sink, format_of (i / 2), 5);
      await_all ();
      fail_unless_equals_int (fc_slot_remove (NULL, "cam0", 1), 0);
      fail_unless (slot_is_gone ());
      wait_until_refused (sink);
      fct_stop (sink);
    }
  CHECK_ALL (missing, 0);
  CHECK_ALL (disconts, 3);
  CHECK_ALL (eos, 0);
  stop_consumers (number);
}
GST_END_TEST

GST_START_TEST (slot_removed_for_good)
{
  GstHarness *sink = new_sink (format_of (0));
  guint i;

  start_consumers ("wait-for-slot=100000000");
  push_frames (sink, format_of (0), 5);
  await_all ();
  fail_unless_equals_int (fc_slot_remove (NULL, "cam0", 1), 0);
  for (i = 0; i < N_CONSUMERS; i++)
    fct_expect_error (consumers[i].bus, GST_RESOURCE_ERROR_NOT_FOUND, "cam0");
  stop_failed_consumers (number);
  wait_until_refused (sink);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (directory_removed_and_made_again)
{
  guint i;

  start_consumers ("");
  for (i = 0; i < 3; i++)
    {
      GstHarness *sink = new_sink (format_of (i / 2));

      push_frames (sink, format_of (i / 2), 5);
      await_all ();
      nftw (g_getenv ("FC_DIR"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
      fail_unless (slot_is_gone ());
      wait_until_refused (sink);
      fct_stop (sink);
      fail_if (g_file_test (g_getenv ("FC_DIR"), G_FILE_TEST_EXISTS));
      g_assert_cmpint (mkdir (g_getenv ("FC_DIR"), 0700), ==, 0);
    }
  CHECK_ALL (missing, 0);
  CHECK_ALL (disconts, 3);
  CHECK_ALL (eos, 0);
  stop_consumers (number);
}
GST_END_TEST

/* Each end as it was asked for, with every frame before it. */
GST_START_TEST (each_end_as_asked_for)
{
  GPid pid;

  start_consumers ("on-eos=eos");
  pid = spawn_writer ("3", format_of (0), 20);
  expect_end (GST_MESSAGE_EOS);
  CHECK_ALL (eos, 1);
  CHECK_ALL (missing, 0);
  stop_consumers (number);
  fct_finished (pid);

  start_consumers ("on-writer-lost=eos");
  pid = spawn_writer ("hang", format_of (1), 20);
  await_all ();
  fct_kill (pid);
  expect_end (GST_MESSAGE_EOS);
  CHECK_ALL (eos, 1);
  CHECK_ALL (missing, 0);
  stop_consumers (number);
  fail_if (fc_slot_gc (NULL, "cam0", 0) < 0);

  start_consumers ("on-writer-lost=error");
  pid = spawn_writer ("hang", format_of (2), 20);
  await_all ();
  fct_kill (pid);
  expect_end (GST_MESSAGE_ERROR);
  CHECK_ALL (missing, 0);
  stop_failed_consumers (number);
}
GST_END_TEST

static Suite *
change_suite (void)
{
  Suite *suite = suite_create ("change");
  TCase *tc = tcase_create ("change");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, caps_changed_in_the_middle);
  tcase_add_test (tc, caps_changed_without_a_pause);
  tcase_add_test (tc, caps_changed_by_another_process);
  tcase_add_test (tc, ended_and_begun_again);
  tcase_add_test (tc, ended_and_begun_again_elsewhere);
  tcase_add_test (tc, killed_and_begun_again);
  tcase_add_test (tc, another_program_takes_over);
  tcase_add_test (tc, slot_removed_and_made_again);
  tcase_add_test (tc, slot_removed_for_good);
  tcase_add_test (tc, directory_removed_and_made_again);
  tcase_add_test (tc, each_end_as_asked_for);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, change_suite);
}
