/* framecache: fcsink
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>

#include <gst/video/video.h>

#include "fc-gst-test.h"

GST_START_TEST (no_slot_property)
{
  GstElement *sink = fct_new ("fcsink", NULL);
  GstBus *bus = fct_bus (sink);

  fail_unless_equals_int (gst_element_set_state (sink, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_FAILURE);
  fct_expect_error (bus, GST_RESOURCE_ERROR_SETTINGS, "slot=");
  gst_element_set_state (sink, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (illegal_name)
{
  GstElement *sink = fct_new ("fcsink", "slot", "../cam0", NULL);
  GstBus *bus = fct_bus (sink);

  fail_unless_equals_int (gst_element_set_state (sink, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_FAILURE);
  fct_expect_error (bus, GST_RESOURCE_ERROR_SETTINGS, "../cam0");
  gst_element_set_state (sink, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (unusable_directory)
{
  GstElement *sink
      = fct_new ("fcsink", "slot", "cam0", "directory", "/proc/self", NULL);
  GstBus *bus = fct_bus (sink);
  GstMessage *message;
  GError *error;

  fail_unless_equals_int (gst_element_set_state (sink, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (error->domain == GST_RESOURCE_ERROR);
  fail_unless (strstr (error->message, "/proc/self") != NULL, "%s",
               error->message);
  g_error_free (error);
  gst_message_unref (message);
  gst_element_set_state (sink, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (no_space)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", "ring-depth", 4000,
                              "frame-size", 1u << 30, NULL);
  GstBus *bus = fct_bus (sink);
  GstHarness *h = fct_sink_harness (gst_object_ref (sink), FCT_DATA);

  fail_unless_equals_int (gst_harness_push (h, fct_buffer (0, 100)),
                          GST_FLOW_ERROR);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "free");
  fct_stop (h);
  fct_bus_free (bus);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (second_writer_named)
{
  GstHarness *first
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (sink);
  GstHarness *second;
  gchar *pid = g_strdup_printf ("%d", getpid ());

  fct_push (first, 0, 100);
  second = fct_sink_harness (gst_object_ref (sink), FCT_DATA);
  fail_unless_equals_int (gst_harness_push (second, fct_buffer (0, 100)),
                          GST_FLOW_ERROR);
  fct_expect_error (bus, GST_RESOURCE_ERROR_BUSY, pid);
  fct_push (first, 1, 100);
  fct_stop (second);
  fct_stop (first);
  fct_bus_free (bus);
  gst_object_unref (sink);
  g_free (pid);
}
GST_END_TEST

GST_START_TEST (no_caps)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (sink);
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstMessage *message;
  GstSegment segment;

  gst_element_set_state (sink, GST_STATE_PLAYING);
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_pad_send_event (pad, gst_event_new_stream_start ("test"));
  gst_pad_send_event (pad, gst_event_new_segment (&segment));
  fail_unless_equals_int (gst_pad_chain (pad, fct_buffer (0, 10)),
                          GST_FLOW_NOT_NEGOTIATED);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_unref (message);
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_object_unref (pad);
  fct_bus_free (bus);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (nothing_in_preroll)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstElement *pipeline = gst_pipeline_new (NULL);
  GstElement *src = fct_new ("videotestsrc", "num-buffers", 3, NULL);

  gst_bin_add_many (GST_BIN (pipeline), src, sink, NULL);
  fail_unless (gst_element_link (src, sink));
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  fail_unless_equals_int (
      gst_element_get_state (pipeline, NULL, NULL, FCT_PATIENCE * 1000),
      GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_uint64 (fct_stat (sink, "frames"), 0);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  FCT_WAIT (fct_stat (sink, "frames") == 3);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST

static gint64
play (const gchar *line)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  gint64 begin = g_get_monotonic_time ();
  GstBus *bus;
  GstMessage *message;

  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
  return g_get_monotonic_time () - begin;
}

/* Twenty frames at ten a second take their time; a sink that is told not to
 * wait takes none. */
GST_START_TEST (files_play_at_their_own_pace)
{
  gint64 paced = play ("videotestsrc num-buffers=20 ! "
                       "video/x-raw,framerate=10/1 ! fcsink slot=cam0");
  gint64 unpaced
      = play ("videotestsrc num-buffers=20 ! video/x-raw,framerate=10/1 ! "
              "fcsink slot=cam0 sync=false");

  fail_unless (paced >= 1800 * 1000, "took %" G_GINT64_FORMAT, paced);
  fail_unless (unpaced < paced / 2, "took %" G_GINT64_FORMAT, unpaced);
}
GST_END_TEST

/* A sink that is half a second behind its live source, where it waits for
 * that at all. */
static gint64
live_wait (const gchar *sync)
{
  gchar *line = g_strconcat ("videotestsrc is-live=true num-buffers=1 ! "
                             "fcsink name=sink slot=cam0 ts-offset=500000000 ",
                             sync, NULL);
  GstElement *pipeline = gst_parse_launch (line, NULL);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gint64 begin = g_get_monotonic_time ();

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  FCT_WAIT (fct_stat (sink, "frames") == 1);
  begin = g_get_monotonic_time () - begin;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  g_free (line);
  return begin;
}

GST_START_TEST (live_frames_are_not_waited_for)
{
  gint64 waited = live_wait ("sync=true"), at_once = live_wait ("");

  fail_unless (waited >= 500 * 1000);
  fail_unless (at_once < waited - 200 * 1000, "took %" G_GINT64_FORMAT,
               at_once);
}
GST_END_TEST

GST_START_TEST (same_caps_again)
{
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  fc_slot_stat_t before, after;

  fct_push (h, 0, 100);
  fail_unless (fct_slot_stat ("cam0", &before));
  fct_push_caps (h, FCT_DATA);
  fct_push (h, 1, 100);
  fail_unless (fct_slot_stat ("cam0", &after));
  fail_unless_equals_int (before.generation, after.generation);
  fail_unless_equals_uint64 (after.head, 2);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (big_frame_renews)
{
  GstHarness *h = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "frame-size", 1000, NULL), FCT_DATA);
  GstHarness *src;
  fc_slot_stat_t before, after;

  src = fct_src_harness (
      fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, NULL));
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (h, 0, 1000);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  fail_unless (fct_slot_stat ("cam0", &before));
  fct_push (h, 1, 500000);
  fct_push (h, 2, 1000);
  fail_unless (fct_slot_stat ("cam0", &after));
  fail_unless (after.generation > before.generation);
  fail_unless (after.frame_size >= 500000);
  fct_pull (src, 0, 1000);
  fct_pull (src, 1, 500000);
  fct_pull (src, 2, 1000);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fct_stop (src);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (several_memories_once)
{
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  GstHarness *src = fct_src_harness (
      fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, NULL));
  GstBuffer *whole = fct_buffer (0, 100), *buffer;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  buffer = gst_buffer_append (
      gst_buffer_copy_region (whole, GST_BUFFER_COPY_ALL, 0, 40),
      gst_buffer_copy_region (whole, GST_BUFFER_COPY_ALL, 40, 60));
  GST_BUFFER_OFFSET (buffer) = 0;
  gst_buffer_unref (whole);
  fail_unless_equals_int (gst_buffer_n_memory (buffer), 2);
  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
  fct_pull (src, 0, 100);
  fail_unless_equals_uint64 (fct_stat (h->element, "copied"), 1);
  fct_stop (src);
  fct_stop (h);
}
GST_END_TEST

/* A buffer with wider lines than its caps tell comes out as they tell. */
GST_START_TEST (strides_are_the_caps_own)
{
  const gchar *caps
      = "video/x-raw,format=GRAY8,width=4,height=2,framerate=25/1";
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 16 };
  const guint8 expected[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), caps);
  GstHarness *src = fct_src_harness (
      fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, NULL));
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 32, NULL);

  FCT_WAIT (fct_waiting ("cam0") == 1);
  gst_buffer_memset (buffer, 0, 0xff, 32);
  gst_buffer_fill (buffer, 0, expected, 4);
  gst_buffer_fill (buffer, 16, expected + 4, 4);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
                                  GST_VIDEO_FORMAT_GRAY8, 4, 2, 1, offset,
                                  stride);
  GST_BUFFER_PTS (buffer) = 0;
  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = gst_harness_pull (src);
  gst_check_buffer_data (buffer, expected, sizeof (expected));
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (h);
}
GST_END_TEST

static void
on_notify (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  g_atomic_int_inc ((gint *) user_data);
}

GST_START_TEST (consumers_notifies)
{
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  GstHarness *src;
  gint notified = 0;
  guint consumers;

  g_signal_connect (h->element, "notify::consumers", G_CALLBACK (on_notify),
                    &notified);
  fct_push (h, 0, 100);
  src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", NULL));
  FCT_WAIT (fct_consumers ("cam0") == 1);
  fct_push (h, 1, 100);
  FCT_WAIT (g_atomic_int_get (&notified) >= 1);
  g_object_get (h->element, "consumers", &consumers, NULL);
  fail_unless_equals_int (consumers, 1);
  fct_stop (src);
  fct_push (h, 2, 100);
  FCT_WAIT (g_atomic_int_get (&notified) >= 2);
  g_object_get (h->element, "consumers", &consumers, NULL);
  fail_unless_equals_int (consumers, 0);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (stats_name_each_consumer)
{
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  GstHarness *src = fct_src_harness (
      fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, NULL));
  GstStructure *stats;
  const GValue *list;
  guint64 delivered = 0;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (h, 0, 100);
  fct_pull (src, 0, 100);
  g_object_get (h->element, "stats", &stats, NULL);
  list = gst_structure_get_value (stats, "consumers");
  fail_unless_equals_int (gst_value_list_get_size (list), 1);
  gst_structure_get_uint64 (
      gst_value_get_structure (gst_value_list_get_value (list, 0)), "delivered",
      &delivered);
  fail_unless_equals_uint64 (delivered, 1);
  fail_unless_equals_uint64 (fct_stat (h->element, "frames"), 1);
  fail_unless_equals_uint64 (fct_stat (h->element, "bytes"), 100);
  gst_structure_free (stats);
  fct_stop (src);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (eos_ends_the_slot)
{
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  fc_slot_stat_t stat;

  fct_push (h, 0, 100);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless_equals_int (stat.state, FC_STATE_EOS);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (buffer_after_flush_is_an_epoch)
{
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), FCT_DATA);
  fc_slot_stat_t before, after;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  fct_push (h, 0, 100);
  fail_unless (fct_slot_stat ("cam0", &before));
  gst_harness_push_event (h, gst_event_new_eos ());
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  fct_push (h, 1, 100);
  fail_unless (fct_slot_stat ("cam0", &after));
  fail_unless_equals_int (after.state, FC_STATE_LIVE);
  fail_unless_equals_int (after.generation, before.generation);
  fail_unless (after.epoch > before.epoch);
  fail_unless_equals_uint64 (after.head, 2);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (slot_removed_is_an_error)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (sink);
  GstHarness *h = fct_sink_harness (gst_object_ref (sink), FCT_DATA);
  GstFlowReturn ret;

  fct_push (h, 0, 100);
  fail_unless_equals_int (fc_slot_remove (NULL, "cam0", 1), 0);
  FCT_WAIT ((ret = gst_harness_push (h, fct_buffer (1, 100))) != GST_FLOW_OK);
  fail_unless_equals_int (ret, GST_FLOW_ERROR);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "cam0");
  fct_stop (h);
  fct_bus_free (bus);
  gst_object_unref (sink);
}
GST_END_TEST

static void
check_ring (const gchar *caps, const gchar *property, guint64 value,
            guint depth, guint64 frame_size)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstHarness *h;
  fc_slot_stat_t stat;

  if (property != NULL && g_str_equal (property, "history"))
    g_object_set (sink, property, value, NULL);
  else if (property != NULL)
    g_object_set (sink, property, (guint) value, NULL);
  h = fct_sink_harness (sink, caps);
  fct_push (h, 0, 1);
  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless_equals_int (stat.ring_depth, depth);
  fail_unless_equals_uint64 (stat.frame_size, frame_size);
  fct_stop (h);
}

#define VIDEO(width, height)                                                   \
  "video/x-raw,format=I420,width=" #width ",height=" #height ",framerate=25/1"

GST_START_TEST (ring_fits_its_caps)
{
  check_ring (VIDEO (320, 240), NULL, 0, 120, 320 * 240 * 3 / 2);
  check_ring (VIDEO (1920, 1080), NULL, 0, 86, 1920 * 1080 * 3 / 2);
  check_ring (VIDEO (8192, 8192), NULL, 0, 8, 8192 * 8192 * 3 / 2);
  check_ring (VIDEO (320, 240), "ring-depth", 10, 10, 320 * 240 * 3 / 2);
  check_ring (VIDEO (320, 240), "history", 2 * GST_SECOND, 50,
              320 * 240 * 3 / 2);
  check_ring ("video/x-h264,framerate=25/1", "history", 2 * GST_SECOND + 1, 51,
              1 << 20);
  /* a frame's time is no whole number of nanoseconds */
  check_ring ("video/x-h264,framerate=30/1", "history", 3 * GST_SECOND, 90,
              1 << 20);
  check_ring ("video/x-h264,framerate=30000/1001", "history",
              1001 * GST_MSECOND, 30, 1 << 20);
  check_ring ("video/x-h264", NULL, 0, 120, 1 << 20);
  check_ring ("video/x-h264", "frame-size", 5000, 120, 5000);
  check_ring (
      "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved", NULL,
      0, 120, 155648);
  check_ring ("audio/x-opus", NULL, 0, 120, 64 << 10);
}
GST_END_TEST

GST_START_TEST (who_may_read)
{
  gchar *path = g_build_filename (g_getenv ("FC_DIR"), "cam0.ring", NULL);
  fc_slot_stat_t slot;
  struct stat st;
  GstHarness *h;

  fail_unless_equals_int (chmod (g_getenv ("FC_DIR"), 0755), 0);
  h = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", "access",
                                 FC_SHARE_ALL, "trust", FC_SHARE_USER,
                                 "max-consumers", 3, "max-leases", 7, NULL),
                        FCT_DATA);
  fct_push (h, 0, 100);
  fail_unless (fct_slot_stat ("cam0", &slot));
  fail_unless_equals_int (slot.access, FC_SHARE_ALL);
  fail_unless_equals_int (slot.trust, FC_SHARE_USER);
  fail_unless_equals_int (slot.max_consumers, 3);
  fail_unless_equals_int (slot.leases, 7);
  fail_unless_equals_int (stat (path, &st), 0);
  fail_unless_equals_int (st.st_mode & 0777, 0644);
  g_free (path);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (directory_property)
{
  gchar *dir = g_build_filename (g_getenv ("FC_DIR"), "other", NULL);
  GstHarness *h;
  fc_slot_stat_t stat = { .struct_size = sizeof (stat) };

  fail_unless_equals_int (mkdir (dir, 0700), 0);
  h = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "directory", dir, NULL), FCT_DATA);
  fct_push (h, 0, 100);
  fail_unless_equals_int (fc_slot_stat (dir, "cam0", &stat), 0);
  fail_if (fc_slot_stat (NULL, "cam0", &stat) == 0);
  fct_stop (h);
  g_free (dir);
}
GST_END_TEST

GST_START_TEST (last_sample_is_off)
{
  GstElement *sink = gst_element_factory_make ("fcsink", NULL);
  gboolean enabled;

  g_object_get (sink, "enable-last-sample", &enabled, NULL);
  fail_if (enabled);
  gst_object_unref (sink);
}
GST_END_TEST

/* With metadata of its own kind only the caps would travel; other memory can
 * not be read. */
GST_START_TEST (other_memory_is_refused)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstCaps *gl
      = gst_caps_from_string ("video/x-raw(memory:GLMemory),format=RGBA");
  GstCaps *overlay = gst_caps_from_string (
      "video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition);"
      "video/x-raw");
  GstCaps *caps;

  gst_element_set_state (sink, GST_STATE_PAUSED);
  fail_if (gst_pad_query_accept_caps (pad, gl));
  caps = gst_pad_query_caps (pad, overlay);
  fail_unless_equals_int (gst_caps_get_size (caps), 1);
  fail_unless (gst_pad_query_accept_caps (pad, caps));
  gst_caps_unref (caps);
  caps = gst_pad_query_caps (pad, gl);
  fail_unless (gst_caps_is_empty (caps));
  gst_caps_unref (caps);
  caps = gst_pad_query_caps (pad, NULL);
  fail_unless (gst_caps_is_any (caps));
  gst_caps_unref (caps);
  gst_caps_unref (overlay);
  gst_caps_unref (gl);
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (sink);
}
GST_END_TEST

static Suite *
sink_suite (void)
{
  Suite *suite = suite_create ("fcsink");
  TCase *tc = tcase_create ("fcsink");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, no_slot_property);
  tcase_add_test (tc, illegal_name);
  tcase_add_test (tc, unusable_directory);
  tcase_add_test (tc, no_space);
  tcase_add_test (tc, second_writer_named);
  tcase_add_test (tc, no_caps);
  tcase_add_test (tc, nothing_in_preroll);
  tcase_add_test (tc, files_play_at_their_own_pace);
  tcase_add_test (tc, live_frames_are_not_waited_for);
  tcase_add_test (tc, same_caps_again);
  tcase_add_test (tc, big_frame_renews);
  tcase_add_test (tc, several_memories_once);
  tcase_add_test (tc, strides_are_the_caps_own);
  tcase_add_test (tc, consumers_notifies);
  tcase_add_test (tc, stats_name_each_consumer);
  tcase_add_test (tc, eos_ends_the_slot);
  tcase_add_test (tc, buffer_after_flush_is_an_epoch);
  tcase_add_test (tc, slot_removed_is_an_error);
  tcase_add_test (tc, ring_fits_its_caps);
  tcase_add_test (tc, who_may_read);
  tcase_add_test (tc, directory_property);
  tcase_add_test (tc, last_sample_is_off);
  tcase_add_test (tc, other_memory_is_refused);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, sink_suite);
}
