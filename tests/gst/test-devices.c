/* framecache: slots as devices
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-gst-devices.h"

static GstDevice *
only_device (GstDeviceMonitor *monitor)
{
  GList *devices = gst_device_monitor_get_devices (monitor);
  GstDevice *device;

  fail_unless_equals_int (g_list_length (devices), 1);
  device = gst_object_ref (devices->data);
  g_list_free_full (devices, gst_object_unref);
  return device;
}

/* What there is -------------------------------------------------------- */

GST_START_TEST (class_and_caps_are_the_slots)
{
  static const gchar *const slots[][3] = {
    { "a", AUDIO, "Audio/Source/Framecache" },
    { "c", CODED, "Video/Source/Framecache" },
    { "i", "image/jpeg", "Video/Source/Framecache" },
    { "m", "application/x-test", "Source/Framecache" },
    { "v", RAW, "Video/Source/Framecache" },
  };
  fc_writer_t *writers[G_N_ELEMENTS (slots)];
  GstDeviceMonitor *monitor;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (slots); i++)
    writers[i] = fct_writer_of (slots[i][0], slots[i][1]);
  for (i = 0; i < G_N_ELEMENTS (slots); i++)
    {
      GstDevice *device;

      monitor = fct_monitor_new ("Source/Framecache", slots[i][1]);
      device = only_device (monitor);
      fct_expect_name (device, slots[i][0]);
      fct_expect_caps (device, slots[i][1]);
      fct_expect_class (device, slots[i][2]);
      gst_object_unref (device);
      gst_object_unref (monitor);
    }
  for (i = 0; i < G_N_ELEMENTS (slots); i++)
    fc_writer_close (writers[i]);
}
GST_END_TEST

GST_START_TEST (filters_by_class_and_caps)
{
  static const gchar *const filters[][3] = {
    { "Source/Framecache", NULL, "cam0 cam1 data0 mic0" },
    { "Video/Source/Framecache", NULL, "cam0 cam1" },
    { "Framecache/Video", NULL, "cam0 cam1" },
    { "Audio/Framecache", NULL, "mic0" },
    { "Framecache", "video/x-raw", "cam0" },
    { "Video/Framecache", "video/x-raw,width=9", "" },
    { "Framecache", "video/x-h264;audio/x-raw", "cam1 mic0" },
  };
  fc_writer_t *writers[] = {
    fct_writer_of ("cam0", RAW),
    fct_writer_of ("cam1", CODED),
    fct_writer_of ("data0", "application/x-test"),
    fct_writer_of ("mic0", AUDIO),
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (filters); i++)
    {
      GstDeviceMonitor *monitor
          = fct_monitor_new (filters[i][0], filters[i][1]);

      fct_expect_names (monitor, filters[i][2]);
      gst_object_unref (monitor);
    }
  for (i = 0; i < G_N_ELEMENTS (writers); i++)
    fc_writer_close (writers[i]);
}
GST_END_TEST

GST_START_TEST (properties_say_what_the_slot_is)
{
  fc_writer_t *writer = fct_writer_of ("Cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_new ("Framecache", NULL);
  GstDevice *device = only_device (monitor);
  GstStructure *s = gst_device_get_properties (device);
  gboolean reserved = TRUE;
  guint64 frame_size = 0;
  guint pid = 0, depth = 0, generation = 0, uid = G_MAXUINT;
  gdouble rate = 0;

  fail_unless_equals_string (gst_structure_get_string (s, "device.api"),
                             "framecache");
  fail_unless_equals_string (gst_structure_get_string (s, "slot"), "Cam0");
  fail_unless_equals_string (gst_structure_get_string (s, "directory"),
                             g_getenv ("FC_DIR"));
  fail_unless_equals_string (gst_structure_get_string (s, "uri"), "fc:///Cam0");
  fail_unless_equals_string (gst_structure_get_string (s, "state"), "live");
  fail_unless (gst_structure_get (
      s, "writer-pid", G_TYPE_UINT, &pid, "writer-uid", G_TYPE_UINT, &uid,
      "ring-depth", G_TYPE_UINT, &depth, "generation", G_TYPE_UINT, &generation,
      "frame-size", G_TYPE_UINT64, &frame_size, "frame-rate", G_TYPE_DOUBLE,
      &rate, "reserved", G_TYPE_BOOLEAN, &reserved, NULL));
  fail_unless_equals_int (pid, getpid ());
  fail_unless_equals_int (uid, getuid ());
  fail_unless_equals_int (depth, 4);
  fail_unless (generation > 0);
  fail_unless_equals_uint64 (frame_size, 64);
  fail_unless (rate == 25.0);
  fail_if (reserved);
  gst_structure_free (s);
  gst_object_unref (device);
  gst_object_unref (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

/* Files that are no rings, rings that are no streams of GStreamer's, and a
 * ring that is cut. */
GST_START_TEST (what_can_not_be_read_is_passed_over)
{
  gchar *folder = fct_in_dir ("folder.ring"), *cut = fct_in_dir ("cut.ring"),
        *bytes, *link = fct_in_dir ("link.ring");
  fc_writer_t *writers[] = {
    fct_writer_of ("binary", "\xff\xfe\x01"),
    fct_writer_of ("cut", RAW),
    fct_writer_of ("empty", NULL),
    fct_writer_of ("loose", "video/x-raw,width=[1,2]"),
    fct_writer_of ("none", "ANY"),
    fct_writer_of ("text", "one, two; three"),
    fct_writer_of ("whole", RAW),
  };
  GstDeviceMonitor *monitor = fct_monitor_new ("Framecache", NULL);
  gsize size;
  guint i;

  g_assert_cmpint (mkdir (folder, 0700), ==, 0);
  g_assert_cmpint (symlink ("whole.ring", link), ==, 0);
  fct_put_file ("noise.ring", "noise");
  fct_put_file (".ring", "noise");
  fct_put_file ("not a name.ring", "noise");
  g_assert_true (g_file_get_contents (cut, &bytes, &size, NULL));
  g_assert_true (g_file_set_contents (cut, bytes, 200, NULL));
  fct_expect_names (monitor, "whole");
  fail_unless (gst_device_monitor_start (monitor));
  fct_expect_names (monitor, "whole");
  fct_monitor_stop (monitor);
  for (i = 0; i < G_N_ELEMENTS (writers); i++)
    fc_writer_close (writers[i]);
  g_free (bytes);
  g_free (folder);
  g_free (link);
  g_free (cut);
}
GST_END_TEST

/* Elements ------------------------------------------------------------- */

GST_START_TEST (element_reads_the_slot)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_new ("Framecache", NULL);
  GstDevice *device = only_device (monitor);
  GstElement *element = gst_device_create_element (device, "camera");
  gchar *dir = g_strdup (g_getenv ("FC_DIR"));
  guint8 byte[64] = { 42 };
  GstBuffer *buffer;
  GstHarness *src;

  fail_unless (element != NULL);
  fail_unless_equals_string (GST_OBJECT_NAME (element), "camera");
  g_setenv ("FC_DIR", "/dev/shm/no/such/place", TRUE);
  src = fct_src_harness (element);
  g_setenv ("FC_DIR", dir, TRUE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fail_unless_equals_int (fc_writer_write (writer, byte, 64, NULL, NULL), 0);
  buffer = gst_harness_pull (src);
  gst_check_buffer_data (buffer, byte, 64);
  gst_buffer_unref (buffer);
  fct_stop (src);
  gst_object_unref (device);
  gst_object_unref (monitor);
  fc_writer_close (writer);
  g_free (dir);
}
GST_END_TEST

GST_START_TEST (element_gets_another_slot_only_when_stopped)
{
  fc_writer_t *writer = fct_writer_of ("cam0", RAW);
  GstDeviceMonitor *monitor = fct_monitor_new ("Framecache", NULL);
  GstDevice *device = only_device (monitor);
  GstElement *src = fct_new ("fcsrc", "slot", "cam1", NULL);
  GstElement *other = fct_new ("fakesrc", NULL);
  GstHarness *h;
  gchar *slot;

  fail_if (gst_device_reconfigure_element (device, other));
  h = fct_src_harness (gst_object_ref (src));
  fail_if (gst_device_reconfigure_element (device, src));
  gst_element_set_state (src, GST_STATE_READY);
  fail_unless (gst_device_reconfigure_element (device, src));
  g_object_get (src, "slot", &slot, NULL);
  fail_unless_equals_string (slot, "cam0");
  g_free (slot);
  fct_stop (h);
  gst_object_unref (src);
  gst_object_unref (other);
  gst_object_unref (device);
  gst_object_unref (monitor);
  fc_writer_close (writer);
}
GST_END_TEST

static Suite *
devices_suite (void)
{
  Suite *suite = suite_create ("devices");
  TCase *tc = tcase_create ("devices");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, class_and_caps_are_the_slots);
  tcase_add_test (tc, filters_by_class_and_caps);
  tcase_add_test (tc, properties_say_what_the_slot_is);
  tcase_add_test (tc, what_can_not_be_read_is_passed_over);
  tcase_add_test (tc, element_reads_the_slot);
  tcase_add_test (tc, element_gets_another_slot_only_when_stopped);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, devices_suite);
}
