/* framecache: a writer and a player of sound and pictures, by the clock
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: sync-player writer
 *        sync-player player FRAMES [OFFSET]
 *
 * The writer puts live pictures into the slot cam0 and sound into mic0, each
 * frame with its number and the CLOCK_MONOTONIC of its capture in its bytes;
 * it runs until it is killed. A player shows both by the clock, in one
 * pipeline, and prints a line for each frame:
 *
 *   cam0|mic0 NUMBER CAPTURED SHOWN
 *
 * in ns of CLOCK_MONOTONIC, until it has shown FRAMES pictures and as much
 * sound. OFFSET, in ns, is an error: by so much its pictures are late.
 */
#include <stdlib.h>
#include <string.h>

#include <gst/gst.h>

#define WRITER                                                                 \
  "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=64,height=64,"   \
  "framerate=25/1 ! fcsink name=cam0 slot=cam0 "                               \
  "audiotestsrc is-live=true samplesperbuffer=1920 ! "                         \
  "audio/x-raw,format=S16LE,rate=48000,channels=1 ! "                          \
  "fcsink name=mic0 slot=mic0"
#define PLAYER                                                                 \
  "fcsrc slot=cam0 ! fakesink name=cam0 sync=true signal-handoffs=true "       \
  "fcsrc slot=mic0 ! fakesink name=mic0 sync=true signal-handoffs=true"

typedef struct
{
  guint64 number;
  guint64 captured;
} Stamp;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  guint wanted;
  gint shown[2]; /* atomic; by the name of the slot */
} Player;

/* The pipeline runs by CLOCK_MONOTONIC. */
static GstPadProbeReturn
stamp (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstBuffer *buffer = gst_buffer_make_writable (info->data);
  guint64 *number = user_data;
  GstElement *sink = gst_pad_get_parent_element (pad);
  Stamp stamp = { (*number)++,
                  gst_element_get_base_time (sink) + GST_BUFFER_PTS (buffer) };

  gst_buffer_fill (buffer, 0, &stamp, sizeof (stamp));
  info->data = buffer;
  gst_object_unref (sink);
  return GST_PAD_PROBE_OK;
}

static void
stamp_frames_of (GstElement *pipeline, const gchar *name)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), name);
  GstPad *pad = gst_element_get_static_pad (sink, "sink");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, stamp, g_new0 (guint64, 1),
                     g_free);
  gst_object_unref (pad);
  gst_object_unref (sink);
}

static void
show (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user_data)
{
  gint64 now = g_get_monotonic_time () * 1000;
  Player *self = user_data;
  gboolean is_sound = g_str_equal (GST_OBJECT_NAME (sink), "mic0");
  Stamp stamp = { 0, 0 };

  gst_buffer_extract (buffer, 0, &stamp, sizeof (stamp));
  g_print ("%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT
           "\n",
           GST_OBJECT_NAME (sink), stamp.number, stamp.captured, now);
  g_atomic_int_inc (&self->shown[is_sound]);
  if (g_atomic_int_get (&self->shown[0]) >= (gint) self->wanted
      && g_atomic_int_get (&self->shown[1]) >= (gint) self->wanted)
    g_main_loop_quit (self->loop);
}

static void
show_frames_of (Player *self, const gchar *name, gint64 offset)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (self->pipeline), name);

  g_object_set (sink, "ts-offset", offset, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (show), self);
  gst_object_unref (sink);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  GstElement *pipeline = user_data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_bin_recalculate_latency (GST_BIN (pipeline));
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR
      || GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    {
      g_printerr ("%" GST_PTR_FORMAT "\n", (void *) message);
      exit (1);
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  gboolean writes = argc > 1 && g_str_equal (argv[1], "writer");
  gint64 offset = argc > 3 ? g_ascii_strtoll (argv[3], NULL, 10) : 0;
  Player self = { .loop = NULL };
  GstClock *clock;
  GstBus *bus;

  gst_init (NULL, NULL);
  if (!writes && argc < 3)
    return 2;
  self.wanted = writes ? 0 : (guint) g_ascii_strtoull (argv[2], NULL, 10);
  self.loop = g_main_loop_new (NULL, FALSE);
  self.pipeline = gst_parse_launch (writes ? WRITER : PLAYER, NULL);
  if (writes)
    {
      stamp_frames_of (self.pipeline, "cam0");
      stamp_frames_of (self.pipeline, "mic0");
    }
  else
    {
      show_frames_of (&self, "cam0", offset);
      show_frames_of (&self, "mic0", 0);
    }
  clock = gst_system_clock_obtain ();
  gst_pipeline_use_clock (GST_PIPELINE (self.pipeline), clock);
  bus = gst_element_get_bus (self.pipeline);
  gst_bus_add_watch (bus, on_message, self.pipeline);
  gst_element_set_state (self.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (self.loop);
  gst_element_set_state (self.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  gst_object_unref (clock);
  gst_object_unref (self.pipeline);
  g_main_loop_unref (self.loop);
  return 0;
}
