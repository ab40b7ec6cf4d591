/* framecache: time stamps, and the latency that makes them true
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <time.h>

#include "fc-gst-line.h"

static GstClock *
wall_clock (void)
{
  GstClock *clock = g_object_new (GST_TYPE_SYSTEM_CLOCK, "clock-type",
                                  GST_CLOCK_TYPE_REALTIME, NULL);

  gst_object_ref_sink (clock);
  return clock;
}

/* CLOCK_REALTIME less CLOCK_MONOTONIC. */
static GstClockTimeDiff
wall_offset (void)
{
  struct timespec wall, monotonic;

  clock_gettime (CLOCK_MONOTONIC, &monotonic);
  clock_gettime (CLOCK_REALTIME, &wall);
  return GST_CLOCK_DIFF (GST_TIMESPEC_TO_TIME (monotonic),
                         GST_TIMESPEC_TO_TIME (wall));
}

/* Two pipelines that began at different times agree with the writer, and so
 * with each other, to the nanosecond. */
GST_START_TEST (timestamps_clock)
{
  FctLine writer, early, other;
  guint i;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  fct_line_start (&early, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (fct_line_count (&early) > 10);
  fct_line_start (&other, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (fct_line_count (&other) > 20);
  for (i = 0; i < 20; i++)
    {
      FctSeen seen = fct_line_nth (&other, i);

      fail_unless (seen.running < seen.now);
      fail_unless_equals_int64 (fct_line_find (&writer, seen.number).absolute,
                                seen.absolute);
      fail_unless_equals_int64 (fct_line_find (&early, seen.number).absolute,
                                seen.absolute);
    }
  fct_line_stop (&other);
  fct_line_stop (&early);
  fct_line_stop (&writer);
}
GST_END_TEST

static void
check_other_clock (gboolean of_writer)
{
  GstClock *clock = wall_clock ();
  GstClockTimeDiff offset = wall_offset ();
  FctLine writer, reader;
  guint i;

  fct_line_start (&writer, FCT_WRITER, "sink", of_writer ? clock : NULL);
  fct_line_start (&reader, "fcsrc name=end slot=cam0 ! fakesink", "src",
                  of_writer ? NULL : clock);
  FCT_WAIT (fct_line_count (&reader) > 100);
  for (i = 0; i < 100; i++)
    {
      FctSeen seen = fct_line_nth (&reader, i);
      GstClockTimeDiff apart = GST_CLOCK_DIFF (
          fct_line_find (&writer, seen.number).absolute, seen.absolute);

      apart -= of_writer ? -offset : offset;
      fail_unless (ABS (apart) < GST_MSECOND, "%" GST_STIME_FORMAT,
                   GST_STIME_ARGS (apart));
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
  gst_object_unref (clock);
}

GST_START_TEST (timestamps_clock_of_another_kind)
{
  check_other_clock (FALSE);
  check_other_clock (TRUE);
}
GST_END_TEST

GST_START_TEST (timestamps_stream)
{
  FctLine writer, reader;
  guint i;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 10);
  fct_line_start (&reader,
                  "fcsrc name=end slot=cam0 timestamps=stream ! fakesink",
                  "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 10);
  for (i = 0; i < 10; i++)
    {
      FctSeen seen = fct_line_nth (&reader, i);

      fail_unless_equals_uint64 (fct_line_find (&writer, seen.number).pts,
                                 seen.pts);
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

static void
check_arrival (const gchar *line)
{
  FctLine writer, reader;
  guint i;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  fct_line_start (&reader, line, "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 10);
  for (i = 0; i < 10; i++)
    {
      FctSeen seen = fct_line_nth (&reader, i);

      fail_unless (seen.running <= seen.now
                   && seen.now - seen.running < GST_SECOND);
      if (i > 0)
        fail_unless (seen.pts > fct_line_nth (&reader, i - 1).pts);
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}

GST_START_TEST (timestamps_arrival)
{
  check_arrival ("fcsrc name=end slot=cam0 timestamps=arrival ! fakesink");
  check_arrival ("fcsrc name=end slot=cam0 do-timestamp=true ! fakesink");
}
GST_END_TEST

/* A second of history was captured before the pipeline began: its frames keep
 * their distances, none is negative, and none is late. */
GST_START_TEST (history_is_shifted_as_one)
{
  FctLine writer, reader;
  FctSeen early;
  guint i;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 50);
  fct_line_start (&reader, "fcsrc name=end slot=cam0 start=oldest ! fakesink",
                  "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 70);
  early = fct_line_nth (&reader, 0);
  fail_unless (early.number < 50);
  for (i = 0; i < 70; i++)
    {
      FctSeen seen = fct_line_nth (&reader, i);

      fail_unless_equals_uint64 (seen.number, early.number + i);
      fail_unless_equals_uint64 (
          seen.pts - early.pts,
          fct_line_find (&writer, seen.number).pts
              - fct_line_find (&writer, early.number).pts);
      fail_unless (seen.running + 200 * GST_MSECOND >= seen.now);
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

/* The frames before PAUSED and those after it have the running times at which
 * they were captured. */
GST_START_TEST (paused_time_does_not_count)
{
  FctLine writer, reader;
  guint before;
  FctSeen seen;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  fct_line_start (&reader, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 10);
  fct_line_set (&reader, GST_STATE_PAUSED);
  before = fct_line_count (&writer);
  FCT_WAIT (fct_line_count (&writer) > before + 25);
  before = fct_line_count (&reader);
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > before + 10);
  seen = fct_line_nth (&reader, before + 5);
  fail_unless (seen.now - seen.running < 200 * GST_MSECOND);
  fail_unless (seen.now < fct_line_find (&writer, seen.number).now);
  fail_unless (fct_stat (reader.end, "skipped") > 20);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

static void
get_latency (GstElement *element, GstClockTime *min, GstClockTime *max)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  fail_unless (gst_element_query (element, query));
  gst_query_parse_latency (query, &live, min, max);
  fail_unless (live);
  gst_query_unref (query);
}

/* What the writer declares is looked at again as frames come. */
static gboolean
push_for_latency (GstHarness *sink, GstElement *src, GstClockTime latency)
{
  GstClockTime min, max;

  fct_push (sink, 0, 10);
  get_latency (src, &min, &max);
  return min > latency;
}

GST_START_TEST (latency_answered)
{
  GstElement *element
      = fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (gst_object_ref (element)), *sink;
  GstClockTime min, max;
  GstMessage *message;

  get_latency (element, &min, &max);
  fail_unless (min < 100 * GST_MSECOND);
  fail_unless_equals_uint64 (max, GST_CLOCK_TIME_NONE);

  sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 20, NULL),
      "video/x-h264,framerate=10/1");
  gst_element_send_event (sink->element,
                          gst_event_new_latency (100 * GST_MSECOND));
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_LATENCY);
  fail_unless (message != NULL);
  gst_message_unref (message);
  FCT_WAIT (push_for_latency (sink, element, 100 * GST_MSECOND));
  get_latency (element, &min, &max);
  fail_unless (min < 200 * GST_MSECOND);
  fail_unless_equals_uint64 (max, 2 * GST_SECOND);

  gst_element_send_event (sink->element,
                          gst_event_new_latency (300 * GST_MSECOND));
  FCT_WAIT (push_for_latency (sink, element, 300 * GST_MSECOND));
  get_latency (element, &min, &max);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
  gst_object_unref (element);
}
GST_END_TEST

static guint64
dropped_by_sink (GstElement *sink)
{
  GstStructure *stats;
  guint64 dropped = G_MAXUINT64;

  g_object_get (sink, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "dropped", &dropped);
  gst_structure_free (stats);
  return dropped;
}

static guint64
drops_in_sync (const gchar *between, const gchar *start)
{
  gchar *from = g_strdup_printf (
      "videotestsrc is-live=%s ! video/x-raw,format=GRAY8,width=32,height=32,"
      "framerate=5/1 ! %sfcsink name=end slot=cam0",
      between == NULL ? "false" : "true", between == NULL ? "" : between);
  gchar *to = g_strdup_printf ("fcsrc slot=cam0 start=%s ! fakesink name=end "
                               "sync=true max-lateness=0",
                               start);
  FctLine writer, reader;
  guint64 before, dropped;

  fct_line_start (&writer, from, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 3);
  fct_line_start (&reader, to, "sink", NULL);
  FCT_WAIT (fct_line_count (&reader) > 5);
  before = dropped_by_sink (reader.end);
  FCT_WAIT (fct_line_count (&reader) > 20);
  dropped = dropped_by_sink (reader.end) - before;
  fct_line_stop (&reader);
  fct_line_stop (&writer);
  g_free (from);
  g_free (to);
  return dropped;
}

/* However late the writer's frames are, a sink that keeps time in another
 * process shows each of them, from when the pipeline has heeded the LATENCY
 * message on. A machine that stands still for longer than a frame lasts makes
 * frames late all the same: not three times running. */
static void
check_sync (const gchar *between, const gchar *start)
{
  fail_unless (drops_in_sync (between, start) == 0
               || drops_in_sync (between, start) == 0
               || drops_in_sync (between, start) == 0);
}

GST_START_TEST (synchronising_sink_drops_nothing)
{
  check_sync ("", "live");
  check_sync ("queue min-threshold-buffers=3 ! ", "live");
  check_sync (NULL, "live");
  check_sync ("", "oldest");
}
GST_END_TEST

GST_START_TEST (latency_percentiles)
{
  FctLine writer, reader;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  fct_line_start (&reader, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 50);
  fct_line_set (&reader, GST_STATE_PAUSED);
  fail_unless (fct_stat (reader.end, "latency-min") > 0);
  fail_unless (fct_stat (reader.end, "latency-min")
               <= fct_stat (reader.end, "latency-p50"));
  fail_unless (fct_stat (reader.end, "latency-p50")
               <= fct_stat (reader.end, "latency-p95"));
  fail_unless (fct_stat (reader.end, "latency-p95")
               <= fct_stat (reader.end, "latency-p99"));
  fail_unless (fct_stat (reader.end, "latency-p99")
               <= fct_stat (reader.end, "latency-max"));
  fail_unless (fct_stat (reader.end, "latency-p50") < GST_SECOND);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

static Suite *
time_suite (void)
{
  Suite *suite = suite_create ("time");
  TCase *tc = tcase_create ("time");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, timestamps_clock);
  tcase_add_test (tc, timestamps_clock_of_another_kind);
  tcase_add_test (tc, timestamps_stream);
  tcase_add_test (tc, timestamps_arrival);
  tcase_add_test (tc, history_is_shifted_as_one);
  tcase_add_test (tc, paused_time_does_not_count);
  tcase_add_test (tc, latency_answered);
  tcase_add_test (tc, synchronising_sink_drops_nothing);
  tcase_add_test (tc, latency_percentiles);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, time_suite);
}
