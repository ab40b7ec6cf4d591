/* framecache: following the slots that come and go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-devices.h"

static void
renew (fc_writer_t *writer, const gchar *caps)
{
  fc_writer_options_t options = fct_ring_of (caps);

  fail_unless_equals_int (fc_writer_renew (writer, &options), 1);
}

/* Types of extended messages can not be combined to a mask. That a device has
 * changed may come before that it is gone, for its writer ended first. */
static GstMessage *
next_message (GstDeviceMonitor *monitor, GstMessageType type)
{
  GstBus *bus = gst_device_monitor_get_bus (monitor);
  GstMessage *message;

  do
    {
      message = gst_bus_timed_pop (bus, FCT_PATIENCE * 1000);
      fail_unless (message != NULL, "no %s", gst_message_type_get_name (type));
      if (type == GST_MESSAGE_DEVICE_REMOVED
          && GST_MESSAGE_TYPE (message) == GST_MESSAGE_DEVICE_CHANGED)
        gst_clear_message (&message);
    }
  while (message == NULL);
  gst_object_unref (bus);
  return message;
}

/* The next message of a device, which is of this type and device. */
static GstDevice *
next (GstDeviceMonitor *monitor, GstMessageType type, const gchar *name)
{
  GstMessage *message = next_message (monitor, type);
  GstDevice *device;

  fail_unless (GST_MESSAGE_TYPE (message) == type, "%s of %s",
               GST_MESSAGE_TYPE_NAME (message), name);
  if (type == GST_MESSAGE_DEVICE_ADDED)
    gst_message_parse_device_added (message, &device);
  else if (type == GST_MESSAGE_DEVICE_REMOVED)
    gst_message_parse_device_removed (message, &device);
  else
    gst_message_parse_device_changed (message, &device, NULL);
  fct_expect_name (device, name);
  gst_message_unref (message);
  return device;
}

#define ADDED(monitor, name)                                                   \
  gst_object_unref (next (monitor, GST_MESSAGE_DEVICE_ADDED, name))
#define REMOVED(monitor, name)                                                 \
  gst_object_unref (next (monitor, GST_MESSAGE_DEVICE_REMOVED, name))

/* Changes come one by one, up to the one to this state. */
static void
changed_to (GstDeviceMonitor *monitor, const gchar *name, const gchar *state)
{
  gboolean there = FALSE;

  while (!there)
    {
      GstDevice *device = next (monitor, GST_MESSAGE_DEVICE_CHANGED, name);

      there = fct_has_state (device, state);
      gst_object_unref (device);
    }
}

/* What comes and goes -------------------------------------------------- */

GST_START_TEST (slots_come_and_go)
{
  fc_writer_t *first = fct_writer_of ("first", RAW), *second;
  GstDeviceMonitor *monitor = fct_monitor_start ("Source/Framecache", NULL);
  GstDevice *device;

  /* known as soon as it is started */
  fct_expect_names (monitor, "first");
  ADDED (monitor, "first");
  second = fct_writer_of ("second", AUDIO);
  device = next (monitor, GST_MESSAGE_DEVICE_ADDED, "second");
  fct_expect_caps (device, AUDIO);
  fail_unless (fct_has_state (device, "live"));
  gst_object_unref (device);
  fct_expect_names (monitor, "first second");
  fc_writer_close (first);
  REMOVED (monitor, "first");
  fct_expect_names (monitor, "second");
  first = fct_writer_of ("first", RAW);
  ADDED (monitor, "first");
  fc_writer_close (second);
  REMOVED (monitor, "second");
  fc_writer_close (first);
  REMOVED (monitor, "first");
  fct_expect_names (monitor, "");
  fct_monitor_stop (monitor);
}
GST_END_TEST

GST_START_TEST (other_caps_are_another_device)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  GstDevice *device;

  ADDED (monitor, "cam0");
  renew (writer, RAW_2);
  REMOVED (monitor, "cam0");
  device = next (monitor, GST_MESSAGE_DEVICE_ADDED, "cam0");
  fct_expect_caps (device, RAW_2);
  gst_object_unref (device);
  renew (writer, AUDIO);
  REMOVED (monitor, "cam0");
  device = next (monitor, GST_MESSAGE_DEVICE_ADDED, "cam0");
  fct_expect_class (device, "Audio/Source/Framecache");
  gst_object_unref (device);
  fct_monitor_stop (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

GST_START_TEST (filter_holds_when_caps_change)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", RAW);

  ADDED (monitor, "cam0");
  renew (writer, RAW_2);
  REMOVED (monitor, "cam0");
  fct_expect_names (monitor, "");
  renew (writer, RAW);
  ADDED (monitor, "cam0");
  fct_expect_names (monitor, "cam0");
  fct_monitor_stop (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

/* With the same caps it is the same device, and has changed. */
GST_START_TEST (other_geometry_is_a_change)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  fc_writer_options_t options = fct_ring_of (RAW);
  GstDevice *device;
  GstStructure *s;
  guint depth;

  ADDED (monitor, "cam0");
  options.ring_depth = 7;
  fail_unless_equals_int (fc_writer_renew (writer, &options), 1);
  device = next (monitor, GST_MESSAGE_DEVICE_CHANGED, "cam0");
  s = gst_device_get_properties (device);
  fail_unless (gst_structure_get_uint (s, "ring-depth", &depth));
  fail_unless_equals_int (depth, 7);
  gst_structure_free (s);
  gst_object_unref (device);
  fct_expect_names (monitor, "cam0");
  fct_monitor_stop (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

GST_START_TEST (writer_lost_and_back)
{
  const gchar *line = "videotestsrc is-live=true ! " RAW " ! fcsink slot=cam0";
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  GPid writer = fct_launch ("%s", line);

  ADDED (monitor, "cam0");
  fct_kill (writer);
  changed_to (monitor, "cam0", "writer-lost");
  writer = fct_launch ("%s", line);
  changed_to (monitor, "cam0", "live");
  fct_kill (writer);
  changed_to (monitor, "cam0", "writer-lost");
  fail_unless_equals_int (fc_slot_remove (NULL, "cam0", 0), 0);
  REMOVED (monitor, "cam0");
  fct_monitor_stop (monitor);
}
GST_END_TEST

GST_START_TEST (reserved_slot_before_with_and_after_its_writer)
{
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  fc_writer_options_t options = fct_ring_of (NULL);
  fc_writer_t *writer;
  GstDevice *device;

  fail_unless_equals_int (fc_slot_reserve ("cam0", &options), 0);
  device = next (monitor, GST_MESSAGE_DEVICE_ADDED, "cam0");
  fct_expect_class (device, "Source/Framecache");
  fct_expect_caps (device, "ANY");
  fail_unless (fct_has_state (device, "reserved"));
  gst_object_unref (device);
  writer = fct_writer_of ("cam0", RAW);
  REMOVED (monitor, "cam0");
  device = next (monitor, GST_MESSAGE_DEVICE_ADDED, "cam0");
  fct_expect_class (device, "Video/Source/Framecache");
  fct_expect_caps (device, RAW);
  gst_object_unref (device);
  fc_writer_close (writer);
  changed_to (monitor, "cam0", "eos");
  fail_unless_equals_int (fc_slot_remove (NULL, "cam0", 0), 0);
  REMOVED (monitor, "cam0");
  fct_monitor_stop (monitor);
}
GST_END_TEST

/* Other bytes take its name; a mode lets nobody in, which keeps all out but
 * root. */
GST_START_TEST (slot_that_is_damaged_goes)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  gchar *path = fct_in_dir ("cam0.ring");

  ADDED (monitor, "cam0");
  fct_put_file ("cam0.ring", "noise");
  REMOVED (monitor, "cam0");
  fc_writer_close (writer);
  (void) unlink (path);
  writer = fct_writer_of ("cam0", RAW);
  ADDED (monitor, "cam0");
  if (geteuid () != 0)
    {
      g_assert_cmpint (chmod (path, 0), ==, 0);
      REMOVED (monitor, "cam0");
      g_assert_cmpint (chmod (path, 0600), ==, 0);
      ADDED (monitor, "cam0");
    }
  fct_monitor_stop (monitor);
  fc_writer_close (writer);
  g_free (path);
}
GST_END_TEST

/* Step by step, all at once, gone, and there again. */
GST_START_TEST (directory_comes_and_goes)
{
  gchar *base = g_strdup (g_getenv ("FC_DIR")), *a = fct_in_dir ("a"),
        *b = fct_in_dir ("a/b"), *c = fct_in_dir ("a/b/c"),
        *aside = fct_in_dir ("aside");
  GstDeviceMonitor *monitor;
  fc_writer_t *writer;
  guint i;

  g_setenv ("FC_DIR", c, TRUE);
  monitor = fct_monitor_start ("Framecache", NULL);
  fct_expect_names (monitor, "");
  for (i = 0; i < 20; i++)
    {
      g_assert_cmpint (g_mkdir_with_parents (c, 0700), ==, 0);
      writer = fct_writer_of ("cam0", RAW);
      ADDED (monitor, "cam0");
      /* moved away with what is in it, and back again */
      g_assert_cmpint (rename (c, aside), ==, 0);
      REMOVED (monitor, "cam0");
      g_assert_cmpint (rename (aside, c), ==, 0);
      ADDED (monitor, "cam0");
      fc_writer_close (writer);
      REMOVED (monitor, "cam0");
      fct_tear_down ();
      g_assert_cmpint (rmdir (b), ==, 0);
      g_assert_cmpint (rmdir (a), ==, 0);
    }
  fct_monitor_stop (monitor);
  g_setenv ("FC_DIR", base, TRUE);
  g_free (base);
  g_free (a);
  g_free (b);
  g_free (c);
  g_free (aside);
}
GST_END_TEST

GST_START_TEST (unsafe_directory_is_not_looked_in)
{
  const gchar *dir = g_getenv ("FC_DIR");
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);

  ADDED (monitor, "cam0");
  g_assert_cmpint (chmod (dir, 0777), ==, 0);
  REMOVED (monitor, "cam0");
  g_assert_cmpint (chmod (dir, 01777), ==, 0);
  ADDED (monitor, "cam0");
  fct_monitor_stop (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

static void
expect_many (GstDeviceMonitor *monitor, GstMessageType type, guint n)
{
  guint i;

  for (i = 0; i < n; i++)
    {
      GstMessage *message = next_message (monitor, type);

      fail_unless (GST_MESSAGE_TYPE (message) == type);
      gst_message_unref (message);
    }
}

GST_START_TEST (many_slots_at_once)
{
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  fc_writer_t *writers[100];
  guint i;

  for (i = 0; i < G_N_ELEMENTS (writers); i++)
    {
      gchar *name = g_strdup_printf ("cam%u", i);

      writers[i] = fct_writer_of (name, RAW);
      g_free (name);
    }
  expect_many (monitor, GST_MESSAGE_DEVICE_ADDED, G_N_ELEMENTS (writers));
  for (i = 0; i < G_N_ELEMENTS (writers); i++)
    fc_writer_close (writers[i]);
  expect_many (monitor, GST_MESSAGE_DEVICE_REMOVED, G_N_ELEMENTS (writers));
  fct_expect_names (monitor, "");
  fct_monitor_stop (monitor);
}
GST_END_TEST

/* Start and stop ------------------------------------------------------- */

static guint
entries_of (const gchar *path)
{
  DIR *stream = opendir (path);
  guint n = 0;

  g_assert_nonnull (stream);
  while (readdir (stream) != NULL)
    n++;
  closedir (stream);
  return n;
}

GST_START_TEST (started_and_stopped_a_thousand_times)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_new ("Framecache", NULL);
  guint fds = entries_of ("/proc/self/fd"), i;

  for (i = 0; i < 1000; i++)
    {
      fail_unless (gst_device_monitor_start (monitor));
      if (i % 100 == 0)
        fct_expect_names (monitor, "cam0");
      gst_device_monitor_stop (monitor);
    }
  fail_unless_equals_int (entries_of ("/proc/self/fd"), fds);
  fct_expect_names (monitor, "cam0");
  gst_object_unref (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

static gpointer
churn (gpointer user_data)
{
  gint *stop = user_data;
  guint i;

  for (i = 0; !g_atomic_int_get (stop); i++)
    {
      fc_writer_t *writer = fct_writer_of ("cam0", RAW);

      if (i % 2 == 0)
        renew (writer, RAW_2);
      fc_writer_close (writer);
    }
  return NULL;
}

GST_START_TEST (stopped_while_slots_come_and_go)
{
  GstDeviceMonitor *monitor = fct_monitor_new ("Framecache", NULL);
  gint stop = 0;
  GThread *thread = g_thread_new ("churn", churn, &stop);
  guint i;

  for (i = 0; i < 200; i++)
    {
      fail_unless (gst_device_monitor_start (monitor));
      g_free (fct_names_of (monitor));
      gst_device_monitor_stop (monitor);
    }
  g_atomic_int_set (&stop, 1);
  g_thread_join (thread);
  fail_unless (gst_device_monitor_start (monitor));
  fct_expect_names (monitor, "");
  fct_monitor_stop (monitor);
}
GST_END_TEST

/* How often the watch's thread gave up the processor by itself. */
static guint64
sleeps_of_watch (void)
{
  GDir *tasks = g_dir_open ("/proc/self/task", 0, NULL);
  guint64 sleeps = G_MAXUINT64;
  const gchar *task;

  while ((task = g_dir_read_name (tasks)) != NULL)
    {
      gchar *path = g_strdup_printf ("/proc/self/task/%s/status", task);
      gchar *text = NULL, *at;

      if (g_file_get_contents (path, &text, NULL, NULL)
          && strstr (text, "fc-slot-watch") != NULL
          && (at = strstr (text, "\nvoluntary_ctxt_switches:")) != NULL)
        sleeps = g_ascii_strtoull (strchr (at, ':') + 1, NULL, 10);
      g_free (text);
      g_free (path);
    }
  g_dir_close (tasks);
  return sleeps;
}

/* Frames are none of its business, nor are consumers. */
GST_START_TEST (asleep_while_frames_flow)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_start ("Framecache", NULL);
  GstHarness *src;
  GstBuffer *buffer;
  guint8 byte[64] = { 0 };
  guint64 sleeps;
  guint i;

  ADDED (monitor, "cam0");
  FCT_WAIT (sleeps_of_watch () != G_MAXUINT64);
  sleeps = sleeps_of_watch ();
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 500; i++)
    {
      fc_writer_write (writer, byte, 64, NULL, NULL);
      buffer = gst_harness_pull (src);
      fail_unless (buffer != NULL);
      gst_buffer_unref (buffer);
    }
  /* one for having gone to sleep in the meantime */
  fail_unless (sleeps_of_watch () <= sleeps + 1);
  fct_stop (src);
  fct_monitor_stop (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

static Suite *
monitor_suite (void)
{
  Suite *suite = suite_create ("monitor");
  TCase *tc = tcase_create ("monitor");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, slots_come_and_go);
  tcase_add_test (tc, other_caps_are_another_device);
  tcase_add_test (tc, filter_holds_when_caps_change);
  tcase_add_test (tc, other_geometry_is_a_change);
  tcase_add_test (tc, writer_lost_and_back);
  tcase_add_test (tc, reserved_slot_before_with_and_after_its_writer);
  tcase_add_test (tc, slot_that_is_damaged_goes);
  tcase_add_test (tc, directory_comes_and_goes);
  tcase_add_test (tc, unsafe_directory_is_not_looked_in);
  tcase_add_test (tc, many_slots_at_once);
  tcase_add_test (tc, started_and_stopped_a_thousand_times);
  tcase_add_test (tc, stopped_while_slots_come_and_go);
  tcase_add_test (tc, asleep_while_frames_flow);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, monitor_suite);
}
