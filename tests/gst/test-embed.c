/* framecache: the elements in programs that fork, and that load modules
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fc-gst-line.h"
#include "fc-gst-watch.h"

#define READER                                                                 \
  "fcsrc slot=cam0 start=oldest timestamps=stream ! fakesink name=sink "       \
  "sync=false"

static GstElement *
play (const gchar *line)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

static void
end (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

/* Within FCT_PATIENCE. */
static int
reap (pid_t pid)
{
  int status = 0;

  FCT_WAIT (waitpid (pid, &status, WNOHANG) == pid);
  return status;
}

static void
close_descriptors (int but)
{
  int fd;

  for (fd = 3; fd < 1000; fd++)
    if (fd != but)
      close (fd);
}

/* Forking -------------------------------------------------------------- */

/* Not by exit (): there GStreamer's test library ends GStreamer, which waits
 * for threads that a child has not. */
static void
end_a_child (int way)
{
  if (way == 0)
    _exit (0);
  if (way == 1)
    abort ();
  close_descriptors (-1);
  _exit (0);
}

/* What programs do that know nothing of the pipelines in them. */
GST_START_TEST (children_leave_pipelines_alone)
{
  GstElement *writer = play (FCT_WRITER), *reader = play (READER);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (reader), "sink");
  FctWatch *watch = fct_watch_new (sink, "sink");
  int way;

  for (way = 0; way < 3; way++)
    {
      pid_t pid;

      fct_watch_await (watch, fct_watch_get (watch, &watch->buffers) + 10);
      pid = fork ();
      if (pid == 0)
        end_a_child (way);
      reap (pid);
      fct_watch_await (watch, fct_watch_get (watch, &watch->buffers) + 10);
    }
  fail_unless_equals_uint64 (fct_watch_get (watch, &watch->missing), 0);
  fail_unless_equals_uint64 (fct_watch_get (watch, &watch->disconts), 1);
  fail_unless_equals_int (fct_consumers ("cam0"), 1);
  fct_watch_free (watch);
  gst_object_unref (sink);
  end (reader);
  end (writer);
}
GST_END_TEST

/* A program with a writing pipeline that has a child; tells the child's pid. */
static void
be_a_program_with_a_child (int fd)
{
  fc_slot_stat_t stat;
  pid_t pid;

  play (FCT_WRITER);
  FCT_WAIT (fct_slot_stat ("cam0", &stat) && stat.head > 0);
  pid = fork ();
  if (pid == 0)
    {
      close_descriptors (fd);
      pid = getpid ();
      if (write (fd, &pid, sizeof pid) != sizeof pid)
        _exit (1);
    }
  for (;;)
    pause ();
}

GST_START_TEST (programs_death_is_seen_while_its_child_lives)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src;
  pid_t pid, child;
  int fd[2];

  g_assert_cmpint (pipe (fd), ==, 0);
  pid = fork ();
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      be_a_program_with_a_child (fd[1]);
    }
  g_assert_cmpint (read (fd[0], &child, sizeof child), ==, sizeof child);
  src = fct_src_harness (element);
  gst_buffer_unref (gst_harness_pull (src));
  kill (pid, SIGKILL);
  reap (pid);
  gst_message_unref (fct_message (bus, "fc-writer-lost"));
  fail_unless_equals_int (kill (child, 0), 0);
  kill (child, SIGKILL);
  fct_stop (src);
  fct_bus_free (bus);
}
GST_END_TEST

/* Time namespaces ------------------------------------------------------ */

/* What was captured in a container whose clock is ahead, or behind, has the
 * reader's time: no frame is from long ago or yet to come. */
GST_START_TEST (writer_in_another_time_namespace)
{
  gint64 uptime = g_get_monotonic_time () / G_USEC_PER_SEC;
  const gint64 offset[] = { 1000000, -uptime / 2 };
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (offset); i++)
    {
      GstClockTime begin = gst_util_get_timestamp ();
      GPid pid = fct_spawn ("unshare --time --monotonic %" G_GINT64_FORMAT
                            " --fork --kill-child gst-launch-1.0 -q %s",
                            offset[i], FCT_WRITER);
      GstElement *element = fct_new ("fcsrc", "slot", "cam0", NULL);
      GstHarness *src = fct_src_harness (element);

      for (k = 0; k < 10; k++)
        {
          GstBuffer *buffer = gst_harness_pull (src);

          fail_unless (buffer != NULL, "no frame came");
          /* the harness's base time is 0, its clock CLOCK_MONOTONIC */
          fail_unless (GST_BUFFER_PTS (buffer) >= begin);
          fail_unless (GST_BUFFER_PTS (buffer) <= gst_util_get_timestamp ());
          gst_buffer_unref (buffer);
        }
      fail_unless_equals_uint64 (fct_stat (element, "skipped"), 0);
      fct_stop (src);
      fct_kill (pid);
      /* its child, a moment later */
      FCT_WAIT (fc_slot_gc (NULL, "cam0", 0) == 1);
    }
}
GST_END_TEST

/* Modules -------------------------------------------------------------- */

static gchar *
plugin_path (void)
{
  GstPlugin *plugin = gst_registry_find_plugin (gst_registry_get (), "fc");
  gchar *path;

  g_assert_nonnull (plugin);
  path = g_strdup (gst_plugin_get_filename (plugin));
  gst_object_unref (plugin);
  return path;
}

/* An application that loads its plug-ins itself, and unloads them. */
GST_START_TEST (plugin_that_is_unloaded_stays)
{
  gchar *path = plugin_path ();
  void *module = dlopen (path, RTLD_NOW | RTLD_LOCAL), *get_desc;
  const GstPluginDesc *(*desc_of) (void);
  const GstPluginDesc *desc;
  GstHarness *sink, *src;

  fail_unless (module != NULL, "%s", dlerror ());
  get_desc = dlsym (module, "gst_plugin_fc_get_desc");
  g_assert_nonnull (get_desc);
  memcpy (&desc_of, &get_desc, sizeof get_desc);
  desc = desc_of ();
  fail_unless (gst_plugin_register_static (
      desc->major_version, desc->minor_version, "fc-by-hand", desc->description,
      desc->plugin_init, desc->version, desc->license, desc->source,
      desc->package, desc->origin));
  g_assert_cmpint (dlclose (module), ==, 0);
  fct_both (&sink, &src);
  fct_push (sink, 0, 100);
  fct_pull (src, 0, 100);
  fct_stop (src);
  fct_stop (sink);
  g_free (path);
}
GST_END_TEST

/* A registry of plug-ins is made by loading each, in a forked helper or not:
 * that makes no slot, and finds the same. */
GST_START_TEST (looked_at_by_a_scanner)
{
  static const gchar *const fork[] = { "yes", "no" };
  fc_slot_stat_t stat;
  guint i;

  for (i = 0; i < 2; i++)
    {
      gchar *registry = g_strdup_printf ("%s/registry-%s.bin",
                                         g_getenv ("FC_TEST_BASE"), fork[i]);

      g_setenv ("GST_REGISTRY_1_0", registry, TRUE);
      g_setenv ("GST_REGISTRY_FORK", fork[i], TRUE);
      fct_finished (fct_spawn ("sh -c 'gst-inspect-1.0 fcsink >/dev/null'"));
      fct_finished (fct_spawn ("sh -c 'gst-inspect-1.0 fcsrc >/dev/null'"));
      fail_unless (g_file_test (registry, G_FILE_TEST_EXISTS));
      g_free (registry);
    }
  fail_if (fct_slot_stat ("cam0", &stat));
  /* nothing at all */
  g_assert_cmpint (rmdir (g_getenv ("FC_DIR")), ==, 0);
}
GST_END_TEST

static Suite *
embed_suite (void)
{
  Suite *suite = suite_create ("embed");
  TCase *tc = tcase_create ("embed");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, children_leave_pipelines_alone);
  tcase_add_test (tc, programs_death_is_seen_while_its_child_lives);
  if (geteuid () == 0
      && g_file_test ("/proc/self/timens_offsets", G_FILE_TEST_EXISTS))
    tcase_add_test (tc, writer_in_another_time_namespace);
  tcase_add_test (tc, plugin_that_is_unloaded_stays);
  tcase_add_test (tc, looked_at_by_a_scanner);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, embed_suite);
}
