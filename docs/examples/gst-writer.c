/* gst-writer: frames of an application's own, into a slot through GStreamer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: gst-writer SLOT [FRAMES]
 *
 * Draws 25 pictures a second, where an application would take them from a
 * camera's library, and gives them to a pipeline of appsrc and fcsink; until
 * Ctrl-C, or for FRAMES. Between the two there could be an encoder.
 *
 * appsrc's memory is copied into the slot. An application that only wants to
 * write, and not to convert or encode, needs no GStreamer, and can draw in the
 * slot itself: moving-square.c.
 */
#include <glib-unix.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 320
#define HEIGHT 240
#define RATE 25

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *source;
  GstElement *sink;
  guint64 n;      /* frames drawn */
  guint64 frames; /* frames to draw */
  gboolean ending;
  gboolean failed;
} Writer;

/* What an application does itself ---------------------------------------- */

/* GRAY8: a byte for each pixel. WIDTH is a multiple of 4, so no line needs
 * padding. */
static GstBuffer *
draw (guint64 n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT, NULL);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  memset (map.data, (int) (n % 256), map.size);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / RATE;
  GST_BUFFER_OFFSET (buffer) = n;
  return buffer;
}

/* No more frames, and the pipeline ends once those it has are written. */
static void
begin_to_end (Writer *writer)
{
  if (!writer->ending)
    gst_app_src_end_of_stream (GST_APP_SRC (writer->source));
  writer->ending = TRUE;
}

/* A camera's library would call this, from a thread of its own: pushing is
 * allowed from any. */
static gboolean
on_frame (gpointer user_data)
{
  Writer *writer = user_data;

  if (!writer->ending)
    gst_app_src_push_buffer (GST_APP_SRC (writer->source), draw (writer->n++));
  if (writer->n == writer->frames)
    begin_to_end (writer);
  return writer->ending ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* The pipeline ------------------------------------------------------------ */

/* Comes from fcsink's thread. Who can save work when nobody looks, a camera
 * that can sleep for instance, learns it here. */
static void
on_consumers (GstElement *sink, GParamSpec *property, gpointer user_data)
{
  guint consumers;

  g_object_get (sink, "consumers", &consumers, NULL);
  g_print ("%u consumers\n", consumers);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Writer *writer = user_data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    {
      g_autoptr (GError) error = NULL;

      /* fcsink's sentences are for users: which file, which limit, what to
       * do. */
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("%s\n", error->message);
      writer->failed = TRUE;
      g_main_loop_quit (writer->loop);
    }
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    g_main_loop_quit (writer->loop);
  return G_SOURCE_CONTINUE;
}

/* Ctrl-C: readers shall come to an end of the stream, and not find the writer
 * dead. */
static gboolean
on_quit (gpointer user_data)
{
  begin_to_end (user_data);
  return G_SOURCE_REMOVE;
}

static void
make_pipeline (Writer *writer, const gchar *slot)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple (
      "video/x-raw", "format", G_TYPE_STRING, "GRAY8", "width", G_TYPE_INT,
      WIDTH, "height", G_TYPE_INT, HEIGHT, "framerate", GST_TYPE_FRACTION, RATE,
      1, NULL);

  writer->pipeline = gst_pipeline_new (NULL);
  writer->source = gst_element_factory_make ("appsrc", NULL);
  writer->sink = gst_element_factory_make ("fcsink", NULL);
  if (writer->source == NULL || writer->sink == NULL)
    {
      g_printerr ("GStreamer has no %s: is GST_PLUGIN_PATH set?\n",
                  writer->source ? "fcsink" : "appsrc");
      exit (1);
    }
  /* do-timestamp gives a frame the time of its push. An application that knows
   * when it was captured sets the buffer's pts instead: the pipeline's running
   * time at that moment. min-latency is how late it then is. */
  g_object_set (writer->source, "caps", caps, "is-live", TRUE, "format",
                GST_FORMAT_TIME, "do-timestamp", TRUE, NULL);
  g_object_set (writer->sink, "slot", slot, NULL);
  g_signal_connect (writer->sink, "notify::consumers",
                    G_CALLBACK (on_consumers), NULL);
  gst_bin_add_many (GST_BIN (writer->pipeline), writer->source, writer->sink,
                    NULL);
  gst_element_link (writer->source, writer->sink);
}

static void
print_stats (GstElement *sink)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 frames = 0, dropped = 0;

  g_object_get (sink, "stats", &stats, NULL);
  gst_structure_get (stats, "frames", G_TYPE_UINT64, &frames, "dropped",
                     G_TYPE_UINT64, &dropped, NULL);
  g_print ("%" G_GUINT64_FORMAT " frames written, %" G_GUINT64_FORMAT
           " dropped\n",
           frames, dropped);
}

int
main (int argc, char **argv)
{
  g_autoptr (GstBus) bus = NULL;
  Writer writer = { 0 };

  gst_init (&argc, &argv);
  if (argc < 2 || argc > 3)
    {
      g_printerr ("usage: %s SLOT [FRAMES]\n", argv[0]);
      return 2;
    }
  writer.frames = argc > 2 ? g_ascii_strtoull (argv[2], NULL, 10) : 0;
  make_pipeline (&writer, argv[1]);
  writer.loop = g_main_loop_new (NULL, FALSE);
  bus = gst_element_get_bus (writer.pipeline);
  gst_bus_add_watch (bus, on_message, &writer);
  g_unix_signal_add (SIGINT, on_quit, &writer);
  g_unix_signal_add (SIGTERM, on_quit, &writer);
  g_timeout_add (1000 / RATE, on_frame, &writer);

  /* What goes wrong here is on the bus, too. */
  gst_element_set_state (writer.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (writer.loop);

  print_stats (writer.sink);
  gst_element_set_state (writer.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (writer.pipeline);
  g_main_loop_unref (writer.loop);
  return writer.failed ? 1 : 0;
}
