/* framecache: write a slot that others wait for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clip-writer SLOT N LINE runs the pipeline LINE until its end. Its fcsink
 * makes SLOT in PAUSED: nothing is written before N consumers wait for it.
 */
#include <gst/gst.h>

#include "fc.h"

#define PATIENCE (60 * G_TIME_SPAN_SECOND)

static int
count_waiting (const fc_consumer_stat_t *stat, void *user_data)
{
  *(guint *) user_data += stat->waiting;
  return 0;
}

/* Attached, and asleep until the first frame. */
static void
wait_for_consumers (const gchar *slot, guint n)
{
  gint64 end = g_get_monotonic_time () + PATIENCE;
  guint waiting = 0;

  while (waiting < n)
    {
      if (g_get_monotonic_time () > end)
        g_error ("%u consumers of %u came", waiting, n);
      g_usleep (1000);
      waiting = 0;
      fc_slot_consumers (NULL, slot, count_waiting, &waiting);
    }
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  GstElement *pipeline;
  GstMessage *message;
  GstBus *bus;
  gboolean ok;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (argv[3], &error);
  if (error != NULL)
    g_error ("%s", error->message);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  wait_for_consumers (argv[1], (guint) g_ascii_strtoull (argv[2], NULL, 10));
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
  gst_object_unref (pipeline);
  return ok ? 0 : 1;
}
