/* framecache: what the tests of devices share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-devices.h"

/* Slots ---------------------------------------------------------------- */

fc_writer_options_t
fct_ring_of (const gchar *caps)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;

  options.ring_depth = 4;
  options.frame_size = 64;
  options.max_consumers = 2;
  options.format = caps;
  options.format_size = caps != NULL ? (guint32) strlen (caps) : 0;
  return options;
}

fc_writer_t *
fct_writer_of (const gchar *slot, const gchar *caps)
{
  fc_writer_options_t options = fct_ring_of (caps);
  fc_writer_t *writer = NULL;

  fail_unless (fc_writer_open (&writer, slot, &options) == 0, "%s",
               fc_error_detail ());
  return writer;
}

gchar *
fct_in_dir (const gchar *name)
{
  return g_build_filename (g_getenv ("FC_DIR"), name, NULL);
}

void
fct_put_file (const gchar *name, const gchar *bytes)
{
  gchar *path = fct_in_dir (name);
  GError *error = NULL;

  g_file_set_contents (path, bytes, -1, &error);
  g_assert_no_error (error);
  g_free (path);
}

/* Monitors ------------------------------------------------------------- */

GstDeviceMonitor *
fct_monitor_new (const gchar *classes, const gchar *caps_text)
{
  GstDeviceMonitor *monitor = gst_device_monitor_new ();
  GstCaps *caps = caps_text != NULL ? gst_caps_from_string (caps_text) : NULL;

  fail_unless (gst_device_monitor_add_filter (monitor, classes, caps) > 0,
               "no provider for %s", classes);
  gst_clear_caps (&caps);
  return monitor;
}

GstDeviceMonitor *
fct_monitor_start (const gchar *classes, const gchar *caps_text)
{
  GstDeviceMonitor *monitor = fct_monitor_new (classes, caps_text);

  fail_unless (gst_device_monitor_start (monitor));
  return monitor;
}

void
fct_monitor_stop (GstDeviceMonitor *monitor)
{
  gst_device_monitor_stop (monitor);
  gst_object_unref (monitor);
}

void
fct_expect_name (GstDevice *device, const gchar *name)
{
  gchar *text = gst_device_get_display_name (device);

  fail_unless_equals_string (text, name);
  g_free (text);
}

void
fct_expect_caps (GstDevice *device, const gchar *text)
{
  GstCaps *caps = gst_device_get_caps (device);
  GstCaps *expected = gst_caps_from_string (text);

  fail_unless (gst_caps_is_strictly_equal (caps, expected), "not %s", text);
  gst_caps_unref (caps);
  gst_caps_unref (expected);
}

void
fct_expect_class (GstDevice *device, const gchar *expected)
{
  gchar *text = gst_device_get_device_class (device);

  fail_unless_equals_string (text, expected);
  g_free (text);
}

gboolean
fct_has_state (GstDevice *device, const gchar *state)
{
  GstStructure *properties = gst_device_get_properties (device);
  gboolean same
      = g_str_equal (gst_structure_get_string (properties, "state"), state);

  gst_structure_free (properties);
  return same;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

gchar *
fct_names_of (GstDeviceMonitor *monitor)
{
  GList *devices = gst_device_monitor_get_devices (monitor), *item;
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GString *text = g_string_new (NULL);
  guint i;

  for (item = devices; item != NULL; item = item->next)
    g_ptr_array_add (names, gst_device_get_display_name (item->data));
  g_ptr_array_sort (names, compare_names);
  for (i = 0; i < names->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "",
                            (gchar *) names->pdata[i]);
  g_ptr_array_unref (names);
  g_list_free_full (devices, gst_object_unref);
  return g_string_free (text, FALSE);
}

void
fct_expect_names (GstDeviceMonitor *monitor, const gchar *expected)
{
  gchar *text = fct_names_of (monitor);

  fail_unless_equals_string (text, expected);
  g_free (text);
}
