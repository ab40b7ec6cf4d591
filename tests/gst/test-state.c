/* framecache: the elements' states, in every order and from every wait
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-gst-test.h"

#define STREAM "timestamps", 1
/* A wait that is not interrupted lasts for ever, or for a while each time. On a
 * machine that is busy otherwise a change of state may take long once. */
#define AT_ONCE (G_TIME_SPAN_SECOND / 2)
#define FOR_EVER (20 * G_TIME_SPAN_SECOND)

static guint changes, slow_changes;

static void
set_state (GstElement *element, GstState state)
{
  fail_if (gst_element_set_state (element, state) == GST_STATE_CHANGE_FAILURE);
}

static void
goes_at_once (GstElement *element, GstState state)
{
  gint64 begin = g_get_monotonic_time ();

  set_state (element, state);
  begin = g_get_monotonic_time () - begin;
  fail_unless (begin < FOR_EVER, "took %" G_GINT64_FORMAT " us", begin);
  changes++;
  slow_changes += begin > AT_ONCE;
}

static void
check_at_once (void)
{
  fail_unless (slow_changes <= 1, "%u of %u changes were slow", slow_changes,
               changes);
}

GST_START_TEST (unlock_while_waiting_for_slot)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstHarness *src = fct_src_harness (gst_object_ref (element));
  guint i;

  for (i = 0; i < 20; i++)
    {
      goes_at_once (element, GST_STATE_READY);
      set_state (element, GST_STATE_PLAYING);
      g_usleep (i * 500);
      goes_at_once (element, GST_STATE_PAUSED);
      set_state (element, GST_STATE_PLAYING);
    }
  goes_at_once (element, GST_STATE_NULL);
  fct_stop (src);
  gst_object_unref (element);
  check_at_once ();
}
GST_END_TEST

GST_START_TEST (unlock_while_ring_silent)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstHarness *sink = fct_writer (),
             *src = fct_src_harness (gst_object_ref (element));

  FCT_WAIT (fct_waiting ("cam0") == 1);
  goes_at_once (element, GST_STATE_PAUSED);
  set_state (element, GST_STATE_PLAYING);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  goes_at_once (element, GST_STATE_READY);
  set_state (element, GST_STATE_PLAYING);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  fct_pull (src, 0, 10);
  goes_at_once (element, GST_STATE_NULL);
  fct_stop (src);
  fct_stop (sink);
  gst_object_unref (element);
  check_at_once ();
}
GST_END_TEST

GST_START_TEST (unlock_while_waiting_for_next_writer)
{
  GstElement *element
      = fct_new ("fcsrc", "slot", "cam0", STREAM, "on-eos", 1, NULL);
  GstHarness *sink = fct_writer (),
             *src = fct_src_harness (gst_object_ref (element));

  fct_push (sink, 0, 100);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  gst_harness_push_event (sink, gst_event_new_eos ());
  FCT_WAIT (fct_waiting ("cam0") == 0);
  goes_at_once (element, GST_STATE_NULL);
  fct_stop (src);
  fct_stop (sink);
  gst_object_unref (element);
  check_at_once ();
}
GST_END_TEST

GST_START_TEST (unlock_while_leases_are_out)
{
  GstElement *element
      = fct_new ("fcsrc", "slot", "cam0", STREAM, "memory", 1, NULL);
  GstHarness *sink = fct_writer (),
             *src = fct_src_harness (gst_object_ref (element));
  GstBuffer *held[3];
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 4; i++)
    fct_push (sink, i, 10);
  for (i = 0; i < 3; i++)
    held[i] = gst_harness_pull (src);
  goes_at_once (element, GST_STATE_PAUSED);
  goes_at_once (element, GST_STATE_NULL);
  for (i = 0; i < 3; i++)
    gst_buffer_unref (held[i]);
  fct_stop (src);
  fct_stop (sink);
  gst_object_unref (element);
  check_at_once ();
}
GST_END_TEST

GST_START_TEST (eos_event_ends_a_wait)
{
  GstElement *pipeline
      = gst_parse_launch ("fcsrc name=src slot=cam0 ! fakesink", NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  set_state (pipeline, GST_STATE_PLAYING);
  gst_element_send_event (pipeline, gst_event_new_eos ());
  message
      = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000, GST_MESSAGE_EOS);
  fail_unless (message != NULL);
  gst_message_unref (message);
  set_state (pipeline, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
}
GST_END_TEST

/* Frames that were captured in PAUSED are passed over and counted, and what
 * was lost then is not told as dropped. */
GST_START_TEST (frames_captured_in_paused_are_skipped)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 8, NULL), FCT_DATA);
  GstHarness *src = fct_src_harness (gst_object_ref (element));
  GstBuffer *buffer;
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  fct_pull (src, 0, 10);
  set_state (element, GST_STATE_PAUSED);
  for (i = 1; i <= 20; i++)
    fct_push (sink, i, 10);
  set_state (element, GST_STATE_PLAYING);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 21, 10);
  buffer = gst_harness_pull (src);
  fct_check_buffer (buffer, 21, 10);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  fail_unless_equals_uint64 (fct_stat (element, "delivered"), 2);
  fail_unless_equals_uint64 (fct_stat (element, "skipped"), 20);
  fail_unless_equals_uint64 (fct_stat (element, "dropped"), 0);
  fct_stop (src);
  fct_stop (sink);
  gst_object_unref (element);
}
GST_END_TEST

/* A gap that waits in a sink that was paused does not keep the source from
 * being paused, too. */
GST_START_TEST (gap_does_not_block_a_pause)
{
  GstHarness *sink = fct_writer ();
  GstElement *pipeline = gst_parse_launch (
      "fcsrc name=src slot=cam0 ! fakesink sync=false", NULL);
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  guint64 seen;
  guint i, n = 0;

  for (i = 0; i < 20; i++)
    {
      seen = fct_stat (src, "delivered");
      set_state (pipeline, GST_STATE_PLAYING);
      FCT_WAIT ((gst_harness_push_event (
                     sink, gst_event_new_gap (n++ * GST_MSECOND, GST_MSECOND)),
                 fct_stat (src, "delivered") > seen));
      goes_at_once (pipeline, GST_STATE_PAUSED);
      gst_harness_push_event (
          sink, gst_event_new_gap (n++ * GST_MSECOND, GST_MSECOND));
    }
  goes_at_once (pipeline, GST_STATE_NULL);
  gst_object_unref (src);
  gst_object_unref (pipeline);
  fct_stop (sink);
  check_at_once ();
}
GST_END_TEST

GST_START_TEST (seeking_is_refused)
{
  GstElement *pipeline
      = gst_parse_launch ("fcsrc name=src slot=cam0 ! fakesink", NULL);
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  GstPad *pad = gst_element_get_static_pad (src, "src");
  GstQuery *query = gst_query_new_seeking (GST_FORMAT_TIME);
  gboolean seekable = TRUE;
  gint64 duration = 0;

  fail_unless (gst_pad_query (pad, query));
  gst_query_parse_seeking (query, NULL, &seekable, NULL, NULL);
  fail_if (seekable);
  gst_query_unref (query);
  query = gst_query_new_scheduling ();
  fail_unless (gst_pad_query (pad, query));
  fail_unless (gst_query_has_scheduling_mode (query, GST_PAD_MODE_PUSH));
  fail_if (gst_query_has_scheduling_mode (query, GST_PAD_MODE_PULL));
  gst_query_unref (query);

  set_state (pipeline, GST_STATE_PLAYING);
  fail_if (gst_element_seek_simple (pipeline, GST_FORMAT_TIME,
                                    GST_SEEK_FLAG_FLUSH, 10 * GST_SECOND));
  if (gst_element_query_duration (pipeline, GST_FORMAT_TIME, &duration))
    fail_unless_equals_int64 (duration, -1);
  set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (src);
  gst_object_unref (pipeline);
}
GST_END_TEST

GST_START_TEST (live_source_does_not_preroll)
{
  GstElement *pipeline = gst_parse_launch ("fcsrc slot=cam0 ! fakesink", NULL);

  fail_unless_equals_int (gst_element_set_state (pipeline, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_NO_PREROLL);
  set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST

/* Only of the elements' own: GStreamer 1.26's videotestsrc ends with a data
 * stream error now and then when it is stopped while it starts, whatever it is
 * linked to. */
static void
fail_on_error (GstMessage *message)
{
  const gchar *type = G_OBJECT_TYPE_NAME (GST_MESSAGE_SRC (message));
  GError *error;
  gchar *debug;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR
      || !g_str_has_prefix (type, "GstFc"))
    return;
  gst_message_parse_error (message, &error, &debug);
  fail ("%s: %s (%s)", GST_MESSAGE_SRC_NAME (message), error->message, debug);
}

/* Every change of state from every state, with frames flowing all the while,
 * in an order that a seed repeats. */
static void
change_states (const gchar *line, guint times, guint32 seed)
{
  GstElement *pipeline = gst_parse_launch (line, NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  GRand *random = g_rand_new_with_seed (seed);
  GstMessage *message;
  guint i;

  for (i = 0; i < times; i++)
    {
      GstState state = (GstState) g_rand_int_range (random, GST_STATE_NULL,
                                                    GST_STATE_PLAYING + 1);

      set_state (pipeline, state);
      if (g_rand_boolean (random))
        g_usleep ((gulong) g_rand_int_range (random, 0, 3000));
      while ((message = gst_bus_pop (bus)) != NULL)
        {
          fail_on_error (message);
          gst_message_unref (message);
        }
    }
  set_state (pipeline, GST_STATE_NULL);
  g_rand_free (random);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
}

GST_START_TEST (source_states_in_any_order)
{
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc is-live=true ! video/x-raw,framerate=200/1,width=64,"
      "height=64 ! fcsink slot=cam0",
      NULL);

  set_state (pipeline, GST_STATE_PLAYING);
  change_states ("fcsrc slot=cam0 ! queue ! fakesink sync=true", 300, 1);
  change_states ("fcsrc slot=cam0 start=oldest memory=copy ! fakesink", 200, 2);
  change_states ("fcsrc slot=cam0 start=latest timestamps=stream "
                 "memory=zero-copy ! queue ! fakesink",
                 200, 3);
  change_states ("fcsrc slot=nowhere ! fakesink", 200, 4);
  set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST

GST_START_TEST (sink_states_in_any_order)
{
  GstElement *pipeline
      = gst_parse_launch ("fcsrc slot=cam0 on-eos=wait ! fakesink", NULL);

  set_state (pipeline, GST_STATE_PLAYING);
  change_states ("videotestsrc is-live=true ! video/x-raw,framerate=200/1,"
                 "width=64,height=64 ! fcsink slot=cam0",
                 200, 5);
  change_states ("videotestsrc ! video/x-raw,framerate=200/1,width=64,"
                 "height=64 ! fcsink slot=cam0",
                 200, 6);
  change_states ("audiotestsrc is-live=true ! fcsink slot=cam0 sync=false", 200,
                 7);
  set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST

static Suite *
state_suite (void)
{
  Suite *suite = suite_create ("states");
  TCase *tc = tcase_create ("states");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, unlock_while_waiting_for_slot);
  tcase_add_test (tc, unlock_while_ring_silent);
  tcase_add_test (tc, unlock_while_waiting_for_next_writer);
  tcase_add_test (tc, unlock_while_leases_are_out);
  tcase_add_test (tc, eos_event_ends_a_wait);
  tcase_add_test (tc, frames_captured_in_paused_are_skipped);
  tcase_add_test (tc, gap_does_not_block_a_pause);
  tcase_add_test (tc, seeking_is_refused);
  tcase_add_test (tc, live_source_does_not_preroll);
  tcase_add_test (tc, source_states_in_any_order);
  tcase_add_test (tc, sink_states_in_any_order);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, state_suite);
}
