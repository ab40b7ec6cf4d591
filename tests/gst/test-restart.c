/* framecache: writers in other processes, that die and come back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-test.h"

#define VIDEO                                                                  \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,"    \
  "framerate=100/1 ! fcsink slot=cam0 ring-depth=1000"
#define OTHER_VIDEO                                                            \
  "videotestsrc is-live=true ! video/x-raw,format=RGB,width=32,height=16,"     \
  "framerate=100/1 ! fcsink slot=cam0 ring-depth=1000"

static void
pull_some (GstHarness *src, guint n)
{
  while (n-- > 0)
    {
      GstBuffer *buffer = gst_harness_pull (src);

      fail_unless (buffer != NULL, "frames have stopped");
      gst_buffer_unref (buffer);
    }
}

static gint
width_of (GstHarness *src)
{
  GstCaps *caps = gst_pad_get_current_caps (src->sinkpad);
  gint width = 0;

  if (caps == NULL)
    return 0;
  gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
  gst_caps_unref (caps);
  return width;
}

static gboolean
pull_has_width (GstHarness *src, gint width)
{
  pull_some (src, 1);
  return width_of (src) == width;
}

static gboolean
pull_is_discont (GstHarness *src)
{
  GstBuffer *buffer = gst_harness_pull (src);
  gboolean discont;

  fail_unless (buffer != NULL, "frames have stopped");
  discont = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  gst_buffer_unref (buffer);
  return discont;
}

GST_START_TEST (writer_in_another_process)
{
  GPid pid = fct_launch (VIDEO);
  GstHarness *src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", NULL));

  pull_some (src, 50);
  fail_unless_equals_int (width_of (src), 64);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fct_stop (src);
  fct_kill (pid);
}
GST_END_TEST

GST_START_TEST (writer_restarted)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (element);
  GPid pid = fct_launch (VIDEO);
  GstMessage *message;
  guint i;

  pull_some (src, 10);
  for (i = 0; i < 3; i++)
    {
      fct_kill (pid);
      message = fct_message (bus, "fc-writer-lost");
      fail_unless_equals_string (
          gst_structure_get_string (gst_message_get_structure (message),
                                    "slot"),
          "cam0");
      gst_message_unref (message);
      while (gst_harness_buffers_in_queue (src) > 0)
        pull_some (src, 1);
      pid = fct_launch (VIDEO);
      fail_unless (pull_is_discont (src));
      gst_message_unref (fct_message (bus, "fc-writer-back"));
      pull_some (src, 10);
    }
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fct_stop (src);
  fct_kill (pid);
  fct_bus_free (bus);
}
GST_END_TEST

GST_START_TEST (writer_restarted_with_other_caps)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (element);
  GPid pid = fct_launch (VIDEO);

  FCT_WAIT (pull_has_width (src, 64));
  fct_kill (pid);
  gst_message_unref (fct_message (bus, "fc-writer-lost"));
  pid = fct_launch (OTHER_VIDEO);
  FCT_WAIT (pull_has_width (src, 32));
  gst_message_unref (fct_message (bus, "fc-replaced"));
  pull_some (src, 10);
  fct_stop (src);
  fct_kill (pid);
  fct_bus_free (bus);
}
GST_END_TEST

GST_START_TEST (two_consumers_never_notice_each_other)
{
  GPid pid = fct_launch (VIDEO);
  GPid other = fct_launch ("fcsrc slot=cam0 ! fakesink");
  GstHarness *src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", NULL));

  FCT_WAIT (fct_consumers ("cam0") == 2);
  pull_some (src, 10);
  fct_kill (other);
  pull_some (src, 100);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  fct_stop (src);
  fct_kill (pid);
}
GST_END_TEST

GST_START_TEST (writer_lost_ends_the_stream)
{
  GPid pid = fct_launch (VIDEO);
  GstElement *pipeline = gst_parse_launch (
      "fcsrc name=src slot=cam0 on-writer-lost=eos ! fakesink name=sink", NULL);
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  FCT_WAIT (fct_stat (src, "delivered") > 10);
  fct_kill (pid);
  message
      = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000, GST_MESSAGE_EOS);
  fail_unless (message != NULL);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (src);
  gst_object_unref (pipeline);
}
GST_END_TEST

GST_START_TEST (writer_lost_is_an_error)
{
  GPid pid = fct_launch (VIDEO);
  GstElement *element
      = fct_new ("fcsrc", "slot", "cam0", "on-writer-lost", 2, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (element);

  pull_some (src, 10);
  fct_kill (pid);
  fct_expect_error (bus, GST_RESOURCE_ERROR_READ, "cam0");
  fct_stop (src);
  fct_bus_free (bus);
}
GST_END_TEST

GST_START_TEST (unlock_while_writer_lost)
{
  GPid pid = fct_launch (VIDEO);
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (gst_object_ref (element));
  gint64 begin;

  pull_some (src, 10);
  fct_kill (pid);
  gst_message_unref (fct_message (bus, "fc-writer-lost"));
  begin = g_get_monotonic_time ();
  gst_element_set_state (element, GST_STATE_NULL);
  fail_unless (g_get_monotonic_time () - begin < G_TIME_SPAN_SECOND);
  fct_stop (src);
  fct_bus_free (bus);
  gst_object_unref (element);
}
GST_END_TEST

/* A dead writer costs the one that waits for the next nothing to speak of,
 * and it says so once. */
GST_START_TEST (waiting_for_a_writer_is_idle)
{
  GPid pid = fct_launch (VIDEO);
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (element);
  GstMessage *message;
  clock_t begin;

  pull_some (src, 10);
  fct_kill (pid);
  gst_message_unref (fct_message (bus, "fc-writer-lost"));
  begin = clock ();
  message
      = gst_bus_timed_pop_filtered (bus, 2 * GST_SECOND, GST_MESSAGE_ELEMENT);
  fail_unless (message == NULL);
  fail_unless (clock () - begin < CLOCKS_PER_SEC / 5);
  fct_stop (src);
  fct_bus_free (bus);
}
GST_END_TEST

/* Who has access and no trust copies what he sees; what else he asks for is an
 * error that he can understand. */
GST_START_TEST (observer_copies)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstElement *greedy = fct_new ("fcsrc", "slot", "cam0", "memory", 1, NULL);
  GstBus *bus = fct_bus (greedy);
  GstHarness *src, *other;
  GPid writer;

  g_assert_cmpint (chmod (g_getenv ("FC_TEST_BASE"), 0755), ==, 0);
  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  writer = fct_launch (VIDEO " access=all");
  g_assert_cmpint (seteuid (65534), ==, 0);
  src = fct_src_harness (element);
  pull_some (src, 20);
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 0);
  fail_unless (fct_stat (src->element, "copied") >= 20);
  other = fct_src_harness (greedy);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "memory=auto");
  fct_stop (other);
  fct_stop (src);
  g_assert_cmpint (seteuid (0), ==, 0);
  fct_bus_free (bus);
  fct_kill (writer);
}
GST_END_TEST

static Suite *
restart_suite (void)
{
  Suite *suite = suite_create ("restart");
  TCase *tc = tcase_create ("restart");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, writer_in_another_process);
  tcase_add_test (tc, writer_restarted);
  tcase_add_test (tc, writer_restarted_with_other_caps);
  tcase_add_test (tc, two_consumers_never_notice_each_other);
  tcase_add_test (tc, writer_lost_ends_the_stream);
  tcase_add_test (tc, writer_lost_is_an_error);
  tcase_add_test (tc, unlock_while_writer_lost);
  tcase_add_test (tc, waiting_for_a_writer_is_idle);
  if (geteuid () == 0)
    tcase_add_test (tc, observer_copies);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, restart_suite);
}
