/* framecache: fcsrc, from frame to buffer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-test.h"

#define STREAM "timestamps", 1
#define ARRIVAL "timestamps", 2
#define OLDEST "start", 2
#define COPY "memory", 2

/* A buffer's flags but for those of the object in memory. */
#define TELLING(buffer)                                                        \
  (GST_BUFFER_FLAGS (buffer) & ~(0xf | GST_BUFFER_FLAG_TAG_MEMORY))

GST_START_TEST (no_slot_property)
{
  GstElement *src = fct_new ("fcsrc", NULL);
  GstBus *bus = fct_bus (src);

  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_FAILURE);
  fct_expect_error (bus, GST_RESOURCE_ERROR_SETTINGS, "slot=");
  gst_element_set_state (src, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (illegal_name)
{
  GstElement *src = fct_new ("fcsrc", "slot", "-cam0", NULL);
  GstBus *bus = fct_bus (src);

  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_FAILURE);
  fct_expect_error (bus, GST_RESOURCE_ERROR_SETTINGS, "-cam0");
  gst_element_set_state (src, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (consumer_first)
{
  GstHarness *src = fct_reader (NULL, 0), *sink = fct_writer ();

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 1000);
  fct_pull (src, 0, 1000);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (slot_never_came)
{
  GstElement *src = fct_new ("fcsrc", "slot", "cam0", "wait-for-slot",
                             (gint64) GST_SECOND / 10, NULL);
  GstBus *bus = fct_bus (src);
  GstHarness *h = fct_src_harness (gst_object_ref (src));

  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "cam0");
  fct_stop (h);
  fct_bus_free (bus);
  gst_object_unref (src);
}
GST_END_TEST

static void
check_caps_pass (const gchar *text, gsize size)
{
  GstHarness *src = fct_reader (NULL, 0);
  GstHarness *sink
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), text);
  GstCaps *expected = gst_caps_from_string (text), *caps;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, size);
  fct_pull (src, 0, size);
  caps = gst_pad_get_current_caps (src->sinkpad);
  fail_unless (gst_caps_is_strictly_equal (caps, expected), "%" GST_PTR_FORMAT,
               caps);
  gst_caps_unref (caps);
  gst_caps_unref (expected);
  fct_stop (src);
  fct_stop (sink);
}

GST_START_TEST (any_caps)
{
  check_caps_pass ("audio/x-raw,format=S16LE,layout=interleaved,rate=44100,"
                   "channels=2,channel-mask=(bitmask)0x3",
                   4096);
  check_caps_pass ("audio/mpeg,mpegversion=4,codec_data=(buffer)1190", 371);
  check_caps_pass ("video/x-h264,stream-format=avc,alignment=au,"
                   "codec_data=(buffer)01640028ffe10013",
                   70000);
  check_caps_pass ("video/x-raw,format=NV12,width=64,height=48,"
                   "framerate=(fraction)30000/1001,interlace-mode=interleaved,"
                   "colorimetry=bt709",
                   64 * 48 * 3 / 2);
  check_caps_pass ("application/x-rtp,media=video,payload=96,clock-rate=90000,"
                   "encoding-name=H264,ssrc=(uint)12345",
                   1200);
  check_caps_pass ("text/x-raw,format=utf8", 1);
  check_caps_pass ("meta/x-klv,parsed=true,"
                   "list=(string)< one, two >, range=(int)3",
                   17);
}
GST_END_TEST

GST_START_TEST (flags_and_times_survive)
{
  const guint flags = GST_BUFFER_FLAG_LIVE | GST_BUFFER_FLAG_RESYNC
                      | GST_BUFFER_FLAG_CORRUPTED | GST_BUFFER_FLAG_MARKER
                      | GST_BUFFER_FLAG_HEADER | GST_BUFFER_FLAG_GAP
                      | GST_BUFFER_FLAG_DROPPABLE | GST_BUFFER_FLAG_DELTA_UNIT
                      | GST_BUFFER_FLAG_NON_DROPPABLE
                      | (GST_BUFFER_FLAG_LAST << 3);
  GstHarness *sink, *src;
  GstBuffer *buffer;

  fct_both (&sink, &src);
  fct_push (sink, 0, 10);
  fct_pull (src, 0, 10);

  buffer = fct_buffer (1, 10);
  GST_BUFFER_FLAG_SET (buffer, flags);
  GST_BUFFER_PTS (buffer) = 80 * GST_MSECOND;
  GST_BUFFER_DTS (buffer) = 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 33333333;
  GST_BUFFER_OFFSET_END (buffer) = 77;
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  buffer = gst_harness_pull (src);
  fct_check_buffer (buffer, 1, 10);
  fail_unless_equals_int (TELLING (buffer), flags);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), 80 * GST_MSECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DTS (buffer), 40 * GST_MSECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), 33333333);
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET_END (buffer), 77);
  gst_buffer_unref (buffer);

  buffer = fct_buffer (2, 10);
  GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  buffer = gst_harness_pull (src);
  fail_unless_equals_int (TELLING (buffer), 0);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), GST_CLOCK_TIME_NONE);
  fail_unless_equals_uint64 (GST_BUFFER_DTS (buffer), GST_CLOCK_TIME_NONE);
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET_END (buffer),
                             GST_BUFFER_OFFSET_NONE);
  gst_buffer_unref (buffer);

  buffer = fct_buffer (3, 10);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  buffer = gst_harness_pull (src);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (first_buffer_is_discont)
{
  GstHarness *sink, *src;
  GstBuffer *buffer;

  fct_both (&sink, &src);
  fct_push (sink, 0, 10);
  buffer = gst_harness_pull (src);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (empty_buffer_travels)
{
  GstHarness *sink, *src;

  fct_both (&sink, &src);
  fct_push (sink, 0, 0);
  fct_pull (src, 0, 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static void
check_gap (GstHarness *sink, GstHarness *src, GstClockTime pts)
{
  GstEvent *event = gst_event_new_gap (pts, 30 * GST_MSECOND);
  GstClockTime timestamp, duration;
  GstGapFlags flags;

  gst_event_set_gap_flags (event, GST_GAP_FLAG_MISSING_DATA);
  fail_unless (gst_harness_push_event (sink, event));
  event = fct_pull_event (src, GST_EVENT_GAP);
  gst_event_parse_gap (event, &timestamp, &duration);
  gst_event_parse_gap_flags (event, &flags);
  fail_unless_equals_uint64 (timestamp, pts);
  fail_unless_equals_uint64 (duration, 30 * GST_MSECOND);
  fail_unless_equals_int (flags, GST_GAP_FLAG_MISSING_DATA);
  gst_event_unref (event);
}

GST_START_TEST (gap_travels)
{
  GstHarness *sink, *src;

  fct_both (&sink, &src);
  check_gap (sink, src, 0);
  fct_push (sink, 0, 10);
  fct_pull (src, 0, 10);
  check_gap (sink, src, 50 * GST_MSECOND);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (stream_id_segment_and_tags_travel)
{
  GstHarness *sink = fct_writer (), *src;
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, "Line 1\nline 2",
                                       GST_TAG_BITRATE, 640000u, NULL);
  GstTagList *global = gst_tag_list_new (GST_TAG_ARTIST, "Nobody", NULL);
  GstBuffer *picture = gst_buffer_new_allocate (NULL, 10, NULL);
  GstSample *image = gst_sample_new (picture, NULL, NULL, NULL);
  gchar *text = g_strnfill (20000, 'x');
  const GstSegment *got;
  const gchar *id;
  GstTagList *list;
  GstSegment segment;
  GstEvent *event;
  gchar *value;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = 3 * GST_SECOND;
  segment.time = 3 * GST_SECOND;
  segment.base = GST_SECOND;
  gst_tag_list_add (tags, GST_TAG_MERGE_APPEND, GST_TAG_IMAGE, image,
                    GST_TAG_COMMENT, text, NULL);
  gst_tag_list_set_scope (global, GST_TAG_SCOPE_GLOBAL);
  gst_harness_push_event (sink, gst_event_new_stream_start ("my/stream"));
  fct_push_caps (sink, FCT_DATA);
  gst_harness_push_event (sink, gst_event_new_segment (&segment));
  gst_harness_push_event (sink, gst_event_new_tag (tags));
  gst_harness_push_event (sink, gst_event_new_tag (global));
  fct_push (sink, 160, 10);

  src = fct_reader (OLDEST);
  fct_pull (src, 160, 10);
  event = gst_pad_get_sticky_event (src->sinkpad, GST_EVENT_STREAM_START, 0);
  gst_event_parse_stream_start (event, &id);
  fail_unless_equals_string (id, "my/stream");
  gst_event_unref (event);
  event = gst_pad_get_sticky_event (src->sinkpad, GST_EVENT_SEGMENT, 0);
  gst_event_parse_segment (event, &got);
  fail_unless_equals_uint64 (got->start, 3 * GST_SECOND);
  fail_unless_equals_uint64 (got->base, GST_SECOND);
  fail_unless_equals_uint64 (
      gst_segment_to_running_time (got, GST_FORMAT_TIME, 3200 * GST_MSECOND),
      1200 * GST_MSECOND);
  gst_event_unref (event);

  event = fct_pull_event (src, GST_EVENT_TAG);
  gst_event_parse_tag (event, &list);
  fail_unless_equals_int (gst_tag_list_get_scope (list), GST_TAG_SCOPE_STREAM);
  fail_unless_equals_int (gst_tag_list_n_tags (list), 2);
  fail_unless (gst_tag_list_get_string (list, GST_TAG_TITLE, &value));
  fail_unless_equals_string (value, "Line 1\nline 2");
  g_free (value);
  gst_event_unref (event);
  event = fct_pull_event (src, GST_EVENT_TAG);
  gst_event_parse_tag (event, &list);
  fail_unless_equals_int (gst_tag_list_get_scope (list), GST_TAG_SCOPE_GLOBAL);
  gst_event_unref (event);

  fct_stop (src);
  fct_stop (sink);
  gst_sample_unref (image);
  gst_buffer_unref (picture);
  g_free (text);
}
GST_END_TEST

typedef struct
{
  GstSegment segment;
  GArray *running;
} Running;

static GstPadProbeReturn
note_running_time (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Running *self = user_data;

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER)
    {
      GstClockTime time = gst_segment_to_running_time (
          &self->segment, GST_FORMAT_TIME,
          GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));

      g_array_append_val (self->running, time);
    }
  else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info))
           == GST_EVENT_SEGMENT)
    {
      gst_event_copy_segment (GST_PAD_PROBE_INFO_EVENT (info), &self->segment);
    }
  return GST_PAD_PROBE_OK;
}

/* Frames of an earlier segment than the one that the slot tells of now keep
 * the running times that they had. */
GST_START_TEST (history_keeps_its_segment)
{
  const guint numbers[] = { 0, 1, 10, 11 };
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, OLDEST, NULL);
  GstPad *pad = gst_element_get_static_pad (element, "src");
  GstHarness *sink = fct_writer (), *src;
  GstSegment segment;
  Running running;
  guint i;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  fct_push (sink, 0, 10);
  fct_push (sink, 1, 10);
  segment.start = segment.time = segment.position = 200 * GST_MSECOND;
  segment.base = 40 * GST_MSECOND;
  gst_harness_push_event (sink, gst_event_new_segment (&segment));
  fct_push (sink, 10, 10);
  fct_push (sink, 11, 10);

  gst_segment_init (&running.segment, GST_FORMAT_UNDEFINED);
  running.running = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      note_running_time, &running, NULL);
  src = fct_src_harness (element);
  for (i = 0; i < 4; i++)
    fct_pull (src, numbers[i], 10);
  for (i = 0; i < 4; i++)
    fail_unless_equals_uint64 (g_array_index (running.running, GstClockTime, i),
                               i * 20 * GST_MSECOND);
  fct_stop (src);
  fct_stop (sink);
  gst_object_unref (pad);
  g_array_unref (running.running);
}
GST_END_TEST

GST_START_TEST (caps_changed)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *sink = fct_writer (), *src = fct_src_harness (element);
  GstCaps *caps;
  GstBuffer *buffer;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 100);
  fct_pull (src, 0, 100);
  fct_push_caps (sink, "application/x-other");
  fct_push (sink, 1, 200);
  buffer = gst_harness_pull (src);
  fct_check_buffer (buffer, 1, 200);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  caps = gst_pad_get_current_caps (src->sinkpad);
  fail_unless (gst_structure_has_name (gst_caps_get_structure (caps, 0),
                                       "application/x-other"));
  gst_caps_unref (caps);
  gst_message_unref (fct_message (bus, "fc-replaced"));
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "reconnects"), 1);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
}
GST_END_TEST

GST_START_TEST (caps_refused_downstream)
{
  GstElement *pipeline = gst_parse_launch (
      "fcsrc slot=cam0 ! application/x-other ! fakesink", NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstHarness *sink = fct_writer ();
  GstMessage *message;
  GError *error;

  fct_push (sink, 0, 100);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (strstr (error->message, "cam0") != NULL, "%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (eos_ends_the_stream)
{
  GstHarness *sink, *src;

  fct_both (&sink, &src);
  fct_push (sink, 0, 10);
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_pull (src, 0, 10);
  gst_event_unref (fct_pull_event (src, GST_EVENT_EOS));
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* The writer finished, was flushed and writes on: the same ring. */
GST_START_TEST (eos_wait_same_writer)
{
  GstHarness *sink = fct_writer (), *src = fct_reader ("on-eos", 1);
  GstSegment segment;
  GstBuffer *buffer;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_pull (src, 0, 10);
  gst_harness_push_event (sink, gst_event_new_flush_start ());
  gst_harness_push_event (sink, gst_event_new_flush_stop (TRUE));
  gst_harness_push_event (sink, gst_event_new_segment (&segment));
  fct_push (sink, 1, 10);
  buffer = gst_harness_pull (src);
  fct_check_buffer (buffer, 1, 10);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* The writer finished and left, and another one comes. */
GST_START_TEST (eos_wait_next_writer)
{
  GstHarness *sink = fct_writer (), *src = fct_reader ("on-eos", 1);

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  fct_pull (src, 0, 10);
  fct_stop (sink);

  sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                           "application/x-other");
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 1, 10);
  fct_pull (src, 1, 10);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Waiting for the next writer has an end, and that is the stream's. */
GST_START_TEST (eos_wait_in_vain)
{
  GstHarness *sink = fct_writer ();
  GstHarness *src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", STREAM,
                                              "on-eos", 1, "wait-for-slot",
                                              (gint64) GST_SECOND / 5, NULL));

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_pull (src, 0, 10);
  gst_event_unref (fct_pull_event (src, GST_EVENT_EOS));
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Where it begins ----------------------------------------------------- */

GST_START_TEST (latest_begins_at_once)
{
  GstHarness *sink = fct_writer (), *src;

  fct_push (sink, 0, 10);
  fct_push (sink, 1, 10);
  src = fct_reader ("start", 1);
  fct_pull (src, 1, 10);
  fct_push (sink, 2, 10);
  fct_pull (src, 2, 10);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (oldest_begins_three_quarters_back)
{
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 8, NULL), FCT_DATA);
  GstHarness *src;
  guint i;

  for (i = 0; i < 20; i++)
    fct_push (sink, i, 10);
  src = fct_reader (OLDEST);
  for (i = 14; i < 20; i++)
    fct_pull (src, i, 10);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (directory_property)
{
  gchar *dir = g_strdup (g_getenv ("FC_DIR"));
  GstHarness *sink = fct_writer (), *src;

  g_setenv ("FC_DIR", "/dev/shm/no/such/place", TRUE);
  src = fct_src_harness (
      fct_new ("fcsrc", "slot", "cam0", STREAM, "directory", dir, NULL));
  g_setenv ("FC_DIR", dir, TRUE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  fct_pull (src, 0, 10);
  fct_stop (src);
  fct_stop (sink);
  g_free (dir);
}
GST_END_TEST

static Suite *
src_suite (void)
{
  Suite *suite = suite_create ("fcsrc");
  TCase *tc = tcase_create ("fcsrc");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, no_slot_property);
  tcase_add_test (tc, illegal_name);
  tcase_add_test (tc, consumer_first);
  tcase_add_test (tc, slot_never_came);
  tcase_add_test (tc, any_caps);
  tcase_add_test (tc, flags_and_times_survive);
  tcase_add_test (tc, first_buffer_is_discont);
  tcase_add_test (tc, empty_buffer_travels);
  tcase_add_test (tc, gap_travels);
  tcase_add_test (tc, stream_id_segment_and_tags_travel);
  tcase_add_test (tc, history_keeps_its_segment);
  tcase_add_test (tc, caps_changed);
  tcase_add_test (tc, caps_refused_downstream);
  tcase_add_test (tc, eos_ends_the_stream);
  tcase_add_test (tc, eos_wait_same_writer);
  tcase_add_test (tc, eos_wait_next_writer);
  tcase_add_test (tc, eos_wait_in_vain);
  tcase_add_test (tc, latest_begins_at_once);
  tcase_add_test (tc, oldest_begins_three_quarters_back);
  tcase_add_test (tc, directory_property);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, src_suite);
}
