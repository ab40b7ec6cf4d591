/* framecache: fcsink writes slots that were reserved before
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-line.h"
#include "fc-gst-test.h"

#define SIZE 10000
#define GRAY(w, h)                                                             \
  "video/x-raw,format=GRAY8,framerate=25/1,width=" w ",height=" h

static void
reserve (guint64 size)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;

  options.frame_size = size;
  options.ring_depth = 20;
  options.max_consumers = 3;
  options.leases = 5;
  options.access = FC_SHARE_GROUP;
  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 01777), ==, 0);
  fail_unless_equals_int (fc_slot_reserve ("cam0", &options), 0);
}

/* Not one number is the writer's. */
static void
expect_reserved (guint64 size, guint generation, guint64 head)
{
  fc_slot_stat_t stat;

  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless_equals_int (stat.reserved, 1);
  fail_unless_equals_uint64 (stat.frame_size, size);
  fail_unless_equals_int (stat.ring_depth, 20);
  fail_unless_equals_int (stat.max_consumers, 3);
  fail_unless_equals_int (stat.leases, 5);
  fail_unless_equals_int (stat.access, FC_SHARE_GROUP);
  fail_unless_equals_int (stat.trust, FC_SHARE_USER);
  fail_unless_equals_int (stat.generation, generation);
  fail_unless_equals_uint64 (stat.head, head);
}

static void
push_some (GstHarness *sink, guint first, guint n, gsize size)
{
  guint i;

  for (i = first; i < first + n; i++)
    fct_push (sink, i, size);
}

static void
pull_some (GstHarness *src, guint first, guint n, gsize size)
{
  guint i;

  for (i = first; i < first + n; i++)
    fct_pull (src, i, size);
}

/* A frame that does not go in: one error that names both numbers. */
static void
expect_too_large (GstHarness *sink, gsize size)
{
  GstBus *bus = fct_bus (sink->element);
  gchar *asked = g_strdup_printf ("these have %" G_GSIZE_FORMAT, size);

  fail_unless_equals_int (gst_harness_push (sink, fct_buffer (0, size)),
                          GST_FLOW_ERROR);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NO_SPACE_LEFT, asked);
  fail_unless (
      gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)
      == NULL);
  gst_element_set_bus (sink->element, NULL);
  fct_bus_free (bus);
  g_free (asked);
}

/* Numbers -------------------------------------------------------------- */

GST_START_TEST (properties_do_not_count)
{
  GstHarness *sink;

  reserve (SIZE);
  sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", "ring-depth", 50,
                                    "frame-size", 2 * SIZE, "max-consumers", 7,
                                    "max-leases", 9, "access", FC_SHARE_ALL,
                                    "trust", FC_SHARE_ALL, NULL),
                           FCT_DATA);
  push_some (sink, 0, 3, 100);
  expect_reserved (SIZE, 1, 3);
  fct_stop (sink);
  expect_reserved (SIZE, 1, 3);
}
GST_END_TEST

/* Nor do they where there could be no such ring. */
GST_START_TEST (history_of_an_hour)
{
  GstHarness *sink;

  reserve (SIZE);
  sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "history", 3600 * GST_SECOND, NULL),
      GRAY ("100", "100"));
  push_some (sink, 0, 3, SIZE);
  expect_reserved (SIZE, 1, 3);
  fct_stop (sink);
}
GST_END_TEST

/* fcsink takes frames of such caps to have a MiB, or of sound 64 KiB. */
static void
guess_and_fit (const gchar *caps)
{
  GstHarness *sink;

  reserve (SIZE);
  sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), caps);
  push_some (sink, 0, 3, 100);
  expect_reserved (SIZE, 1, 3);
  fct_stop (sink);
}

GST_START_TEST (guessed_size_does_not_count) { guess_and_fit (FCT_DATA); }
GST_END_TEST

GST_START_TEST (guessed_size_of_sound_does_not_count)
{
  guess_and_fit ("audio/mpeg,mpegversion=4,rate=48000,channels=2");
}
GST_END_TEST

GST_START_TEST (gap_comes_first)
{
  GstHarness *sink, *src;

  reserve (SIZE);
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  sink = fct_writer ();
  fail_unless (gst_harness_push_event (sink, gst_event_new_gap (0, 1)));
  push_some (sink, 0, 3, SIZE);
  pull_some (src, 0, 3, SIZE);
  expect_reserved (SIZE, 1, 4);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (frames_grow_up_to_what_is_reserved)
{
  GstHarness *sink, *src;
  guint i, sizes[] = { 100, 5000, 5100, SIZE - 1, SIZE, 1 };

  reserve (SIZE);
  sink = fct_writer ();
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      fct_push (sink, i, sizes[i]);
      fct_pull (src, i, sizes[i]);
    }
  expect_reserved (SIZE, 1, G_N_ELEMENTS (sizes));
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* It is the stream's end, and nothing that went before is lost. */
GST_START_TEST (frame_that_outgrows_it)
{
  GstHarness *sink, *src;

  reserve (SIZE);
  sink = fct_writer ();
  src = fct_reader ("on-eos", 1);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_some (sink, 0, 10, SIZE);
  expect_too_large (sink, SIZE + 1);
  fct_stop (sink);
  pull_some (src, 0, 10, SIZE);
  expect_reserved (SIZE, 1, 10);
  sink = fct_writer ();
  push_some (sink, 10, 10, 100);
  pull_some (src, 10, 10, 100);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (picture_that_does_not_fit)
{
  GstHarness *sink;

  reserve (SIZE);
  sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                           GRAY ("200", "51"));
  expect_too_large (sink, 200 * 51);
  fct_stop (sink);
  expect_reserved (SIZE, 1, 0);
}
GST_END_TEST

GST_START_TEST (caps_changed_in_the_middle)
{
  GstHarness *sink, *src;

  reserve (SIZE);
  sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                           GRAY ("100", "100"));
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_some (sink, 0, 10, SIZE);
  fct_push_caps (sink, GRAY ("100", "50"));
  push_some (sink, 10, 10, SIZE / 2);
  fct_push_caps (sink, GRAY ("100", "101"));
  expect_too_large (sink, 100 * 101);
  fct_stop (sink);
  pull_some (src, 0, 10, SIZE);
  pull_some (src, 10, 10, SIZE / 2);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  expect_reserved (SIZE, 2, 20);
  gst_event_unref (fct_pull_event (src, GST_EVENT_EOS));
  fct_stop (src);
}
GST_END_TEST

/* In place ------------------------------------------------------------- */

/* What LINE's fcsink "s" says of the 40 frames of it. */
static void
run (const gchar *line, guint64 *zero_copy)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error), *sink;
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message != NULL && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS,
               "no end of: %s", line);
  gst_message_unref (message);
  *zero_copy = fct_stat (sink, "zero-copy");
  fail_unless_equals_uint64 (*zero_copy + fct_stat (sink, "copied"), 40);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
}

#define PICTURES "videotestsrc num-buffers=40 ! " GRAY ("100", "100")
#define SINK " ! fcsink name=s slot=cam0 sync=false ring-depth=9"

GST_START_TEST (filled_in_place)
{
  guint64 zero_copy;

  reserve (2 * SIZE);
  run (PICTURES SINK, &zero_copy);
  fail_unless_equals_uint64 (zero_copy, 40);
  expect_reserved (2 * SIZE, 1, 40);
  run (PICTURES SINK, &zero_copy);
  fail_unless_equals_uint64 (zero_copy, 40);
  expect_reserved (2 * SIZE, 1, 80);
}
GST_END_TEST

/* A decoder wants room around its pictures. */
GST_START_TEST (padding_that_does_not_fit_is_left_out)
{
  guint64 zero_copy;

  reserve (320 * 180 * 3 / 2);
  run ("videotestsrc num-buffers=40 !"
       " video/x-raw,format=I420,width=320,height=180,framerate=25/1 !"
       " openh264enc ! h264parse ! avdec_h264" SINK,
       &zero_copy);
  expect_reserved (320 * 180 * 3 / 2, 1, 40);
}
GST_END_TEST

/* Writers -------------------------------------------------------------- */

GST_START_TEST (next_writer_carries_on)
{
  GstHarness *sink, *src;
  guint i;

  reserve (SIZE);
  src = fct_reader ("on-eos", 1);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 5; i++)
    {
      sink = fct_writer ();
      push_some (sink, 7 * i, 7, 100);
      fail_unless (gst_harness_push_event (sink, gst_event_new_eos ()));
      fct_stop (sink);
      pull_some (src, 7 * i, 7, 100);
      expect_reserved (SIZE, 1, 7 * (i + 1));
    }
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 0);
  fct_stop (src);
}
GST_END_TEST

static gboolean
has_state (fc_state_t state)
{
  fc_slot_stat_t stat;

  return fct_slot_stat ("cam0", &stat) && stat.state == state;
}

GST_START_TEST (writer_killed)
{
  GstElement *element;
  fc_slot_stat_t stat;
  GstHarness *src;
  GstBus *bus;
  GPid writer;
  guint i;

  reserve (SIZE);
  element = fct_new ("fcsrc", "slot", "cam0", NULL);
  bus = fct_bus (element);
  src = fct_src_harness (element);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 3; i++)
    {
      guint64 before = fct_stat (element, "delivered");

      writer = fct_launch (FCT_WRITER);
      FCT_WAIT (fct_stat (element, "delivered") > before + 5);
      fct_kill (writer);
      fail_unless (has_state (FC_STATE_LOST));
      gst_message_unref (fct_message (bus, "fc-writer-lost"));
    }
  fail_unless_equals_uint64 (fct_stat (element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (element, "reconnects"), 0);
  fail_unless (fct_slot_stat ("cam0", &stat));
  expect_reserved (SIZE, 1, stat.head);
  fct_stop (src);
  fct_bus_free (bus);
}
GST_END_TEST

/* It is told who may write it, and by what name to ask instead. */
GST_START_TEST (slot_of_another_user)
{
  GstHarness *sink;
  GstBus *bus;

  g_assert_cmpint (chmod (g_getenv ("FC_TEST_BASE"), 0755), ==, 0);
  reserve (SIZE);
  g_assert_cmpint (seteuid (65534), ==, 0);
  sink = fct_writer ();
  bus = fct_bus (sink->element);
  fail_unless_equals_int (gst_harness_push (sink, fct_buffer (0, 100)),
                          GST_FLOW_ERROR);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                    "belongs to user 0");
  fail_unless (
      gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)
      == NULL);
  fct_stop (sink);
  g_assert_cmpint (seteuid (0), ==, 0);
  fct_bus_free (bus);
  expect_reserved (SIZE, 1, 0);
}
GST_END_TEST

static Suite *
reserved_suite (void)
{
  Suite *suite = suite_create ("reserved");
  TCase *tc = tcase_create ("reserved");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, properties_do_not_count);
  tcase_add_test (tc, history_of_an_hour);
  tcase_add_test (tc, guessed_size_does_not_count);
  tcase_add_test (tc, guessed_size_of_sound_does_not_count);
  tcase_add_test (tc, gap_comes_first);
  tcase_add_test (tc, frames_grow_up_to_what_is_reserved);
  tcase_add_test (tc, frame_that_outgrows_it);
  tcase_add_test (tc, picture_that_does_not_fit);
  tcase_add_test (tc, caps_changed_in_the_middle);
  tcase_add_test (tc, filled_in_place);
  tcase_add_test (tc, padding_that_does_not_fit_is_left_out);
  tcase_add_test (tc, next_writer_carries_on);
  tcase_add_test (tc, writer_killed);
  if (geteuid () == 0)
    tcase_add_test (tc, slot_of_another_user);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, reserved_suite);
}
