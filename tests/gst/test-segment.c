/* framecache: seeks, rates and pauses in the writer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-gst-line.h"

/* Played at its pace; ten frames a second, so that a frame's duration too
 * much is more than a busy machine's delay. */
#define FILE_WRITER                                                            \
  "videotestsrc ! video/x-raw,format=GRAY8,width=32,height=32,framerate=10/1 " \
  "! fcsink name=end slot=cam0 ring-depth=100"

/* A writer, and a reader for each kind of time stamp. */
typedef struct
{
  FctLine writer, clock, stream;
} Trio;

static void
trio_start (Trio *self, const gchar *writer)
{
  fct_line_start (&self->clock, "fcsrc name=end slot=cam0 ! fakesink", "src",
                  NULL);
  fct_line_start (&self->stream,
                  "fcsrc name=end slot=cam0 timestamps=stream ! fakesink",
                  "src", NULL);
  fct_line_start (&self->writer, writer, "sink", NULL);
}

static void
trio_stop (Trio *self)
{
  fct_line_stop (&self->writer);
  fct_line_stop (&self->stream);
  fct_line_stop (&self->clock);
}

static gboolean
has_come (FctLine *line, guint64 number)
{
  guint n = fct_line_count (line);

  return n > 0 && fct_line_nth (line, n - 1).number >= number;
}

/* Backwards, a frame is shown from its end to its begin. */
static GstClockTimeDiff
captured (const FctSeen *seen)
{
  return seen->rate > 0 ? seen->absolute
                        : seen->absolute - seen->running + seen->running_end;
}

static void
check_frame (Trio *self, guint64 number, gdouble rate)
{
  FctSeen from = fct_line_find (&self->writer, number);
  FctSeen clock = fct_line_find (&self->clock, number);
  FctSeen stream = fct_line_find (&self->stream, number);

  fail_unless_equals_float (from.rate, rate);
  fail_unless_equals_int64 (clock.absolute, captured (&from));
  fail_unless (clock.now >= clock.running);
  fail_unless_equals_float (clock.rate, 1.0);
  fail_unless_equals_uint64 (clock.duration, from.duration);

  fail_unless_equals_uint64 (stream.pts, from.pts);
  fail_unless_equals_uint64 (stream.duration, from.duration);
  fail_unless_equals_int64 (stream.running, from.running);
  fail_unless_equals_float (stream.rate, rate);
}

/* N frames from here on. The first two may have been on their way to the sink
 * while the base time was still another. */
static void
trio_check (Trio *self, guint n, gdouble rate)
{
  guint64 first = fct_line_count (&self->writer) + 2, number;

  FCT_WAIT (has_come (&self->clock, first + n)
            && has_come (&self->stream, first + n));
  for (number = first; number < first + n; number++)
    check_frame (self, number, rate);
}

static void
seek (Trio *self, gdouble rate, GstSeekFlags flags, GstClockTime start,
      GstClockTime stop)
{
  fail_unless (gst_element_seek (self->writer.pipeline, rate, GST_FORMAT_TIME,
                                 flags, GST_SEEK_TYPE_SET, start,
                                 GST_SEEK_TYPE_SET, stop));
  gst_element_get_state (self->writer.pipeline, NULL, NULL,
                         FCT_PATIENCE * 1000);
}

static void
check_seek (gdouble rate, GstSeekFlags flags, GstClockTime start,
            GstClockTime stop)
{
  Trio trio;

  trio_start (&trio, FILE_WRITER);
  trio_check (&trio, 5, 1.0);
  seek (&trio, rate, flags, start, stop);
  trio_check (&trio, 10, rate);
  seek (&trio, 1.0, GST_SEEK_FLAG_FLUSH, 7 * GST_SECOND, GST_CLOCK_TIME_NONE);
  trio_check (&trio, 5, 1.0);
  trio_stop (&trio);
}

GST_START_TEST (flushing_seek)
{
  check_seek (1.0, GST_SEEK_FLAG_FLUSH, 100 * GST_SECOND, GST_CLOCK_TIME_NONE);
}
GST_END_TEST

GST_START_TEST (seek_without_a_flush)
{
  check_seek (1.0, GST_SEEK_FLAG_NONE, 100 * GST_SECOND, GST_CLOCK_TIME_NONE);
}
GST_END_TEST

GST_START_TEST (segment_seek)
{
  check_seek (1.0, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT,
              100 * GST_SECOND, 200 * GST_SECOND);
}
GST_END_TEST

GST_START_TEST (twice_as_fast)
{
  check_seek (2.0, GST_SEEK_FLAG_FLUSH, 10 * GST_SECOND, GST_CLOCK_TIME_NONE);
}
GST_END_TEST

GST_START_TEST (twice_as_fast_without_a_flush)
{
  check_seek (2.0, GST_SEEK_FLAG_NONE, 10 * GST_SECOND, GST_CLOCK_TIME_NONE);
}
GST_END_TEST

GST_START_TEST (half_as_fast)
{
  check_seek (0.5, GST_SEEK_FLAG_FLUSH, 10 * GST_SECOND, GST_CLOCK_TIME_NONE);
}
GST_END_TEST

GST_START_TEST (backwards)
{
  check_seek (-1.0, GST_SEEK_FLAG_FLUSH, 0, 20 * GST_SECOND);
}
GST_END_TEST

GST_START_TEST (backwards_twice_as_fast)
{
  check_seek (-2.0, GST_SEEK_FLAG_FLUSH, 0, 20 * GST_SECOND);
}
GST_END_TEST

/* Half a second of a pause is not in the running times, and is between the
 * capture times. */
static void
check_pause (const gchar *writer)
{
  FctSeen before, after;
  gint64 begin;
  Trio trio;
  guint n;

  trio_start (&trio, writer);
  trio_check (&trio, 5, 1.0);
  fct_line_set (&trio.writer, GST_STATE_PAUSED);
  gst_element_get_state (trio.writer.pipeline, NULL, NULL, FCT_PATIENCE * 1000);
  n = fct_line_count (&trio.writer);
  begin = g_get_monotonic_time ();
  FCT_WAIT (g_get_monotonic_time () > begin + G_TIME_SPAN_SECOND / 2);
  fct_line_set (&trio.writer, GST_STATE_PLAYING);
  trio_check (&trio, 10, 1.0);
  before = fct_line_find (&trio.clock, n - 3);
  after = fct_line_find (&trio.clock, n + 3);
  fail_unless (after.absolute - before.absolute
               > 500 * (GstClockTimeDiff) GST_MSECOND
                     + fct_line_find (&trio.stream, n + 3).running
                     - fct_line_find (&trio.stream, n - 3).running);
  trio_stop (&trio);
}

GST_START_TEST (paused_and_resumed) { check_pause (FILE_WRITER); }
GST_END_TEST

GST_START_TEST (live_paused_and_resumed) { check_pause (FCT_WRITER); }
GST_END_TEST

/* What an offset of a pad does to the segment is in all times. */
GST_START_TEST (pad_offset)
{
  GstPad *pad;
  Trio trio;

  trio_start (&trio, FILE_WRITER);
  trio_check (&trio, 5, 1.0);
  pad = gst_element_get_static_pad (trio.writer.end, "sink");
  gst_pad_set_offset (pad, 300 * GST_MSECOND);
  trio_check (&trio, 5, 1.0);
  gst_object_unref (pad);
  trio_stop (&trio);
}
GST_END_TEST

/* Applied already: it travels, and changes no time. */
GST_START_TEST (applied_rate_travels)
{
  GstHarness *sink = fct_writer (), *src;
  const GstSegment *got;
  GstSegment segment;
  GstBuffer *buffer;
  GstEvent *event;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.applied_rate = 4.0;
  segment.start = segment.time = 10 * GST_SECOND;
  gst_harness_push_event (sink, gst_event_new_segment (&segment));
  buffer = fct_buffer (0, 100);
  GST_BUFFER_PTS (buffer) = 11 * GST_SECOND;
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  src = fct_reader ("start", 2);
  buffer = gst_harness_pull (src);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), 11 * GST_SECOND);
  gst_buffer_unref (buffer);
  event = fct_pull_event (src, GST_EVENT_SEGMENT);
  gst_event_parse_segment (event, &got);
  fail_unless_equals_float (got->applied_rate, 4.0);
  fail_unless_equals_float (got->rate, 1.0);
  fail_unless_equals_uint64 (
      gst_segment_to_running_time (got, GST_FORMAT_TIME, 11 * GST_SECOND),
      GST_SECOND);
  gst_event_unref (event);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static Suite *
segment_suite (void)
{
  Suite *suite = suite_create ("segment");
  TCase *tc = tcase_create ("segment");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, flushing_seek);
  tcase_add_test (tc, seek_without_a_flush);
  tcase_add_test (tc, segment_seek);
  tcase_add_test (tc, twice_as_fast);
  tcase_add_test (tc, twice_as_fast_without_a_flush);
  tcase_add_test (tc, half_as_fast);
  tcase_add_test (tc, backwards);
  tcase_add_test (tc, backwards_twice_as_fast);
  tcase_add_test (tc, paused_and_resumed);
  tcase_add_test (tc, live_paused_and_resumed);
  tcase_add_test (tc, pad_offset);
  tcase_add_test (tc, applied_rate_travels);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, segment_suite);
}
