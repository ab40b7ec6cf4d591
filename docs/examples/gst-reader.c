/* gst-reader: frames of a slot, through GStreamer into an application
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: gst-reader SLOT
 *
 * A pipeline of fcsrc, a converter and appsink gives each picture to on_sample,
 * which works out how bright it is. The bus tells what happens to the slot. It
 * waits for the slot, follows writers that end or die, begins again after an
 * error, and runs until Ctrl-C.
 */
#include <glib-unix.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <string.h>

#define AGAIN 1000 /* ms from an error to the next attempt */

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *source;
  guint again;     /* the timer of the next attempt, or 0 */
  gint frames;     /* atomic */
  gint brightness; /* 0 to 255, of the newest frame; atomic */
} Reader;

/* Frames ------------------------------------------------------------------ */

/* Lines have padding at their ends, and a writer may say how much: what
 * gst_video_frame_map () says counts, not the width. */
static gint
brightness_of (const GstVideoFrame *frame)
{
  const guint8 *line = GST_VIDEO_FRAME_PLANE_DATA (frame, 0);
  const gint width = GST_VIDEO_FRAME_WIDTH (frame);
  const gint height = GST_VIDEO_FRAME_HEIGHT (frame);
  guint64 sum = 0;

  for (gint y = 0; y < height; y++)
    {
      for (gint x = 0; x < width; x++)
        sum += line[x];
      line += GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);
    }
  return (gint) (sum / ((guint64) width * (guint64) height));
}

/* In the thread of the pipeline: while this runs, frames wait in the slot. The
 * picture is the slot's own memory where nothing had to be converted, so
 * a sample that is kept keeps a lease. */
static GstFlowReturn
on_sample (GstAppSink *sink, gpointer user_data)
{
  Reader *reader = user_data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  GstVideoInfo info;
  GstVideoFrame frame;

  if (sample == NULL)
    return GST_FLOW_EOS;
  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample))
      || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample),
                               GST_MAP_READ))
    return GST_FLOW_ERROR;
  g_atomic_int_set (&reader->brightness, brightness_of (&frame));
  g_atomic_int_inc (&reader->frames);
  gst_video_frame_unmap (&frame);
  return GST_FLOW_OK;
}

/* What the bus tells ------------------------------------------------------ */

static gboolean
on_again (gpointer user_data)
{
  Reader *reader = user_data;

  reader->again = 0;
  gst_element_set_state (reader->pipeline, GST_STATE_PLAYING);
  return G_SOURCE_REMOVE;
}

/* The pipeline is of no use after an error until it has been in NULL. */
static void
on_error (Reader *reader, GstMessage *message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_error (message, &error, NULL);
  g_printerr ("%s\n", error->message);
  gst_element_set_state (reader->pipeline, GST_STATE_NULL);
  if (reader->again == 0)
    reader->again = g_timeout_add (AGAIN, on_again, reader);
}

/* None of these needs an answer: fcsrc goes on by itself. */
static void
on_slot_message (const GstStructure *s)
{
  const gchar *slot = gst_structure_get_string (s, "slot");
  guint64 dropped = 0, total = 0;

  if (gst_structure_has_name (s, "fc-dropped"))
    {
      gst_structure_get (s, "dropped", G_TYPE_UINT64, &dropped, "total",
                         G_TYPE_UINT64, &total, NULL);
      g_print ("%s: %" G_GUINT64_FORMAT " frames lost, %" G_GUINT64_FORMAT
               " in all: this program is too slow\n",
               slot, dropped, total);
    }
  else if (gst_structure_has_name (s, "fc-writer-lost"))
    g_print ("%s: the writer has died\n", slot);
  else if (gst_structure_has_name (s, "fc-writer-back"))
    g_print ("%s: there is a writer again\n", slot);
  else if (gst_structure_has_name (s, "fc-replaced"))
    g_print ("%s: it was made anew\n", slot);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Reader *reader = user_data;

  switch (GST_MESSAGE_TYPE (message))
    {
    case GST_MESSAGE_ERROR:
      on_error (reader, message);
      break;
    case GST_MESSAGE_EOS: /* on-eos=wait: not by a writer's end */
      g_main_loop_quit (reader->loop);
      break;
    case GST_MESSAGE_LATENCY: /* without this, sinks that keep time drop */
      gst_bin_recalculate_latency (GST_BIN (reader->pipeline));
      break;
    case GST_MESSAGE_ELEMENT:
      if (GST_MESSAGE_SRC (message) == GST_OBJECT (reader->source))
        on_slot_message (gst_message_get_structure (message));
      break;
    default:
      break;
    }
  return G_SOURCE_CONTINUE;
}

/* ------------------------------------------------------------------------- */

static gboolean
on_second (gpointer user_data)
{
  Reader *reader = user_data;

  g_print ("%d frames, brightness %d\n", g_atomic_int_get (&reader->frames),
           g_atomic_int_get (&reader->brightness));
  return G_SOURCE_CONTINUE;
}

static gboolean
on_quit (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

static void
print_stats (GstElement *source)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 delivered = 0, dropped = 0, latency = 0;

  g_object_get (source, "stats", &stats, NULL);
  gst_structure_get (stats, "delivered", G_TYPE_UINT64, &delivered, "dropped",
                     G_TYPE_UINT64, &dropped, "latency-p50", G_TYPE_UINT64,
                     &latency, NULL);
  g_print ("%" G_GUINT64_FORMAT " frames delivered, %" G_GUINT64_FORMAT
           " lost; half of them within %" G_GUINT64_FORMAT " us\n",
           delivered, dropped, latency / 1000);
}

/* appsink takes what most cameras and decoders give as it is; videoconvert does
 * nothing then. sync=false: a picture is looked at when it comes, not when it
 * is to be shown. */
static gboolean
make_pipeline (Reader *reader, const gchar *slot)
{
  GstAppSinkCallbacks callbacks = { .new_sample = on_sample };
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) sink = NULL;

  reader->pipeline = gst_parse_launch (
      "fcsrc name=source on-eos=wait ! videoconvert ! appsink name=sink "
      "sync=false max-buffers=1 "
      "caps=video/x-raw,format=(string){NV12,I420,GRAY8}",
      &error);
  if (error != NULL)
    {
      g_printerr ("%s\n", error->message);
      return FALSE;
    }
  reader->source = gst_bin_get_by_name (GST_BIN (reader->pipeline), "source");
  g_object_set (reader->source, "slot", slot, NULL);
  sink = gst_bin_get_by_name (GST_BIN (reader->pipeline), "sink");
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, reader, NULL);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GstBus) bus = NULL;
  Reader reader = { 0 };

  gst_init (&argc, &argv);
  if (argc != 2)
    {
      g_printerr ("usage: %s SLOT\n", argv[0]);
      return 2;
    }
  if (!make_pipeline (&reader, argv[1]))
    return 1;
  reader.loop = g_main_loop_new (NULL, FALSE);
  bus = gst_element_get_bus (reader.pipeline);
  gst_bus_add_watch (bus, on_message, &reader);
  g_unix_signal_add (SIGINT, on_quit, reader.loop);
  g_unix_signal_add (SIGTERM, on_quit, reader.loop);
  g_timeout_add_seconds (1, on_second, &reader);

  gst_element_set_state (reader.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (reader.loop);

  print_stats (reader.source);
  gst_element_set_state (reader.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (reader.source);
  gst_object_unref (reader.pipeline);
  g_main_loop_unref (reader.loop);
  return 0;
}
