/* framecache: time stamps, and the latency that makes them true
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <time.h>

#include "fc-gst-test.h"

#define WRITER                                                                 \
  "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=32,height=32,"   \
  "framerate=50/1 ! fcsink name=end slot=cam0 ring-depth=100"

typedef struct
{
  guint64 number;
  GstClockTime pts;
  GstClockTime absolute; /* pts + base time */
  GstClockTime now;      /* running time when it passed */
} Seen;

typedef struct
{
  GstElement *pipeline;
  GstElement *end;
  GMutex lock;
  GArray *seen;
} Line;

static GstPadProbeReturn
see (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Line *self = user_data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime base = gst_element_get_base_time (self->end);
  GstClock *clock = gst_element_get_clock (self->end);
  Seen seen = { GST_BUFFER_OFFSET (buffer), GST_BUFFER_PTS (buffer),
                GST_BUFFER_PTS (buffer) + base, 0 };

  if (clock != NULL)
    {
      seen.now = gst_clock_get_time (clock) - base;
      gst_object_unref (clock);
    }
  g_mutex_lock (&self->lock);
  g_array_append_val (self->seen, seen);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

static void
recalculate (GstElement *pipeline, gpointer user_data)
{
  gst_bin_recalculate_latency (GST_BIN (pipeline));
}

/* As any application does on a LATENCY message, and like there not on the
 * thread that posts it. */
static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_element_call_async (user_data, recalculate, NULL, NULL);
  return GST_BUS_PASS;
}

/* LINE's element "end" is looked at, on its pad PAD. */
static void
line_start (Line *self, const gchar *line, const gchar *pad, GstClock *clock)
{
  GError *error = NULL;
  GstPad *p;
  GstBus *bus;

  self->pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  self->end = gst_bin_get_by_name (GST_BIN (self->pipeline), "end");
  g_mutex_init (&self->lock);
  self->seen = g_array_new (FALSE, FALSE, sizeof (Seen));
  p = gst_element_get_static_pad (self->end, pad);
  gst_pad_add_probe (p, GST_PAD_PROBE_TYPE_BUFFER, see, self, NULL);
  gst_object_unref (p);
  if (clock != NULL)
    gst_pipeline_use_clock (GST_PIPELINE (self->pipeline), clock);
  bus = gst_element_get_bus (self->pipeline);
  gst_bus_set_sync_handler (bus, on_message, self->pipeline, NULL);
  gst_object_unref (bus);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
}

static guint
line_count (Line *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->seen->len;
  g_mutex_unlock (&self->lock);
  return n;
}

static Seen
line_nth (Line *self, guint n)
{
  Seen seen;

  g_mutex_lock (&self->lock);
  seen = g_array_index (self->seen, Seen, n);
  g_mutex_unlock (&self->lock);
  return seen;
}

static Seen
line_find (Line *self, guint64 number)
{
  Seen found = { GST_BUFFER_OFFSET_NONE, 0, 0, 0 };
  guint i;

  g_mutex_lock (&self->lock);
  for (i = 0; i < self->seen->len; i++)
    if (g_array_index (self->seen, Seen, i).number == number)
      found = g_array_index (self->seen, Seen, i);
  g_mutex_unlock (&self->lock);
  fail_unless_equals_uint64 (found.number, number);
  return found;
}

static void
line_pause (Line *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_PAUSED);
}

static void
line_stop (Line *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->end);
  gst_object_unref (self->pipeline);
  g_array_unref (self->seen);
  g_mutex_clear (&self->lock);
}

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
  Line writer, early, other;
  guint i;

  line_start (&writer, WRITER, "sink", NULL);
  line_start (&early, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (line_count (&early) > 10);
  line_start (&other, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (line_count (&other) > 20);
  for (i = 0; i < 20; i++)
    {
      Seen seen = line_nth (&other, i);

      fail_unless (seen.pts < seen.now);
      fail_unless_equals_uint64 (line_find (&writer, seen.number).absolute,
                                 seen.absolute);
      fail_unless_equals_uint64 (line_find (&early, seen.number).absolute,
                                 seen.absolute);
    }
  line_stop (&other);
  line_stop (&early);
  line_stop (&writer);
}
GST_END_TEST

static void
check_other_clock (gboolean of_writer)
{
  GstClock *clock = wall_clock ();
  GstClockTimeDiff offset = wall_offset ();
  Line writer, reader;
  guint i;

  line_start (&writer, WRITER, "sink", of_writer ? clock : NULL);
  line_start (&reader, "fcsrc name=end slot=cam0 ! fakesink", "src",
              of_writer ? NULL : clock);
  FCT_WAIT (line_count (&reader) > 100);
  for (i = 0; i < 100; i++)
    {
      Seen seen = line_nth (&reader, i);
      GstClockTimeDiff apart = GST_CLOCK_DIFF (
          line_find (&writer, seen.number).absolute, seen.absolute);

      apart -= of_writer ? -offset : offset;
      fail_unless (ABS (apart) < GST_MSECOND, "%" GST_STIME_FORMAT,
                   GST_STIME_ARGS (apart));
    }
  line_stop (&reader);
  line_stop (&writer);
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
  Line writer, reader;
  guint i;

  line_start (&writer, WRITER, "sink", NULL);
  FCT_WAIT (line_count (&writer) > 10);
  line_start (&reader, "fcsrc name=end slot=cam0 timestamps=stream ! fakesink",
              "src", NULL);
  FCT_WAIT (line_count (&reader) > 10);
  for (i = 0; i < 10; i++)
    {
      Seen seen = line_nth (&reader, i);

      fail_unless_equals_uint64 (line_find (&writer, seen.number).pts,
                                 seen.pts);
    }
  line_stop (&reader);
  line_stop (&writer);
}
GST_END_TEST

static void
check_arrival (const gchar *line)
{
  Line writer, reader;
  guint i;

  line_start (&writer, WRITER, "sink", NULL);
  line_start (&reader, line, "src", NULL);
  FCT_WAIT (line_count (&reader) > 10);
  for (i = 0; i < 10; i++)
    {
      Seen seen = line_nth (&reader, i);

      fail_unless (seen.pts <= seen.now && seen.now - seen.pts < GST_SECOND);
      if (i > 0)
        fail_unless (seen.pts > line_nth (&reader, i - 1).pts);
    }
  line_stop (&reader);
  line_stop (&writer);
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
  Line writer, reader;
  Seen early;
  guint i;

  line_start (&writer, WRITER, "sink", NULL);
  FCT_WAIT (line_count (&writer) > 50);
  line_start (&reader, "fcsrc name=end slot=cam0 start=oldest ! fakesink",
              "src", NULL);
  FCT_WAIT (line_count (&reader) > 70);
  early = line_nth (&reader, 0);
  fail_unless (early.number < 50);
  for (i = 0; i < 70; i++)
    {
      Seen seen = line_nth (&reader, i);

      fail_unless_equals_uint64 (seen.number, early.number + i);
      fail_unless_equals_uint64 (seen.pts - early.pts,
                                 line_find (&writer, seen.number).pts
                                     - line_find (&writer, early.number).pts);
      fail_unless (seen.pts + 200 * GST_MSECOND >= seen.now);
    }
  line_stop (&reader);
  line_stop (&writer);
}
GST_END_TEST

/* The frames before PAUSED and those after it have the running times at which
 * they were captured. */
GST_START_TEST (paused_time_does_not_count)
{
  Line writer, reader;
  guint before;
  Seen seen;

  line_start (&writer, WRITER, "sink", NULL);
  line_start (&reader, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (line_count (&reader) > 10);
  line_pause (&reader);
  before = line_count (&writer);
  FCT_WAIT (line_count (&writer) > before + 25);
  before = line_count (&reader);
  gst_element_set_state (reader.pipeline, GST_STATE_PLAYING);
  FCT_WAIT (line_count (&reader) > before + 10);
  seen = line_nth (&reader, before + 5);
  fail_unless (seen.now - seen.pts < 200 * GST_MSECOND);
  fail_unless (seen.now < line_find (&writer, seen.number).now);
  fail_unless (fct_stat (reader.end, "skipped") > 20);
  line_stop (&reader);
  line_stop (&writer);
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
  Line writer, reader;
  guint64 before, dropped;

  line_start (&writer, from, "sink", NULL);
  FCT_WAIT (line_count (&writer) > 3);
  line_start (&reader, to, "sink", NULL);
  FCT_WAIT (line_count (&reader) > 5);
  before = dropped_by_sink (reader.end);
  FCT_WAIT (line_count (&reader) > 20);
  dropped = dropped_by_sink (reader.end) - before;
  line_stop (&reader);
  line_stop (&writer);
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
  Line writer, reader;

  line_start (&writer, WRITER, "sink", NULL);
  line_start (&reader, "fcsrc name=end slot=cam0 ! fakesink", "src", NULL);
  FCT_WAIT (line_count (&reader) > 50);
  line_pause (&reader);
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
  line_stop (&reader);
  line_stop (&writer);
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
