/* framecache: tell what frames a pipeline brings
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clip-frames LINE runs the pipeline LINE until its end, and prints a line for
 * each buffer that reaches the element named "out":
 *
 *   frame PTS DURATION SIZE SHA256
 *
 * then the caps, and what an element named "src" and its messages say of
 * losses; "playing 1" when that element is. Times are running time's
 * nanoseconds.
 *
 * Where no element is named "out", LINE writes a slot: that stays until the
 * standard input ends, for readers that are slow to come.
 */
#include <gst/gst.h>
#include <stdio.h>

typedef struct
{
  GstSegment segment;
  guint64 told;  /* frames that fc-dropped messages told of */
  guint64 total; /* of the last of them */
} Report;

static GstPadProbeReturn
print_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Report *report = user_data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstMapInfo map;
  gchar *sum;

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM)
    {
      GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);

      if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
        gst_event_copy_segment (event, &report->segment);
      return GST_PAD_PROBE_OK;
    }
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    g_error ("a buffer can not be read");
  sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, map.data, map.size);
  g_print ("frame %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GSIZE_FORMAT
           " %s\n",
           gst_segment_to_running_time (&report->segment, GST_FORMAT_TIME,
                                        GST_BUFFER_PTS (buffer)),
           GST_BUFFER_DURATION (buffer), map.size, sum);
  g_free (sum);
  gst_buffer_unmap (buffer, &map);
  return GST_PAD_PROBE_OK;
}

static gboolean
is_source_playing (GstMessage *message)
{
  GstState state;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_STATE_CHANGED
      || !g_str_equal (GST_MESSAGE_SRC_NAME (message), "src"))
    return FALSE;
  gst_message_parse_state_changed (message, NULL, &state, NULL);
  return state == GST_STATE_PLAYING;
}

static gboolean
run (GstElement *pipeline, Report *report)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  gint done = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (done == 0)
    {
      GstMessage *message = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
      const GstStructure *s = gst_message_get_structure (message);
      guint64 dropped = 0;
      GError *error;

      if (gst_message_has_name (message, "fc-dropped")
          && gst_structure_get (s, "dropped", G_TYPE_UINT64, &dropped, "total",
                                G_TYPE_UINT64, &report->total, NULL))
        report->told += dropped;
      if (is_source_playing (message))
        g_print ("playing 1\n");
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
        done = 1;
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
        {
          gst_message_parse_error (message, &error, NULL);
          g_printerr ("%s\n", error->message);
          g_error_free (error);
          done = -1;
        }
      gst_message_unref (message);
    }
  gst_object_unref (bus);
  return done > 0;
}

static void
print_losses (GstElement *src, const Report *report)
{
  guint64 delivered = 0, dropped = 0, skipped = 0;
  GstStructure *stats;

  g_object_get (src, "stats", &stats, NULL);
  gst_structure_get (stats, "delivered", G_TYPE_UINT64, &delivered, "dropped",
                     G_TYPE_UINT64, &dropped, "skipped", G_TYPE_UINT64,
                     &skipped, NULL);
  gst_structure_free (stats);
  g_print ("delivered %" G_GUINT64_FORMAT "\ndropped %" G_GUINT64_FORMAT
           "\nskipped %" G_GUINT64_FORMAT "\ntold %" G_GUINT64_FORMAT
           "\ntotal %" G_GUINT64_FORMAT "\n",
           delivered, dropped, skipped, report->told, report->total);
}

static int
write_slot (GstElement *pipeline)
{
  Report report = { 0 };
  gboolean ok = run (pipeline, &report);

  while (ok && getchar () != EOF)
    ;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return ok ? 0 : 1;
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  Report report = { 0 };
  GstElement *pipeline, *out, *src;
  GstPad *pad;
  gchar *caps;
  gboolean ok;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (argv[1], &error);
  if (error != NULL)
    g_error ("%s", error->message);
  out = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  if (out == NULL)
    return write_slot (pipeline);
  src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  pad = gst_element_get_static_pad (out, "sink");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      print_buffer, &report, NULL);
  ok = run (pipeline, &report);
  caps = ok ? gst_caps_to_string (gst_pad_get_current_caps (pad)) : NULL;
  if (caps != NULL)
    g_print ("caps %s\n", caps);
  if (src != NULL)
    print_losses (src, &report);
  g_free (caps);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (out);
  gst_clear_object (&src);
  gst_object_unref (pipeline);
  return ok ? 0 : 1;
}
