/* framecache: write a slot that others wait for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clip-writer N LINE runs the pipeline LINE until its end. Its fcsink is named
 * "sink", and makes its slot in PAUSED: nothing is written before N consumers
 * are attached.
 */
#include <gst/gst.h>

#define PATIENCE (60 * G_TIME_SPAN_SECOND)

static void
wait_for_consumers (GstElement *sink, guint n)
{
  gint64 end = g_get_monotonic_time () + PATIENCE;
  guint consumers = 0;

  while (consumers < n)
    {
      if (g_get_monotonic_time () > end)
        g_error ("%u consumers of %u came", consumers, n);
      g_usleep (1000);
      g_object_get (sink, "consumers", &consumers, NULL);
    }
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  GstElement *pipeline, *sink;
  GstMessage *message;
  GstBus *bus;
  gboolean ok;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (argv[2], &error);
  if (error != NULL)
    g_error ("%s", error->message);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  wait_for_consumers (sink, (guint) g_ascii_strtoull (argv[1], NULL, 10));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  ok = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  if (!ok)
    {
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("%s\n", error->message);
      g_error_free (error);
    }
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return ok ? 0 : 1;
}
