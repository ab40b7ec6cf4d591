/* framecache: fcsrc waits for a slot, and asks the bus for it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The slot directory of the readers here is not the writers': they see a slot
 * only by a registry, which in these tests does what it is told.
 */
#include <signal.h>

#include "fc-gst-registry.h"
#include "fc-gst-usage.h"

#define SESSION G_BUS_TYPE_SESSION

/* Waiting --------------------------------------------------------------- */

/* It was there first: not one frame of the slot is missed. */
static void
wait_for_writer (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OPENS);
  src = fct_elsewhere_reader (attach);
  FCT_WAIT (fct_registry_answered (registry) > 0);
  sink = fct_writer ();
  fct_push_some (sink, 0, 5);
  fct_registry_announce (registry, "cam0");
  fct_pull_some (src, 0, 5);
  fct_lost_nothing (src);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (reader_first) { wait_for_writer (FCT_BUS); }
GST_END_TEST

GST_START_TEST (reader_first_with_a_directory) { wait_for_writer (FCT_AUTO); }
GST_END_TEST

/* The signal alone, long before the next question would be put. */
GST_START_TEST (told_of_the_slot_it_asks_at_once)
{
  FctRegistry *registry;
  GstHarness *src;
  guint asked, i;

  registry = fct_registry_begin (FCT_OPENS);
  src = fct_elsewhere_reader (FCT_BUS);
  FCT_WAIT (fct_registry_answered (registry) >= 7); /* once a second by now */
  for (i = 0; i < 20; i++)
    {
      asked = fct_registry_answered (registry);
      fct_registry_announce (registry, "other");
      fct_registry_announce (registry, "cam0");
      FCT_WAIT (fct_registry_answered (registry) > asked);
    }
  fct_stop (src);
  fct_registry_kill (registry);
}
GST_END_TEST

/* By the directory while the bus is being asked. */
GST_START_TEST (slot_comes_by_the_directory_after_all)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_IS_SILENT);
  fct_registry_set_directory (registry, g_getenv ("FC_DIR"));
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_registry_asked (registry) > 0);
  sink = fct_writer ();
  fct_push_some (sink, 0, 5);
  fct_pull_some (src, 0, 5);
  FCT_WAIT (fct_count_threads ("fc-bus") == 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

static void
wait_for_registry (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  fct_bus_start (SESSION);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (attach);
  FCT_WAIT (fct_count_threads ("fc-bus") == 1);
  registry = fct_registry_start (SESSION, FCT_OPENS);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (registry_comes_later) { wait_for_registry (FCT_BUS); }
GST_END_TEST

/* It has no connection to a bus without one. */
GST_START_TEST (registry_comes_later_with_a_directory)
{
  wait_for_registry (FCT_AUTO);
}
GST_END_TEST

GST_START_TEST (bus_comes_later)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  FCT_WAIT (fct_count_threads ("fc-bus") == 1);
  registry = fct_registry_begin (FCT_OPENS);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* With the question unanswered, again and again; and the bus with it. */
GST_START_TEST (registry_killed_while_it_is_asked)
{
  GstHarness *sink = fct_writer (), *src;
  FctRegistry *registry;
  GPid bus = fct_bus_start (SESSION);
  guint i;

  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  for (i = 0; i < 6; i++)
    {
      registry = fct_registry_start (SESSION, FCT_IS_SILENT);
      FCT_WAIT (fct_registry_asked (registry) > 0);
      fct_registry_kill (registry);
      if (i % 2 == 1)
        {
          fct_kill (bus);
          bus = fct_bus_start (SESSION);
        }
    }
  registry = fct_registry_start (SESSION, FCT_OPENS);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_lost_nothing (src);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Its sentence tells what was found on the way. */
static void
expect_none (const gchar *patience, const gchar *text)
{
  GstElement *element = fct_elsewhere_new (FCT_BUS, "wait-for-slot", patience);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (element);

  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, text);
  fct_stop (src);
  fct_bus_free (bus);
}

GST_START_TEST (slot_never_came)
{
  FctRegistry *registry;

  expect_none ("100000000", "session bus: Could not connect");
  fct_bus_start (SESSION);
  expect_none ("100000000", "session bus: no registry runs there");
  registry = fct_registry_start (SESSION, FCT_OPENS);
  expect_none ("100000000",
               "registry on the session bus: there is no slot cam0");
  fct_registry_kill (registry);
}
GST_END_TEST

/* wait-for-slot=0 is to look once: that takes as long as it takes. */
static void
look_once (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OPENS);
  expect_none ("0", "there is no slot cam0");
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_src_harness (fct_elsewhere_new (attach, "wait-for-slot", "0"));
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (looking_once_asks_once) { look_once (FCT_BUS); }
GST_END_TEST

GST_START_TEST (looking_once_asks_once_with_a_directory)
{
  look_once (FCT_AUTO);
}
GST_END_TEST

/* States ---------------------------------------------------------------- */

/* Nothing waits for what a bus or a registry does not say. */
static void
stop_while_silent (FctRegistry *registry)
{
  GstHarness *src = fct_elsewhere_reader (FCT_BUS);

  if (registry != NULL)
    FCT_WAIT (fct_registry_asked (registry) > 0);
  else
    FCT_WAIT (fct_count_threads ("fc-bus") == 1);
  fct_stop (src);
  FCT_WAIT (fct_count_threads ("fc-bus") == 0);
}

GST_START_TEST (stopped_while_the_registry_is_silent)
{
  FctRegistry *registry = fct_registry_begin (FCT_IS_SILENT);

  stop_while_silent (registry);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (stopped_while_the_bus_is_silent)
{
  GPid bus = fct_bus_start (SESSION);
  guint i;

  g_assert_cmpint (kill (bus, SIGSTOP), ==, 0);
  for (i = 0; i < 20; i++)
    stop_while_silent (NULL);
  fct_kill (bus);
}
GST_END_TEST

static void
go_through_states (GstElement *pipeline, guint n)
{
  static const GstState states[]
      = { GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_READY,
          GST_STATE_PLAYING, GST_STATE_NULL };
  guint i;

  for (i = 0; i < n; i++)
    {
      fail_if (gst_element_set_state (pipeline, states[i % 5])
               == GST_STATE_CHANGE_FAILURE);
      if (i % 3 == 0)
        g_thread_yield ();
    }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
}

/* While there is no such slot, and while there is one. */
GST_START_TEST (states_in_any_order_while_asking)
{
  GstElement *pipeline = gst_pipeline_new (NULL);
  GstElement *src = fct_elsewhere_new (FCT_BUS, NULL, NULL);
  GstElement *sink = fct_new ("fakesink", NULL);
  FctRegistry *registry = fct_registry_begin (FCT_OPENS);
  GstHarness *writer;
  FctUsage before, after;
  guint asked;

  gst_bin_add_many (GST_BIN (pipeline), src, sink, NULL);
  fail_unless (gst_element_link (src, sink));
  go_through_states (pipeline, 100);
  asked = fct_registry_answered (registry);
  FCT_WAIT (fct_registry_answered (registry) > asked);
  writer = fct_writer ();
  fct_push_some (writer, 0, 1);
  fct_wait_attached ();
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fct_usage_get (&before);
  go_through_states (pipeline, 300);
  fct_wait_attached ();
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fct_usage_settle (&after, before.descriptors);
  gst_object_unref (pipeline);
  fct_stop (writer);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Starting one --------------------------------------------------------- */

static gboolean
was_started (void)
{
  gchar *path = g_build_filename (g_getenv ("FC_DIR"), "started", NULL);
  gboolean is = g_file_test (path, G_FILE_TEST_EXISTS);

  g_free (path);
  return is;
}

GST_START_TEST (registry_is_started_only_where_the_bus_is_asked_for)
{
  gchar *command
      = g_strdup_printf ("/bin/sh -c \": > %s/started\"", g_getenv ("FC_DIR"));
  GstElement *element = fct_elsewhere_new (FCT_AUTO, "wait-for-slot", "0");
  GstBus *bus = fct_bus (element);
  GstHarness *src;

  fct_bus_activates (command);
  fct_bus_start (SESSION);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "elsewhere");
  fct_stop (src);
  fct_bus_free (bus);
  fail_if (was_started ());
  src = fct_elsewhere_reader (FCT_BUS);
  FCT_WAIT (was_started ());
  fct_stop (src);
  g_free (command);
}
GST_END_TEST

static Suite *
ask_suite (void)
{
  Suite *suite = suite_create ("ask");
  TCase *tc = tcase_create ("ask");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_checked_fixture (tc, fct_bus_set_up, NULL);
  tcase_add_test (tc, reader_first);
  tcase_add_test (tc, reader_first_with_a_directory);
  tcase_add_test (tc, told_of_the_slot_it_asks_at_once);
  tcase_add_test (tc, slot_comes_by_the_directory_after_all);
  tcase_add_test (tc, registry_comes_later);
  tcase_add_test (tc, registry_comes_later_with_a_directory);
  tcase_add_test (tc, bus_comes_later);
  tcase_add_test (tc, registry_killed_while_it_is_asked);
  tcase_add_test (tc, slot_never_came);
  tcase_add_test (tc, looking_once_asks_once);
  tcase_add_test (tc, looking_once_asks_once_with_a_directory);
  tcase_add_test (tc, stopped_while_the_registry_is_silent);
  tcase_add_test (tc, stopped_while_the_bus_is_silent);
  tcase_add_test (tc, states_in_any_order_while_asking);
  tcase_add_test (tc, registry_is_started_only_where_the_bus_is_asked_for);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, ask_suite);
}
