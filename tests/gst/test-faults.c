/* framecache: the elements when the system has no more, or stands still
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fc-gst-usage.h"

#define VIDEO                                                                  \
  "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=32,height=32,"   \
  "framerate=100/1 ! fcsink slot=cam0 ring-depth=50"

/* Descriptors ---------------------------------------------------------- */

static void
set_limit (rlim_t descriptors)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = MIN (descriptors, limit.rlim_max);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}

/* The largest limit that leaves room for MORE descriptors: other threads can
 * poll no more of them than it says. */
static rlim_t
room_for (guint more)
{
  rlim_t limit = 0;

  for (;; limit++)
    if (fcntl ((int) limit, F_GETFD) < 0 && more-- == 0)
      return limit;
}

/* The error of an element that found none says what is missing; FALSE where
 * there is no error. */
static gboolean
has_error (GstBus *bus)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  GError *error;

  if (message == NULL)
    return FALSE;
  gst_message_parse_error (message, &error, NULL);
  fail_unless (error->domain == GST_RESOURCE_ERROR
                   && strstr (error->message, "Too many open files") != NULL,
               "another error: %s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  return TRUE;
}

/* As many as it takes, from none on. */
GST_START_TEST (sink_without_descriptors)
{
  guint failures = 0, more;
  FctUsage before, after;
  GstFlowReturn flow;

  fct_usage_get (&before);
  for (more = 0, flow = GST_FLOW_ERROR; flow != GST_FLOW_OK; more++)
    {
      GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
      GstBus *bus = fct_bus (sink);
      GstHarness *h = fct_sink_harness (sink, FCT_DATA);

      fail_unless (more < 50, "never enough");
      set_limit (room_for (more));
      flow = gst_harness_push (h, fct_buffer (0, 100));
      set_limit (RLIM_INFINITY);
      if (flow != GST_FLOW_OK)
        {
          fail_unless (has_error (bus), "it failed without an error");
          failures++;
        }
      fct_stop (h);
      fct_bus_free (bus);
    }
  fail_unless (failures > 0);
  fct_usage_settle (&after, before.descriptors);
  fail_unless_equals_int (fc_slot_gc (NULL, NULL, 0), 0);
}
GST_END_TEST

GST_START_TEST (src_without_descriptors)
{
  GstHarness *sink = fct_writer ();
  guint failures = 0, more;
  FctUsage before, after;
  gboolean ok;

  fct_push (sink, 0, 100);
  fct_usage_get (&before);
  for (more = 0, ok = FALSE; !ok; more++)
    {
      GstElement *src
          = fct_new ("fcsrc", "slot", "cam0", "directory", g_getenv ("FC_DIR"),
                     "start", 2 /* oldest */, NULL);
      GstBus *bus = fct_bus (src);
      GstHarness *h = gst_harness_new_with_element (src, NULL, "src");
      gboolean failed = FALSE;

      gst_object_unref (src);
      fail_unless (more < 50, "never enough");
      set_limit (room_for (more));
      gst_element_set_state (src, GST_STATE_PLAYING);
      FCT_WAIT (gst_harness_buffers_received (h) > 0
                || (failed = has_error (bus)));
      set_limit (RLIM_INFINITY);
      ok = !failed;
      failures += failed;
      fct_stop (h);
      fct_bus_free (bus);
    }
  fail_unless (failures > 0);
  fct_usage_settle (&after, before.descriptors);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_stop (sink);
}
GST_END_TEST

/* Memory --------------------------------------------------------------- */

/* The slot directory, on a file system of its own of 2 MiB. */
static void
mount_small (void)
{
  g_assert_cmpint (unshare (CLONE_NEWNS), ==, 0);
  g_assert_cmpint (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL), ==,
                   0);
  g_assert_cmpint (
      mount ("none", g_getenv ("FC_DIR"), "tmpfs", 0, "mode=0700,size=2m"), ==,
      0);
}

static gchar *
filler_path (void)
{
  return g_build_filename (g_getenv ("FC_DIR"), "filler", NULL);
}

/* Take all that is left. */
static void
fill (void)
{
  gchar *path = filler_path ();
  int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  static const char bytes[4096];

  g_assert_cmpint (fd, >=, 0);
  while (write (fd, bytes, sizeof bytes) > 0)
    ;
  g_assert_cmpint (errno, ==, ENOSPC);
  close (fd);
  g_free (path);
}

static void
empty (void)
{
  gchar *path = filler_path ();

  g_assert_cmpint (unlink (path), ==, 0);
  g_free (path);
}

#define SIZE 60000
#define READERS 3
#define LEASED 3 /* by each, the others are copied */

static GstHarness *
small_writer (void)
{
  return fct_sink_harness (fct_new ("fcsink", "slot", "cam0", "ring-depth", 8,
                                    "frame-size", SIZE, NULL),
                           FCT_DATA);
}

/* More is leased than there are cells, and no more to be had: the history is
 * shorter for a while, and each frame passes. */
GST_START_TEST (no_memory_for_more_leases)
{
  GstHarness *sink, *src[READERS];
  guint64 shortened;
  guint i, k, n;

  mount_small ();
  sink = small_writer ();
  fct_push (sink, 0, SIZE);
  fill ();
  /* Each leases other frames: those that are the newest when it comes. */
  for (k = 1; k < 40; k++)
    {
      n = MIN ((k - 1) / LEASED + 1, READERS);
      if ((k - 1) / LEASED < READERS && (k - 1) % LEASED == 0)
        src[n - 1] = fct_reader (NULL, 0);
      FCT_WAIT (fct_waiting ("cam0") == n);
      fct_push (sink, k, SIZE);
      for (i = 0; i < n; i++)
        FCT_WAIT (gst_harness_buffers_received (src[i]) == k - i * LEASED);
    }
  shortened = fct_stat (sink->element, "history-shortened");
  fail_unless (shortened > 0);
  fail_unless_equals_uint64 (fct_stat (sink->element, "dropped"), 0);
  for (i = 0; i < READERS; i++)
    {
      for (k = 1 + i * LEASED; k < 40; k++)
        fct_pull (src[i], k, SIZE);
      fail_unless_equals_uint64 (fct_stat (src[i]->element, "dropped"), 0);
      fct_stop (src[i]);
    }
  empty ();
  fct_stop (sink);
}
GST_END_TEST

/* Until there is memory again. */
GST_START_TEST (no_memory_for_other_caps)
{
  GstElement *element;
  GstHarness *sink, *src;
  GstBus *bus;

  mount_small ();
  sink = small_writer ();
  element = sink->element;
  bus = fct_bus (element);
  fct_push (sink, 0, SIZE);
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 1, SIZE);
  fct_pull (src, 1, SIZE);
  fill ();
  g_object_set (element, "frame-size", 8 * SIZE, NULL);
  fct_push_caps (sink, "application/x-other");
  fail_unless_equals_int (gst_harness_push (sink, fct_buffer (2, SIZE)),
                          GST_FLOW_ERROR);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "bytes needed");
  empty ();
  g_object_set (element, "frame-size", SIZE, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_state (element, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (sink, "application/x-other");
  fct_push (sink, 3, SIZE);
  fct_pull (src, 3, SIZE);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
}
GST_END_TEST

/* Processes ------------------------------------------------------------ */

/* Whole programs, each killed while it starts, runs or waits: what is left is
 * taken over or collected. FC_TEST_SOAK is how many die. */
GST_START_TEST (killed_at_any_moment)
{
  const gchar *soak = g_getenv ("FC_TEST_SOAK"),
              *seed = g_getenv ("FC_TEST_SEED");
  guint32 number = seed != NULL ? (guint32) atol (seed) : g_random_int ();
  GRand *random = g_rand_new_with_seed (number);
  guint rounds = soak != NULL ? (guint) atoi (soak) : 12, i;
  GPid pid[2] = { 0, 0 };
  GstHarness *src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", NULL));
  GstBuffer *buffer;

  g_printerr ("seed %u\n", number);
  for (i = 0; i < rounds; i++)
    {
      guint k = (guint) g_rand_int_range (random, 0, 2);

      if (pid[0] == 0)
        pid[0] = fct_launch (VIDEO);
      if (pid[1] == 0)
        pid[1] = fct_launch ("fcsrc slot=cam0 ! fakesink");
      g_usleep ((gulong) g_rand_int_range (random, 0, 400000));
      fct_kill (pid[k]);
      pid[k] = 0;
    }
  if (pid[0] == 0)
    pid[0] = fct_launch (VIDEO);
  while ((buffer = gst_harness_try_pull (src)) != NULL)
    gst_buffer_unref (buffer);
  gst_buffer_unref (gst_harness_pull (src));
  if (pid[1] != 0)
    fct_kill (pid[1]);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  fct_kill (pid[0]);
  fct_stop (src);
  fail_unless (fc_slot_gc (NULL, NULL, 0) >= 1);
  g_assert_cmpint (rmdir (g_getenv ("FC_DIR")), ==, 0);
  g_rand_free (random);
}
GST_END_TEST

static void
stop (GPid pid)
{
  int status;

  g_assert_cmpint (kill (pid, SIGSTOP), ==, 0);
  g_assert_cmpint (waitpid (pid, &status, WUNTRACED), ==, pid);
}

/* A program that stands still holds up no other's states, and is not taken for
 * a dead one. */
GST_START_TEST (states_beside_a_stopped_writer)
{
  static const GstState states[]
      = { GST_STATE_PAUSED,  GST_STATE_PLAYING, GST_STATE_READY,
          GST_STATE_PLAYING, GST_STATE_NULL,    GST_STATE_PLAYING };
  GPid pid = fct_launch (VIDEO);
  GstElement *src = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (src);
  GstHarness *h = fct_src_harness (src);
  guint received, i;

  gst_buffer_unref (gst_harness_pull (h));
  stop (pid);
  for (i = 0; i < G_N_ELEMENTS (states); i++)
    fail_if (gst_element_set_state (src, states[i])
             == GST_STATE_CHANGE_FAILURE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fail_unless (gst_bus_timed_pop_filtered (
                   bus, GST_SECOND, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR)
               == NULL);
  received = gst_harness_buffers_received (h);
  kill (pid, SIGCONT);
  FCT_WAIT (gst_harness_buffers_received (h) > received);
  fct_stop (h);
  fct_kill (pid);
  fct_bus_free (bus);
}
GST_END_TEST

GST_START_TEST (states_beside_a_stopped_reader)
{
  GPid pid = fct_launch ("fcsrc slot=cam0 ! fakesink");
  GstHarness *sink;
  guint i;

  sink = fct_writer ();
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 100);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  stop (pid);
  for (i = 1; i < 300; i++)
    fct_push (sink, i, 100);
  fct_push_caps (sink, "application/x-other");
  fct_push (sink, 300, 100);
  fct_stop (sink);
  sink = fct_writer ();
  fct_push (sink, 0, 100);
  kill (pid, SIGCONT);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  fct_stop (sink);
  fct_kill (pid);
}
GST_END_TEST

static Suite *
faults_suite (void)
{
  Suite *suite = suite_create ("faults");
  TCase *tc = tcase_create ("faults");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 3600);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, sink_without_descriptors);
  tcase_add_test (tc, src_without_descriptors);
  if (geteuid () == 0)
    {
      tcase_add_test (tc, no_memory_for_more_leases);
      tcase_add_test (tc, no_memory_for_other_caps);
    }
  tcase_add_test (tc, killed_at_any_moment);
  tcase_add_test (tc, states_beside_a_stopped_writer);
  tcase_add_test (tc, states_beside_a_stopped_reader);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, faults_suite);
}
