/* framecache: makes a picture of the frame in a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fcctl-snapshot DIRECTORY SLOT png|jpeg
 *
 * fcctl snapshot runs it. The slot has one frame, and has ended; the picture
 * goes to standard output.
 */
#include <gst/gst.h>
#include <gst/pbutils/pbutils.h>
#include <string.h>
#include <unistd.h>

/* For one picture: a decoder that hangs is to be told from one that works. */
#define BOUND_S 20

static int
say (const gchar *slot, const gchar *text)
{
  g_printerr ("fcctl: slot %s: %s\n", slot, text);
  return 1;
}

/* An element, its package's name being what Debian calls it. */
static gboolean
have (const gchar *slot, const gchar *element, const gchar *remedy)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (element);
  g_autofree gchar *text = NULL;

  if (factory != NULL)
    return TRUE;
  text = g_strdup_printf ("GStreamer has no element %s: %s", element, remedy);
  say (slot, text);
  return FALSE;
}

static gboolean
have_all (const gchar *slot, const gchar *encoder)
{
  return have (slot, "fcsrc",
               "install framecache's plug-in, or name its folder with "
               "GST_PLUGIN_PATH")
         && have (slot, "decodebin",
                  "install its base plug-ins (gstreamer1.0-plugins-base)")
         && have (slot, "videoconvert",
                  "install its base plug-ins (gstreamer1.0-plugins-base)")
         && have (slot, encoder,
                  "install its good plug-ins (gstreamer1.0-plugins-good)");
}

static GstElement *
make_pipeline (const gchar *directory, const gchar *slot, const gchar *encoder,
               GError **error)
{
  g_autofree gchar *text = g_strdup_printf (
      "fcsrc name=source start=oldest timestamps=stream "
      "wait-for-slot=1000000000 ! "
      "decodebin caps=video/x-raw ! videoconvert ! %s snapshot=true ! "
      "fdsink fd=%d",
      encoder, STDOUT_FILENO);
  GstElement *pipeline = gst_parse_launch (text, error);
  g_autoptr (GstElement) source = NULL;

  if (pipeline == NULL)
    return NULL;
  /* Not as text of the pipeline: a path may have anything in it. */
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  g_object_set (source, "slot", slot, "directory", directory, NULL);
  return pipeline;
}

/* Missing plug-ins are told of before the error that they lead to. */
static int
say_failure (const gchar *slot, GstMessage *message, const gchar *missing)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;

  gst_message_parse_error (message, &error, NULL);
  if (missing == NULL)
    return say (slot, error->message);
  text = g_strdup_printf ("GStreamer lacks a plug-in: %s; Debian has most in "
                          "gstreamer1.0-libav and gstreamer1.0-plugins-bad",
                          missing);
  return say (slot, text);
}

static int
run (GstElement *pipeline, const gchar *slot)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gint64 until = g_get_monotonic_time () + BOUND_S * G_USEC_PER_SEC;
  g_autofree gchar *missing = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (;;)
    {
      gint64 left = until - g_get_monotonic_time ();
      g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
          bus, (GstClockTime) MAX (left, 0) * 1000,
          GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

      if (message == NULL)
        return say (slot, "no picture came of the frame in time");
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
        return 0;
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
        return say_failure (slot, message, missing);
      if (missing == NULL && gst_is_missing_plugin_message (message))
        missing = gst_missing_plugin_message_get_description (message);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  const gchar *encoder;
  int code;

  if (argc != 4)
    {
      g_printerr ("usage: fcctl-snapshot DIRECTORY SLOT png|jpeg\n");
      return 2;
    }
  /* Whatever hangs where the bus does not tell: the signal does. */
  alarm (BOUND_S + 10);
  gst_init (NULL, NULL);
  encoder = g_str_equal (argv[3], "jpeg") ? "jpegenc" : "pngenc";
  if (!have_all (argv[2], encoder))
    return 1;
  pipeline = make_pipeline (argv[1], argv[2], encoder, &error);
  if (pipeline == NULL)
    return say (argv[2], error->message);
  code = run (pipeline, argv[2]);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return code;
}
