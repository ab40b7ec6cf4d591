/* framecache: fcsrc, from frame to buffer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-test.h"

#define DATA "application/x-test"
#define STREAM "timestamps", 1
#define ARRIVAL "timestamps", 2
#define OLDEST "start", 2
#define COPY "memory", 2

/* A buffer's flags but for those of the object in memory. */
#define TELLING(buffer)                                                        \
  (GST_BUFFER_FLAGS (buffer) & ~(0xf | GST_BUFFER_FLAG_TAG_MEMORY))

static GstHarness *
writer (void)
{
  return fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), DATA);
}

static GstHarness *
reader (const gchar *first, gint value)
{
  return fct_src_harness (
      fct_new ("fcsrc", "slot", "cam0", STREAM, first, value, NULL));
}

/* A writer and a reader of it, attached. */
static void
both (GstHarness **sink, GstHarness **src)
{
  *sink = writer ();
  *src = reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
}

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
  GstHarness *src = reader (NULL, 0), *sink = writer ();

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
  GstHarness *src = reader (NULL, 0);
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

  both (&sink, &src);
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

  both (&sink, &src);
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

  both (&sink, &src);
  fct_push (sink, 0, 0);
  fct_pull (src, 0, 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static GstEvent *
pull_event (GstHarness *h, GstEventType type)
{
  for (;;)
    {
      GstEvent *event = gst_harness_pull_event (h);

      fail_unless (event != NULL, "no %s", gst_event_type_get_name (type));
      if (GST_EVENT_TYPE (event) == type)
        return event;
      gst_event_unref (event);
    }
}

static void
check_gap (GstHarness *sink, GstHarness *src, GstClockTime pts)
{
  GstEvent *event = gst_event_new_gap (pts, 30 * GST_MSECOND);
  GstClockTime timestamp, duration;
  GstGapFlags flags;

  gst_event_set_gap_flags (event, GST_GAP_FLAG_MISSING_DATA);
  fail_unless (gst_harness_push_event (sink, event));
  event = pull_event (src, GST_EVENT_GAP);
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

  both (&sink, &src);
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
  GstHarness *sink = writer (), *src;
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
  fct_push_caps (sink, DATA);
  gst_harness_push_event (sink, gst_event_new_segment (&segment));
  gst_harness_push_event (sink, gst_event_new_tag (tags));
  gst_harness_push_event (sink, gst_event_new_tag (global));
  fct_push (sink, 160, 10);

  src = reader (OLDEST);
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

  event = pull_event (src, GST_EVENT_TAG);
  gst_event_parse_tag (event, &list);
  fail_unless_equals_int (gst_tag_list_get_scope (list), GST_TAG_SCOPE_STREAM);
  fail_unless_equals_int (gst_tag_list_n_tags (list), 2);
  fail_unless (gst_tag_list_get_string (list, GST_TAG_TITLE, &value));
  fail_unless_equals_string (value, "Line 1\nline 2");
  g_free (value);
  gst_event_unref (event);
  event = pull_event (src, GST_EVENT_TAG);
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
  GstHarness *sink = writer (), *src;
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
  GstHarness *sink = writer (), *src = fct_src_harness (element);
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
  GstHarness *sink = writer ();
  GstMessage *message;
  GError *error;

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

  both (&sink, &src);
  fct_push (sink, 0, 10);
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_pull (src, 0, 10);
  gst_event_unref (pull_event (src, GST_EVENT_EOS));
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* The writer finished, was flushed and writes on: the same ring. */
GST_START_TEST (eos_wait_same_writer)
{
  GstHarness *sink = writer (), *src = reader ("on-eos", 1);
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
  GstHarness *sink = writer (), *src = reader ("on-eos", 1);

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
  GstHarness *sink = writer ();
  GstHarness *src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", STREAM,
                                              "on-eos", 1, "wait-for-slot",
                                              (gint64) GST_SECOND / 5, NULL));

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 10);
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_pull (src, 0, 10);
  gst_event_unref (pull_event (src, GST_EVENT_EOS));
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Memory -------------------------------------------------------------- */

static gboolean
is_read_only (GstBuffer *buffer)
{
  return GST_MEMORY_IS_READONLY (gst_buffer_peek_memory (buffer, 0));
}

GST_START_TEST (leased_then_copied_then_leased)
{
  GstHarness *sink, *src;
  GstBuffer *held[8];
  guint i;

  both (&sink, &src);
  for (i = 0; i < 6; i++)
    {
      fct_push (sink, i, 1000);
      held[i] = gst_harness_pull (src);
      fail_unless_equals_int (is_read_only (held[i]), i < 3);
    }
  for (i = 0; i < 6; i++)
    {
      fct_check_buffer (held[i], i, 1000);
      gst_buffer_unref (held[i]);
    }
  fct_push (sink, 6, 1000);
  held[6] = gst_harness_pull (src);
  fail_unless (is_read_only (held[6]));
  gst_buffer_unref (held[6]);
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 4);
  fail_unless_equals_uint64 (fct_stat (src->element, "copied"), 3);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (copies_are_writable)
{
  GstHarness *sink = writer (), *src = reader (COPY);
  GstBuffer *buffer;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 1000);
  buffer = gst_harness_pull (src);
  fail_if (is_read_only (buffer));
  fct_check_buffer (buffer, 0, 1000);
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (zero_copy_waits_for_a_lease)
{
  GstHarness *sink = writer (), *src = reader ("memory", 1);
  GstBuffer *held[3];
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 4; i++)
    fct_push (sink, i, 1000);
  for (i = 0; i < 3; i++)
    {
      held[i] = gst_harness_pull (src);
      fail_unless (is_read_only (held[i]));
    }
  fail_unless_equals_int (gst_harness_buffers_in_queue (src), 0);
  gst_buffer_unref (held[0]);
  fct_pull (src, 3, 1000);
  gst_buffer_unref (held[1]);
  gst_buffer_unref (held[2]);
  fail_unless_equals_uint64 (fct_stat (src->element, "copied"), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* A buffer that goes through anything that writes is copied first. */
GST_START_TEST (leased_memory_is_not_written)
{
  GstHarness *sink, *src;
  GstBuffer *buffer, *again;
  GstMapInfo map;

  both (&sink, &src);
  fct_push (sink, 0, 1000);
  buffer = gst_harness_pull (src);
  again = gst_buffer_ref (buffer);
  buffer = gst_buffer_make_writable (buffer);
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  memset (map.data, 0, map.size);
  gst_buffer_unmap (buffer, &map);
  fct_check_buffer (again, 0, 1000);
  gst_buffer_unref (buffer);
  gst_buffer_unref (again);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static gpointer
unref_buffer (gpointer data)
{
  gst_buffer_unref (data);
  return NULL;
}

/* Element, consumer, writer and slot are gone; the last unref comes from
 * another thread. */
GST_START_TEST (leased_memory_outlives_element)
{
  GstHarness *sink, *src;
  GstBuffer *buffer;
  GstMemory *part;

  both (&sink, &src);
  fct_push (sink, 0, 100000);
  buffer = gst_harness_pull (src);
  fail_unless (is_read_only (buffer));
  fct_stop (src);
  fct_check_buffer (buffer, 0, 100000);
  fct_stop (sink);
  fct_check_buffer (buffer, 0, 100000);
  part = gst_memory_share (gst_buffer_peek_memory (buffer, 0), 10, 20);
  g_thread_join (g_thread_new ("unref", unref_buffer, buffer));
  gst_memory_unref (part);
}
GST_END_TEST

GST_START_TEST (leased_memory_outlives_generation)
{
  GstHarness *sink, *src;
  GstBuffer *buffer;

  both (&sink, &src);
  fct_push (sink, 0, 100000);
  buffer = gst_harness_pull (src);
  fct_push_caps (sink, "application/x-other");
  fct_push (sink, 1, 10);
  fct_pull (src, 1, 10);
  fct_check_buffer (buffer, 0, 100000);
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Buffers that are kept while the element goes up and down take up one place
 * among the consumers, not one for each time. */
GST_START_TEST (kept_buffers_take_one_place)
{
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "max-consumers", 2, NULL), DATA);
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstHarness *src = fct_src_harness (gst_object_ref (element));
  GstBuffer *kept;
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 1000);
  kept = gst_harness_pull (src);
  for (i = 1; i < 5; i++)
    {
      guint64 delivered;

      gst_element_set_state (element, GST_STATE_NULL);
      fct_push (sink, 100 + i, 1000);
      gst_element_set_state (element, GST_STATE_PLAYING);
      delivered = 0;
      while (delivered == 0)
        {
          /* pushed until it is attached and waits */
          fct_push (sink, i, 1000);
          delivered = fct_stat (element, "delivered");
        }
      fail_unless_equals_int (fct_consumers ("cam0"), 1);
      while (gst_harness_buffers_in_queue (src) > 0)
        gst_buffer_unref (gst_harness_pull (src));
    }
  fct_check_buffer (kept, 0, 1000);
  gst_element_set_state (element, GST_STATE_NULL);
  fail_unless_equals_int (fct_consumers ("cam0"), 1);
  gst_buffer_unref (kept);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_stop (src);
  gst_object_unref (element);
  fct_stop (sink);
}
GST_END_TEST

/* Losses -------------------------------------------------------------- */

typedef struct
{
  guint64 dropped;
  guint64 total;
  guint64 qos_dropped;
  guint messages;
} Told;

static void
collect (GstBus *bus, Told *told)
{
  GstMessage *message;

  while ((message = gst_bus_pop (bus)) != NULL)
    {
      guint64 dropped, total, first;
      GstFormat format;

      if (gst_message_has_name (message, "fc-dropped"))
        {
          const GstStructure *s = gst_message_get_structure (message);

          fail_unless (gst_structure_get (
              s, "dropped", G_TYPE_UINT64, &dropped, "total", G_TYPE_UINT64,
              &total, "first-seq", G_TYPE_UINT64, &first, NULL));
          fail_unless_equals_string (gst_structure_get_string (s, "slot"),
                                     "cam0");
          told->dropped += dropped;
          told->total = total;
          told->messages++;
        }
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_QOS)
        {
          gst_message_parse_qos_stats (message, &format, NULL, &dropped);
          told->qos_dropped = dropped;
        }
      gst_message_unref (message);
    }
}

/* What is received and what is told as dropped are what was written, each
 * once; and the losses come where the numbers jump. */
static void
check_slow_consumer (const gchar *property, gint value)
{
  const guint frames = 400;
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, OLDEST,
                                 property, value, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 8, NULL), DATA);
  GstHarness *src = fct_src_harness (element);
  guint received = 0, lost = 0, next = 0, i;
  Told told = { 0 };
  GstBuffer *buffer;

  gst_harness_set_drop_buffers (src, FALSE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  gst_pad_set_active (src->sinkpad, TRUE);
  for (i = 0; i < frames; i++)
    {
      if (i % 50 == 10)
        GST_PAD_STREAM_LOCK (src->sinkpad);
      if (i % 50 == 40)
        GST_PAD_STREAM_UNLOCK (src->sinkpad);
      fct_push (sink, i, 1000);
    }
  gst_harness_push_event (sink, gst_event_new_eos ());
  gst_event_unref (pull_event (src, GST_EVENT_EOS));

  while ((buffer = gst_harness_try_pull (src)) != NULL)
    {
      guint number = (guint) GST_BUFFER_OFFSET (buffer);

      fct_check_buffer (buffer, number, 1000);
      fail_unless (number >= next, "%u after %u", number, next);
      if (number > next)
        fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
      lost += number - next;
      next = number + 1;
      received++;
      gst_buffer_unref (buffer);
    }
  lost += frames - next;
  GST_INFO ("received %u, lost %u", received, lost);
  fail_unless (lost > 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), lost);
  fail_unless_equals_uint64 (fct_stat (src->element, "delivered"), received);
  collect (bus, &told);
  fail_unless_equals_uint64 (told.dropped, lost);
  fail_unless_equals_uint64 (told.total, lost);
  fail_unless_equals_uint64 (told.qos_dropped, lost);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
}

GST_START_TEST (slow_consumer_counts_exactly)
{
  check_slow_consumer (NULL, 0);
  check_slow_consumer (COPY);
  check_slow_consumer ("on-lap", 2);
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
  tcase_add_test (tc, leased_then_copied_then_leased);
  tcase_add_test (tc, copies_are_writable);
  tcase_add_test (tc, zero_copy_waits_for_a_lease);
  tcase_add_test (tc, leased_memory_is_not_written);
  tcase_add_test (tc, leased_memory_outlives_element);
  tcase_add_test (tc, leased_memory_outlives_generation);
  tcase_add_test (tc, kept_buffers_take_one_place);
  tcase_add_test (tc, slow_consumer_counts_exactly);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, src_suite);
}
