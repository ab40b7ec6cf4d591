/* framecache: a sink that keeps time shows every frame, from the first one on
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-line.h"

#define LIVE                                                                   \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=32,height=32,"    \
  "framerate=25/1 ! "
#define NOT_LIVE                                                               \
  "videotestsrc ! video/x-raw,format=I420,width=32,height=32,framerate=25/1 "  \
  "! "
#define INTO "fcsink name=end slot=cam0"
/* Nothing says how late this is. */
#define HELD "queue min-threshold-time=400000000 max-size-buffers=100 ! "

/* What only a latency that is not known makes late: these here are of 400 ms
 * and more. */
#define LATE "200000000"

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

/* START is fcsrc's properties, and may go on with elements behind it. */
static guint64
drops_of_reader (const gchar *start)
{
  gchar *text = g_strdup_printf ("fcsrc slot=cam0 %s ! fakesink "
                                 "name=end sync=true max-lateness=" LATE,
                                 start);
  guint64 dropped;
  FctLine reader;

  fct_line_start (&reader, text, "sink", NULL);
  FCT_WAIT (fct_line_count (&reader) > 20);
  dropped = dropped_by_sink (reader.end);
  fct_line_stop (&reader);
  g_free (text);
  return dropped;
}

/* A machine that stands still for as long makes frames late all the same: not
 * three times running. */
static void
check_reader (const gchar *start)
{
  fail_unless (drops_of_reader (start) == 0 || drops_of_reader (start) == 0
                   || drops_of_reader (start) == 0,
               "%s", start);
}

static void
check_writer (const gchar *text)
{
  FctLine writer;

  fct_line_start (&writer, text, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 20);
  check_reader ("start=live");
  check_reader ("start=latest");
  check_reader ("start=oldest");
  check_reader ("start-time=-300000000");
  fct_line_stop (&writer);
}

GST_START_TEST (live_writer) { check_writer (LIVE INTO); }
GST_END_TEST

GST_START_TEST (writer_with_a_latency_that_nobody_declares)
{
  check_writer (LIVE HELD INTO);
}
GST_END_TEST

GST_START_TEST (writer_with_a_latency_that_is_declared)
{
  check_writer (LIVE "vp8enc deadline=1 lag-in-frames=12 keyframe-max-dist=1 ! "
                     "vp8dec ! " INTO);
}
GST_END_TEST

GST_START_TEST (writer_of_a_coded_stream)
{
  FctLine writer;

  fct_line_start (&writer,
                  LIVE "vp8enc deadline=1 lag-in-frames=12 "
                       "keyframe-max-dist=10 ! " INTO,
                  "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 20);
  check_reader ("start=live ! vp8dec");
  check_reader ("start=key-frame ! vp8dec");
  check_reader ("start=oldest ! vp8dec");
  fct_line_stop (&writer);
}
GST_END_TEST

GST_START_TEST (writer_that_plays_a_file_at_its_pace)
{
  check_writer (NOT_LIVE INTO);
}
GST_END_TEST

GST_START_TEST (writer_that_does_not_keep_time)
{
  check_writer (NOT_LIVE "identity sleep-time=40000 ! " INTO " sync=false");
}
GST_END_TEST

GST_START_TEST (writer_without_a_clock)
{
  FctLine writer;

  fct_line_make (&writer, NOT_LIVE "identity sleep-time=40000 ! " INTO, "sink",
                 NULL);
  gst_pipeline_use_clock (GST_PIPELINE (writer.pipeline), NULL);
  fct_line_set (&writer, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&writer) > 20);
  check_reader ("start=live");
  check_reader ("start=oldest");
  fct_line_stop (&writer);
}
GST_END_TEST

static GstClockTime
get_min (GstElement *src)
{
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min = 0;

  fail_unless (gst_element_query (src, query));
  gst_query_parse_latency (query, NULL, &min, NULL);
  gst_query_unref (query);
  return min;
}

/* Nothing comes any more: what is known is what the ring's frames tell. */
GST_START_TEST (latency_is_known_before_the_first_frame)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_info_t info = FC_INFO_INIT;
  fc_writer_t *writer;
  GstHarness *src;
  guint i;

  options.frame_size = 100;
  options.format = FCT_DATA;
  options.format_size = strlen (FCT_DATA);
  fail_unless_equals_int (fc_writer_open (&writer, "cam0", &options), 0);
  for (i = 0; i < 10; i++)
    {
      info.capture_ns = (guint64) g_get_monotonic_time () * 1000
                        - (i == 3 ? 700 : 400) * GST_MSECOND;
      fail_unless_equals_int (fc_writer_write (writer, "frame", 5, &info, NULL),
                              0);
    }
  src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", NULL));
  FCT_WAIT (get_min (src->element) >= 700 * GST_MSECOND);
  fail_unless (get_min (src->element) < 10 * GST_SECOND);
  fail_unless_equals_int (gst_harness_buffers_received (src), 0);
  fct_stop (src);
  fc_writer_close (writer);
}
GST_END_TEST

/* A slot says what it likes. */
GST_START_TEST (unlikely_latency_is_not_believed)
{
  GstHarness *sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                                       "application/x-test");
  GstHarness *src;

  gst_element_send_event (sink->element,
                          gst_event_new_latency (3600 * GST_SECOND));
  fct_push (sink, 0, 10);
  src = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", "start", 2, NULL));
  gst_buffer_unref (gst_harness_pull (src));
  fail_unless (get_min (src->element) < 20 * GST_SECOND);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static Suite *
latency_suite (void)
{
  Suite *suite = suite_create ("latency");
  TCase *tc = tcase_create ("latency");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, live_writer);
  tcase_add_test (tc, writer_with_a_latency_that_nobody_declares);
  tcase_add_test (tc, writer_with_a_latency_that_is_declared);
  tcase_add_test (tc, writer_of_a_coded_stream);
  tcase_add_test (tc, writer_that_plays_a_file_at_its_pace);
  tcase_add_test (tc, writer_that_does_not_keep_time);
  tcase_add_test (tc, writer_without_a_clock);
  tcase_add_test (tc, latency_is_known_before_the_first_frame);
  tcase_add_test (tc, unlikely_latency_is_not_believed);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, latency_suite);
}
