/* framecache: fcsrc comes by its slot on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The slot directory of the readers here is not the writers': they see a slot
 * only by a registry, which in these tests does what it is told.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-registry.h"

#define SESSION G_BUS_TYPE_SESSION
#define SYSTEM G_BUS_TYPE_SYSTEM

/* How many of this process's descriptors are of a file with PART in its
 * name. */
static guint
count_open (const gchar *part)
{
  GDir *dir = g_dir_open ("/proc/self/fd", 0, NULL);
  const gchar *fd;
  guint n = 0;

  while ((fd = g_dir_read_name (dir)) != NULL)
    {
      gchar *path = g_build_filename ("/proc/self/fd", fd, NULL);
      gchar *file = g_file_read_link (path, NULL);

      n += file != NULL && strstr (file, part) != NULL;
      g_free (file);
      g_free (path);
    }
  g_dir_close (dir);
  return n;
}

/* What comes by the bus ------------------------------------------------ */

static void
read_by (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OPENS);
  sink = fct_writer ();
  fct_push_some (sink, 0, 3);
  src = fct_elsewhere_reader (attach);
  fct_wait_attached ();
  fct_push_some (sink, 3, 10);
  fct_pull_some (src, 3, 10);
  fct_lost_nothing (src);
  fail_unless (fct_stat (src->element, "leased") > 0);
  fail_unless_equals_int (fct_consumers ("cam0"), 1);
  fct_stop (src);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (by_the_bus) { read_by (FCT_BUS); }
GST_END_TEST

GST_START_TEST (by_the_bus_where_the_directory_has_none) { read_by (FCT_AUTO); }
GST_END_TEST

GST_START_TEST (directory_goes_first)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OPENS);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_reader (NULL, 0);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fail_unless_equals_int (fct_registry_asked (registry), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (directory_alone)
{
  GstElement *element
      = fct_elsewhere_new (FCT_DIRECTORY, "wait-for-slot", "200000000");
  GstBus *bus = fct_bus (element);
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OPENS);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "elsewhere");
  fail_unless_equals_int (fct_registry_asked (registry), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
  fct_registry_kill (registry);
}
GST_END_TEST

/* A slot of the same name somewhere else is another one. */
GST_START_TEST (registry_of_another_directory)
{
  GstElement *element
      = fct_elsewhere_new (FCT_AUTO, "wait-for-slot", "100000000");
  GstBus *bus = fct_bus (element);
  FctRegistry *registry = fct_registry_begin (FCT_OPENS);
  GstHarness *sink = fct_writer (), *src;

  fct_registry_set_directory (registry, g_getenv ("FC_DIR"));
  fct_push_some (sink, 0, 1);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "elsewhere");
  fail_unless_equals_int (fct_registry_asked (registry), 0);
  fct_stop (src);
  fct_bus_free (bus);
  src = fct_elsewhere_reader (FCT_BUS);
  fct_wait_attached ();
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Who names none reads what there is. */
GST_START_TEST (registry_of_whatever_directory)
{
  FctRegistry *registry = fct_registry_begin (FCT_OPENS);
  gchar *dir = g_strdup (g_getenv ("FC_DIR"));
  GstHarness *src;

  g_unsetenv ("FC_DIR");
  src = fct_src_harness (fct_new ("fcsrc", "slot", "fc-gst-test-none", NULL));
  FCT_WAIT (fct_registry_asked (registry) > 0);
  fct_stop (src);
  g_setenv ("FC_DIR", dir, TRUE);
  g_free (dir);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Of two that have the slot; the other is not asked. */
GST_START_TEST (session_bus_goes_first)
{
  FctRegistry *registry, *other;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OPENS);
  fct_bus_start (SYSTEM);
  other = fct_registry_start (SYSTEM, FCT_OPENS);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fail_unless_equals_int (fct_registry_answered (registry), 1);
  fail_unless_equals_int (fct_registry_asked (other), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (other);
  fct_registry_kill (registry);
}
GST_END_TEST

/* The registry there has no such slot; there is no session bus at all. */
static void
read_by_system_bus (gboolean other_registry)
{
  FctRegistry *registry, *other = NULL;
  GstHarness *sink, *src;

  fct_bus_start (SYSTEM);
  registry = fct_registry_start (SYSTEM, FCT_OPENS);
  if (other_registry)
    {
      other = fct_registry_begin (FCT_GIVES_NONE);
    }
  else
    {
      g_unsetenv ("DBUS_SESSION_BUS_ADDRESS");
      g_unsetenv ("XDG_RUNTIME_DIR");
    }
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  if (other != NULL)
    fct_registry_kill (other);
  fct_registry_kill (registry);
}

GST_START_TEST (system_bus_where_the_session_has_none)
{
  read_by_system_bus (TRUE);
}
GST_END_TEST

GST_START_TEST (system_bus_where_there_is_no_session)
{
  read_by_system_bus (FALSE);
}
GST_END_TEST

GST_START_TEST (observer_where_no_table_is_given)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_OBSERVES);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_src_harness (
      fct_elsewhere_new (FCT_BUS, "start", "oldest")); /* the history */
  fct_pull_some (src, 0, 1);
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "copied"), 4);
  fail_unless_equals_int (fct_consumers ("cam0"), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Frames do without it: no connection and no thread is left, nor a copy of the
 * table's descriptor but libfc's. */
GST_START_TEST (nothing_is_kept_of_the_bus)
{
  FctRegistry *registry;
  GstHarness *sink, *src;
  GPid bus;

  bus = fct_bus_start (SESSION);
  registry = fct_registry_start (SESSION, FCT_OPENS);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  fct_wait_attached ();
  FCT_WAIT (fct_count_threads ("fc-bus") == 0);
  FCT_WAIT (count_open (".consumers") == 2); /* the writer's, and that */
  fct_registry_kill (registry);
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_kill (bus);
  fct_push_some (sink, 4, 3);
  fct_pull_some (src, 4, 3);
  fct_lost_nothing (src);
  fct_stop (src);
  FCT_WAIT (count_open (".consumers") == 1);
  fct_stop (sink);
}
GST_END_TEST

/* Generations and writers ---------------------------------------------- */

GST_START_TEST (new_generation_goes_on_at_the_cursor)
{
  FctRegistry *registry;
  GstHarness *sink, *src;
  guint i;

  registry = fct_registry_begin (FCT_OPENS);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  fct_wait_attached ();
  for (i = 0; i < 20; i++)
    {
      fct_push_caps (sink, i % 2 ? FCT_DATA ",n=1" : FCT_DATA ",n=2");
      fct_push_some (sink, 1 + 10 * i, 10);
      fct_pull_some (src, 1 + 10 * i, 10);
    }
  fct_lost_nothing (src);
  fail_unless_equals_uint64 (fct_stat (src->element, "reconnects"), 20);
  fail_unless (fct_registry_answered (registry) >= 21);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (next_writer_after_the_end)
{
  FctRegistry *registry;
  GstHarness *sink, *src;
  guint i;

  registry = fct_registry_begin (FCT_OPENS);
  src = fct_src_harness (fct_elsewhere_new (FCT_BUS, "on-eos", "wait"));
  for (i = 0; i < 5; i++)
    {
      guint answered = fct_registry_answered (registry);

      FCT_WAIT (fct_registry_answered (registry) > answered); /* not found */
      sink = fct_writer ();
      fct_push_some (sink, 0, 5);
      fct_registry_announce (registry, "cam0");
      fct_pull_some (src, 0, 5);
      fct_stop (sink);
    }
  fct_lost_nothing (src);
  fct_stop (src);
  fct_registry_kill (registry);
}
GST_END_TEST

/* The same ring goes on, which the bus does not tell. */
GST_START_TEST (reserved_slot_goes_on_after_the_end)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  FctRegistry *registry;
  GstHarness *sink, *src;
  guint i;

  options.frame_size = 1000;
  fail_unless_equals_int (fc_slot_reserve ("cam0", &options), 0);
  registry = fct_registry_begin (FCT_OPENS);
  src = fct_src_harness (fct_elsewhere_new (FCT_BUS, "on-eos", "wait"));
  fct_wait_attached ();
  for (i = 0; i < 3; i++)
    {
      sink = fct_writer ();
      fct_push_some (sink, 5 * i, 5);
      fct_pull_some (src, 5 * i, 5);
      fct_stop (sink);
    }
  fct_lost_nothing (src);
  fct_stop (src);
  fct_registry_kill (registry);
}
GST_END_TEST

/* What a registry may say ----------------------------------------------- */

GST_START_TEST (refusal_is_the_registrys_sentence)
{
  GstElement *element = fct_elsewhere_new (FCT_AUTO, NULL, NULL);
  GstBus *bus = fct_bus (element);
  FctRegistry *registry;
  GstHarness *src;

  registry = fct_registry_begin (FCT_REFUSES);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_AUTHORIZED, FCT_REFUSAL);
  fct_stop (src);
  fct_bus_free (bus);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (no_descriptor_is_no_answer)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = fct_registry_begin (FCT_GIVES_NONE);
  sink = fct_writer ();
  fct_push_some (sink, 0, 1);
  src = fct_elsewhere_reader (FCT_BUS);
  FCT_WAIT (fct_registry_answered (registry) > 2);
  fct_registry_set_mode (registry, FCT_OPENS);
  fct_wait_attached ();
  fct_push_some (sink, 1, 3);
  fct_pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (what_is_no_ring_is_an_error)
{
  GstElement *element = fct_elsewhere_new (FCT_BUS, NULL, NULL);
  GstBus *bus = fct_bus (element);
  FctRegistry *registry;
  GstHarness *src;

  registry = fct_registry_begin (FCT_GIVES_PIPE);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_OPEN_READ, "ring");
  fct_stop (src);
  fct_bus_free (bus);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Namespaces ------------------------------------------------------------ */

#define VIDEO(format)                                                          \
  "videotestsrc is-live=true ! video/x-raw,format=" format ",width=64,"        \
  "height=48,framerate=100/1 ! fcsink slot=cam0 ring-depth=50 access=all"

static int
add_delivered (const fc_consumer_stat_t *stat, void *user_data)
{
  *(guint64 *) user_data += stat->delivered;
  return 0;
}

static guint64
delivered (void)
{
  guint64 frames = 0;

  fc_slot_consumers (NULL, "cam0", add_delivered, &frames);
  return frames;
}

/* gst-launch-1.0 where an empty file system hides the slot directory. */
static GPid
launch_elsewhere (const gchar *prefix, const gchar *line)
{
  return fct_spawn ("%sunshare -rm /bin/sh -c \"mount -t tmpfs none $FC_DIR &&"
                    " exec gst-launch-1.0 -q %s\"",
                    prefix, line);
}

/* By a writer that is killed, and one that comes with another format. */
GST_START_TEST (reader_in_another_mount_namespace)
{
  FctRegistry *registry = fct_registry_begin (FCT_OPENS);
  GPid reader, writer;

  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  fct_registry_set_directory (registry, g_getenv ("FC_DIR"));
  reader = launch_elsewhere ("", "fcsrc slot=cam0 ! fakesink");
  FCT_WAIT (fct_registry_answered (registry) > 0);
  writer = fct_launch (VIDEO ("I420"));
  FCT_WAIT (delivered () > 50);
  fct_kill (writer);
  writer = fct_launch (VIDEO ("I420"));
  FCT_WAIT (delivered () > 100);
  fail_unless_equals_int (fct_registry_opened (registry), 1);
  fct_kill (writer);
  writer = fct_launch (VIDEO ("RGB"));
  FCT_WAIT (fct_registry_opened (registry) == 2);
  FCT_WAIT (delivered () > 50);
  fct_kill (reader);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_kill (writer);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Who is not root outside, and is known to the bus by what the kernel says;
 * and does not trust the writer, who is. */
GST_START_TEST (another_user_in_another_user_namespace)
{
  FctRegistry *registry;
  GPid reader, writer;
  gchar *bus;

  g_assert_cmpint (chmod (g_getenv ("FC_TEST_BASE"), 0755), ==, 0);
  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  registry = fct_registry_begin (FCT_OPENS);
  bus = g_strdup_printf ("%s.bus/session", g_getenv ("FC_DIR"));
  g_assert_cmpint (chmod (bus, 0666), ==, 0);
  writer = fct_launch (VIDEO ("I420"));
  FCT_WAIT (fct_slot_stat ("cam0", &(fc_slot_stat_t){ 0 }));
  reader = launch_elsewhere (
      "setpriv --reuid=65534 --clear-groups env GST_REGISTRY_UPDATE=no ",
      "fcsrc slot=cam0 attach=bus num-buffers=50 ! fakesink");
  fct_finished (reader);
  fail_unless_equals_int (fct_registry_opened (registry), 1);
  fct_kill (writer);
  fct_registry_kill (registry);
  g_free (bus);
}
GST_END_TEST

static Suite *
bus_suite (void)
{
  Suite *suite = suite_create ("bus");
  TCase *tc = tcase_create ("bus");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_checked_fixture (tc, fct_bus_set_up, NULL);
  tcase_add_test (tc, by_the_bus);
  tcase_add_test (tc, by_the_bus_where_the_directory_has_none);
  tcase_add_test (tc, directory_goes_first);
  tcase_add_test (tc, directory_alone);
  tcase_add_test (tc, registry_of_another_directory);
  tcase_add_test (tc, registry_of_whatever_directory);
  tcase_add_test (tc, session_bus_goes_first);
  tcase_add_test (tc, system_bus_where_the_session_has_none);
  tcase_add_test (tc, system_bus_where_there_is_no_session);
  tcase_add_test (tc, observer_where_no_table_is_given);
  tcase_add_test (tc, nothing_is_kept_of_the_bus);
  tcase_add_test (tc, new_generation_goes_on_at_the_cursor);
  tcase_add_test (tc, next_writer_after_the_end);
  tcase_add_test (tc, reserved_slot_goes_on_after_the_end);
  tcase_add_test (tc, refusal_is_the_registrys_sentence);
  tcase_add_test (tc, no_descriptor_is_no_answer);
  tcase_add_test (tc, what_is_no_ring_is_an_error);
  tcase_add_test (tc, reader_in_another_mount_namespace);
  if (geteuid () == 0)
    tcase_add_test (tc, another_user_in_another_user_namespace);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, bus_suite);
}
