/* framecache: history that is older than the pipeline that reads it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-gst-line.h"

/* Small frames of its own rate, and a ring that is 6 s deep. */
#define OTHER_WRITER                                                           \
  "audiotestsrc is-live=true samplesperbuffer=480 ! "                          \
  "audio/x-raw,format=S16LE,rate=48000,channels=1 ! "                          \
  "fcsink name=end slot=mic0 ring-depth=600"
#define CAM "fcsrc name=end slot=cam0 start=oldest ! fakesink"
#define MIC "fcsrc name=other slot=mic0 start=oldest ! fakesink"

/* What a sink that shows the frame when it comes would call late. */
#define LATE (500 * GST_MSECOND)

/* Two writers with histories of different lengths, both to be had. */
static void
start_writers (FctLine *cam, FctLine *mic)
{
  fct_line_start (mic, OTHER_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (mic) > 100);
  fct_line_start (cam, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (cam) > 25);
}

/* All frames of READER are shifted alike. */
static GstClockTimeDiff
check_shift (FctLine *writer, FctLine *reader, guint from, guint n)
{
  FctSeen seen = fct_line_nth (reader, from);
  GstClockTimeDiff shift = fct_line_shift (writer, &seen);
  guint i;

  for (i = from; i < from + n; i++)
    {
      seen = fct_line_nth (reader, i);
      fail_unless_equals_int64 (fct_line_shift (writer, &seen), shift);
    }
  return shift;
}

/* Frames that were captured a second ago come out now. */
GST_START_TEST (start_time_is_exact)
{
  FctLine writer, reader;
  FctSeen first;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 75);
  fct_line_start (&reader,
                  "fcsrc name=end slot=cam0 start-time=-1000000000 ! fakesink",
                  "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 60);
  fail_unless_equals_int64 (check_shift (&writer, &reader, 0, 60), GST_SECOND);
  first = fct_line_nth (&reader, 0);
  fail_unless (first.running >= 0 && first.running < first.now + LATE);
  fail_unless (first.running + (GstClockTimeDiff) LATE > first.now);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

#define CODED_WRITER                                                           \
  "videotestsrc is-live=true ! "                                               \
  "video/x-raw,format=I420,width=32,height=32,framerate=50/1 ! "               \
  "vp8enc deadline=1 keyframe-max-dist=20 ! "                                  \
  "fcsink name=end slot=cam0 ring-depth=100"

/* It begins with the key frame before, and no two frames are at one time: a
 * recorder would lose them. */
GST_START_TEST (start_time_of_a_coded_stream)
{
  FctLine cam, mic, reader, other;
  GstClockTimeDiff shift;
  guint i;

  fct_line_start (&mic, OTHER_WRITER, "sink", NULL);
  fct_line_start (&cam, CODED_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&cam) > 75);
  fct_line_start (&reader,
                  "fcsrc name=end slot=cam0 start-time=-1000000000 ! fakesink"
                  " fcsrc name=other slot=mic0 start-time=-1000000000 !"
                  " fakesink",
                  "src", NULL);
  fct_line_also (&other, &reader, "other", "src");
  FCT_WAIT (fct_line_count (&reader) > 60);
  FCT_WAIT (fct_line_count (&other) > 60);
  shift = check_shift (&cam, &reader, 0, 60);
  fail_unless (shift >= GST_SECOND && shift < 3 * GST_SECOND);
  for (i = 0; i < 60; i++)
    fail_unless (fct_line_nth (&reader, i + 1).running
                 > fct_line_nth (&reader, i).running);
  fail_unless_equals_int64 (check_shift (&mic, &other, 0, 60), shift);
  fct_line_stop (&other);
  fct_line_stop (&reader);
  fct_line_stop (&cam);
  fct_line_stop (&mic);
}
GST_END_TEST

/* Whoever has more history says by how much; nothing of it is lost. */
static void
check_together (const gchar *text)
{
  FctLine cam, mic, reader, other;
  GstClockTimeDiff shift;
  FctSeen seen;

  start_writers (&cam, &mic);
  fct_line_make (&reader, text, "src", NULL);
  fct_line_also (&other, &reader, "other", "src");
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > 30 && fct_line_count (&other) > 60);
  shift = check_shift (&cam, &reader, 0, 30);
  fail_unless_equals_int64 (check_shift (&mic, &other, 0, 60), shift);
  fail_unless (shift > (GstClockTimeDiff) GST_SECOND);
  seen = fct_line_nth (&reader, 0);
  fail_unless_equals_uint64 (seen.number, 0);
  seen = fct_line_nth (&other, 0);
  fail_unless_equals_uint64 (seen.number, 0);
  fail_unless (seen.running >= 0
               && seen.running + (GstClockTimeDiff) LATE > seen.now);
  fct_line_stop (&other);
  fct_line_stop (&reader);
  fct_line_stop (&cam);
  fct_line_stop (&mic);
}

GST_START_TEST (two_slots_are_shifted_alike)
{
  check_together (CAM " " MIC);
  check_together (MIC " " CAM);
}
GST_END_TEST

GST_START_TEST (two_slots_in_bins_are_shifted_alike)
{
  check_together ("bin.( " CAM " ) bin.( " MIC " )");
}
GST_END_TEST

/* What joins a running pipeline gets its shift, and begins where that is not
 * too late. */
GST_START_TEST (source_added_later_is_shifted_alike)
{
  FctLine cam, mic, reader, other;
  GstClockTimeDiff shift;
  GstElement *src, *sink;
  FctSeen seen;

  start_writers (&cam, &mic);
  fct_line_start (&reader, CAM, "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 30);
  src = gst_element_factory_make_full ("fcsrc", "name", "other", "slot", "mic0",
                                       NULL);
  gst_util_set_object_arg (G_OBJECT (src), "start", "oldest");
  sink = gst_element_factory_make_full ("fakesink", "async", FALSE, NULL);
  gst_bin_add_many (GST_BIN (reader.pipeline), src, sink, NULL);
  fail_unless (gst_element_link (src, sink));
  fct_line_also (&other, &reader, "other", "src");
  gst_element_sync_state_with_parent (sink);
  gst_element_sync_state_with_parent (src);
  FCT_WAIT (fct_line_count (&other) > 60);
  shift = check_shift (&cam, &reader, 0, 30);
  fail_unless_equals_int64 (check_shift (&mic, &other, 0, 60), shift);
  seen = fct_line_nth (&other, 0);
  fail_unless (seen.number > 0);
  fail_unless (seen.running + (GstClockTimeDiff) LATE > seen.now);
  fail_unless (fct_stat (src, "skipped") > 0);
  fct_line_stop (&other);
  fct_line_stop (&reader);
  fct_line_stop (&cam);
  fct_line_stop (&mic);
}
GST_END_TEST

/* The second time there is more of it. */
GST_START_TEST (shift_is_forgotten_in_ready)
{
  GstClockTimeDiff before, after;
  FctLine cam, mic, reader, other;
  guint n, m;

  start_writers (&cam, &mic);
  fct_line_make (&reader, CAM " " MIC, "src", NULL);
  fct_line_also (&other, &reader, "other", "src");
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > 5);
  before = check_shift (&cam, &reader, 0, 5);
  fct_line_set (&reader, GST_STATE_READY);
  n = fct_line_count (&mic);
  FCT_WAIT (fct_line_count (&mic) > n + 50);
  n = fct_line_count (&reader);
  m = fct_line_count (&other);
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > n + 10
            && fct_line_count (&other) > m + 20);
  after = check_shift (&cam, &reader, n, 10);
  fail_unless_equals_int64 (check_shift (&mic, &other, m, 20), after);
  fail_unless (after > before + 400 * (GstClockTimeDiff) GST_MSECOND);
  fct_line_stop (&other);
  fct_line_stop (&reader);
  fct_line_stop (&cam);
  fct_line_stop (&mic);
}
GST_END_TEST

/* Also where the pipeline plays on, and its bins know of the old one. */
GST_START_TEST (shift_is_forgotten_by_the_last_source)
{
  GstClockTimeDiff before, after;
  FctLine writer, reader;
  guint n;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 25);
  fct_line_start (&reader,
                  "fcsrc name=end slot=cam0 start=oldest ! "
                  "fakesink async=false",
                  "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 5);
  before = check_shift (&writer, &reader, 0, 5);
  gst_element_set_state (reader.end, GST_STATE_READY);
  n = fct_line_count (&writer);
  FCT_WAIT (fct_line_count (&writer) > n + 25);
  n = fct_line_count (&reader);
  fail_unless (gst_element_sync_state_with_parent (reader.end));
  FCT_WAIT (fct_line_count (&reader) > n + 10);
  after = check_shift (&writer, &reader, n, 10);
  fail_unless (after > before + 400 * (GstClockTimeDiff) GST_MSECOND);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

/* Elements that are in no bin have nobody to agree with. */
GST_START_TEST (no_bin_no_agreement)
{
  GstHarness *sink = fct_writer (), *first, *second;
  GstBuffer *buffer;
  GstClockTime pts[2];
  guint i;

  for (i = 0; i < 8; i++)
    fct_push (sink, i, 100);
  first = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", "start", 2, NULL));
  buffer = gst_harness_pull (first);
  pts[0] = GST_BUFFER_PTS (buffer);
  gst_buffer_unref (buffer);
  second
      = fct_src_harness (fct_new ("fcsrc", "slot", "cam0", "start", 2, NULL));
  buffer = gst_harness_pull (second);
  pts[1] = GST_BUFFER_PTS (buffer);
  gst_buffer_unref (buffer);
  fail_unless (GST_CLOCK_TIME_IS_VALID (pts[0]));
  fail_unless (GST_CLOCK_TIME_IS_VALID (pts[1]));
  fct_stop (second);
  fct_stop (first);
  fct_stop (sink);
}
GST_END_TEST

/* The rest of the history was captured before PLAYING came again: it is left
 * out, and from there on nothing is shifted, in both. */
GST_START_TEST (pause_leaves_the_history_behind)
{
  FctLine cam, mic, reader, other;
  guint n, m;
  FctSeen seen;

  start_writers (&cam, &mic);
  fct_line_make (&reader,
                 "fcsrc name=end slot=cam0 start=oldest ! fakesink sync=true "
                 "fcsrc name=other slot=mic0 start=oldest ! fakesink sync=true",
                 "src", NULL);
  fct_line_also (&other, &reader, "other", "src");
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > 3 && fct_line_count (&other) > 3);
  fct_line_set (&reader, GST_STATE_PAUSED);
  n = fct_line_count (&reader);
  m = fct_line_count (&other);
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > n + 5
            && fct_line_count (&other) > m + 5);
  fail_unless_equals_int64 (check_shift (&cam, &reader, n + 1, 4), 0);
  fail_unless_equals_int64 (check_shift (&mic, &other, m + 1, 4), 0);
  seen = fct_line_nth (&reader, n);
  if (fct_line_shift (&cam, &seen) != 0) /* it was on its way by then */
    seen = fct_line_nth (&reader, n + 1);
  fail_unless (seen.discont);
  fail_unless (fct_stat (reader.end, "skipped") > 0);
  fct_line_stop (&other);
  fct_line_stop (&reader);
  fct_line_stop (&cam);
  fct_line_stop (&mic);
}
GST_END_TEST

/* The newest frame is shown at once, and those that follow stay in time with
 * every other reader. */
GST_START_TEST (latest_is_not_shifted)
{
  FctLine writer, reader;
  FctSeen first;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 20);
  fct_line_start (&reader, "fcsrc name=end slot=cam0 start=latest ! fakesink",
                  "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 20);
  first = fct_line_nth (&reader, 0);
  fail_unless (first.running >= 0 && first.running <= first.now);
  fail_unless (first.running < fct_line_nth (&reader, 1).running);
  fail_unless_equals_int64 (check_shift (&writer, &reader, 1, 19), 0);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

/* Nor by what the writer stood still for. */
GST_START_TEST (latest_of_a_silent_writer)
{
  FctLine writer, reader;
  FctSeen first;
  gint64 begin;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  FCT_WAIT (fct_line_count (&writer) > 20);
  fct_line_set (&writer, GST_STATE_PAUSED);
  begin = g_get_monotonic_time ();
  FCT_WAIT (g_get_monotonic_time () > begin + G_TIME_SPAN_SECOND);
  fct_line_start (&reader, "fcsrc name=end slot=cam0 start=latest ! fakesink",
                  "src", NULL);
  FCT_WAIT (fct_line_count (&reader) > 0);
  first = fct_line_nth (&reader, 0);
  fail_unless (first.running >= 0
               && first.running + (GstClockTimeDiff) LATE > first.now);
  fct_line_set (&writer, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > 10);
  fail_unless_equals_int64 (check_shift (&writer, &reader, 1, 9), 0);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

static Suite *
history_suite (void)
{
  Suite *suite = suite_create ("history");
  TCase *tc = tcase_create ("history");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, start_time_is_exact);
  tcase_add_test (tc, start_time_of_a_coded_stream);
  tcase_add_test (tc, two_slots_are_shifted_alike);
  tcase_add_test (tc, two_slots_in_bins_are_shifted_alike);
  tcase_add_test (tc, source_added_later_is_shifted_alike);
  tcase_add_test (tc, shift_is_forgotten_in_ready);
  tcase_add_test (tc, shift_is_forgotten_by_the_last_source);
  tcase_add_test (tc, no_bin_no_agreement);
  tcase_add_test (tc, pause_leaves_the_history_behind);
  tcase_add_test (tc, latest_is_not_shifted);
  tcase_add_test (tc, latest_of_a_silent_writer);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, history_suite);
}
