/* framecache: which elements fill the ring themselves
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-gst-test.h"

/* Run LINE, which has an fcsink named "s", to its end. */
static void
run (const gchar *line, guint64 *zero_copy, guint64 *copied, guint *generation)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error), *sink;
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  GstStructure *stats;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message != NULL && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS,
               "no end of: %s", line);
  gst_message_unref (message);
  g_object_get (sink, "stats", &stats, NULL);
  fail_unless (gst_structure_get (stats, "zero-copy", G_TYPE_UINT64, zero_copy,
                                  "copied", G_TYPE_UINT64, copied, "generation",
                                  G_TYPE_UINT, generation, NULL));
  GST_INFO ("%s: %" GST_PTR_FORMAT, line, stats);
  gst_structure_free (stats);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
}

#define SINK " ! fcsink name=s slot=cam0 sync=false"

GST_START_TEST (elements_fill_the_ring)
{
  static const gchar *const lines[] = {
    "videotestsrc num-buffers=40 ! video/x-raw,format=I420" SINK,
    "videotestsrc num-buffers=40 ! "
    "video/x-raw,format=RGB,width=33,height=17" SINK,
    "videotestsrc num-buffers=40 ! video/x-raw,format=I420 ! videoconvert !"
    " video/x-raw,format=NV12" SINK,
    "videotestsrc num-buffers=40 ! videoscale !"
    " video/x-raw,width=640,height=480" SINK,
    "videotestsrc num-buffers=40 ! videoconvert ! videoscale ! videoflip"
    " method=vertical-flip ! video/x-raw,format=I420" SINK,
  };
  guint64 zero_copy, copied;
  guint generation, i;

  for (i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      run (lines[i], &zero_copy, &copied, &generation);
      fail_unless_equals_uint64 (zero_copy, 40);
      fail_unless_equals_uint64 (copied, 0);
      fail_unless_equals_int (generation, 1);
    }
}
GST_END_TEST

static void
add_to_sum (GstElement *sink, GstBuffer *buffer, GstPad *pad,
            gpointer user_data)
{
  guint *frames = g_object_get_data (G_OBJECT (sink), "frames");
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_checksum_update (user_data, map.data, (gssize) map.size);
  gst_buffer_unmap (buffer, &map);
  ++*frames;
}

#define CODED(coder)                                                           \
  "videotestsrc num-buffers=60 ! video/x-raw,format=I420,width=640,height=360" \
  " ! " coder SINK

/* Each picture is decoded into the ring, and the ring is made once, whatever
 * the decoder tried before. */
GST_START_TEST (decoders_fill_the_ring)
{
  static const gchar *const lines[] = {
    CODED ("jpegenc ! jpegdec"),
    CODED ("vp8enc deadline=1 ! vp8dec"),
    CODED ("openh264enc ! h264parse ! openh264dec"),
  };
  guint64 zero_copy, copied;
  guint generation, i;

  for (i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      run (lines[i], &zero_copy, &copied, &generation);
      fail_unless_equals_uint64 (zero_copy, 60);
      fail_unless_equals_uint64 (copied, 0);
      fail_unless_equals_int (generation, 1);
    }
}
GST_END_TEST

/* libav keeps a reference picture mapped for writing, and GStreamer passes a
 * copy of it on: made in the ring, it is not copied again. The others, here
 * those at the end, are not copied at all. */
GST_START_TEST (direct_rendering_copies_references_once)
{
  guint64 zero_copy, copied;
  guint generation;

  run (CODED ("openh264enc ! h264parse ! avdec_h264"), &zero_copy, &copied,
       &generation);
  fail_unless_equals_uint64 (zero_copy + copied, 60);
  fail_unless (zero_copy > 0);
  fail_unless_equals_int (generation, 1);
}
GST_END_TEST

/* What avdec_h264 put into the ring, with strides of its own, is what it puts
 * anywhere. */
GST_START_TEST (direct_rendering_is_right)
{
  GstElement *writer = gst_parse_launch (
      CODED ("openh264enc ! h264parse ! tee name=t ! "
             "queue ! avdec_h264") " t. ! queue ! avdec_h264 ! "
                                   "videoconvert !"
                                   " video/x-raw,format=I420 ! "
                                   "fakesink name=direct "
                                   "signal-handoffs=true",
      NULL);
  GstElement *reader = gst_parse_launch (
      "fcsrc slot=cam0 ! videoconvert ! video/x-raw,format=I420 !"
      " fakesink name=slot signal-handoffs=true sync=false",
      NULL);
  GChecksum *sum[2];
  guint frames[2] = { 0 }, i;
  GstBus *bus[2];

  for (i = 0; i < 2; i++)
    {
      GstElement *pipeline = i == 0 ? writer : reader;
      GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline),
                                              i == 0 ? "direct" : "slot");

      sum[i] = g_checksum_new (G_CHECKSUM_SHA1);
      g_object_set_data (G_OBJECT (sink), "frames", &frames[i]);
      g_signal_connect (sink, "handoff", G_CALLBACK (add_to_sum), sum[i]);
      gst_object_unref (sink);
      bus[i] = gst_element_get_bus (pipeline);
    }
  gst_element_set_state (reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  gst_element_set_state (writer, GST_STATE_PLAYING);
  for (i = 0; i < 2; i++)
    {
      GstMessage *message = gst_bus_timed_pop_filtered (
          bus[i], FCT_PATIENCE * 1000, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

      fail_unless (message != NULL
                   && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
      gst_message_unref (message);
      fct_bus_free (bus[i]);
    }
  fail_unless_equals_int (frames[0], 60);
  fail_unless_equals_int (frames[1], 60);
  fail_unless_equals_string (g_checksum_get_string (sum[0]),
                             g_checksum_get_string (sum[1]));
  for (i = 0; i < 2; i++)
    {
      gst_element_set_state (i == 0 ? writer : reader, GST_STATE_NULL);
      g_checksum_free (sum[i]);
    }
  gst_object_unref (writer);
  gst_object_unref (reader);
}
GST_END_TEST

GST_START_TEST (tee_is_copied)
{
  guint64 zero_copy, copied;
  guint generation;

  run ("videotestsrc num-buffers=40 ! tee" SINK, &zero_copy, &copied,
       &generation);
  fail_unless_equals_uint64 (zero_copy, 0);
  fail_unless_equals_uint64 (copied, 40);
}
GST_END_TEST

/* A queue holds more than there are cells. */
GST_START_TEST (queue_takes_what_there_is)
{
  guint64 zero_copy, copied;
  guint generation;

  run ("videotestsrc num-buffers=400 ! queue max-size-buffers=100" SINK,
       &zero_copy, &copied, &generation);
  fail_unless (zero_copy > 0);
  fail_unless_equals_uint64 (zero_copy + copied, 400);
  fail_unless_equals_int (generation, 1);
}
GST_END_TEST

/* Renegotiated by hand, as an application does it. */
GST_START_TEST (renegotiation_keeps_filling_in_place)
{
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc is-live=true ! capsfilter name=f"
      " caps=video/x-raw,format=I420,width=320,height=240,framerate=100/1" SINK,
      NULL);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  GstElement *filter = gst_bin_get_by_name (GST_BIN (pipeline), "f");
  guint i;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (i = 1; i <= 10; i++)
    {
      gchar *text = g_strdup_printf ("video/x-raw,format=I420,width=%u,"
                                     "height=240,framerate=100/1",
                                     320 + 16 * i);
      GstCaps *caps = gst_caps_from_string (text);
      guint64 frames;

      g_object_set (filter, "caps", caps, NULL);
      frames = fct_stat (sink, "zero-copy");
      FCT_WAIT (fct_stat (sink, "zero-copy") > frames + 3);
      gst_caps_unref (caps);
      g_free (text);
    }
  fail_unless_equals_uint64 (fct_stat (sink, "copied"), 0);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (filter);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
}
GST_END_TEST

static Suite *
fill_suite (void)
{
  Suite *suite = suite_create ("fill");
  TCase *tc = tcase_create ("fill");

  suite_add_tcase (suite, tc);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, elements_fill_the_ring);
  tcase_add_test (tc, decoders_fill_the_ring);
  tcase_add_test (tc, direct_rendering_copies_references_once);
  tcase_add_test (tc, direct_rendering_is_right);
  tcase_add_test (tc, tee_is_copied);
  tcase_add_test (tc, queue_takes_what_there_is);
  tcase_add_test (tc, renegotiation_keeps_filling_in_place);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, fill_suite);
}
