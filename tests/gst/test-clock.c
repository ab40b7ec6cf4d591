/* framecache: pipelines by other clocks than the system's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/check/gsttestclock.h>
#include <gst/net/net.h>

#include "fc-gst-line.h"

#define READER "fcsrc name=end slot=cam0 ! fakesink"

/* A clock that drifts ------------------------------------------------------ */

/* As a sound card's: it began at another time, and runs by its own quartz. */
typedef struct
{
  GstSystemClock parent;
  GstClockTime begin;
  gint64 ppm;
} DriftClock;

typedef GstSystemClockClass DriftClockClass;

#define DRIFT_BEGAN (5000 * GST_SECOND)

GType drift_clock_get_type (void);
G_DEFINE_TYPE (DriftClock, drift_clock, GST_TYPE_SYSTEM_CLOCK)

/* What the clock tells at MONOTONIC. */
static GstClockTimeDiff
drift_clock_at (DriftClock *self, GstClockTimeDiff monotonic)
{
  GstClockTimeDiff passed = monotonic - (GstClockTimeDiff) self->begin;

  return (GstClockTimeDiff) DRIFT_BEGAN + passed + passed / 1000000 * self->ppm;
}

static GstClockTime
drift_clock_get_internal_time (GstClock *clock)
{
  return (GstClockTime) drift_clock_at ((DriftClock *) clock,
                                        g_get_monotonic_time () * 1000);
}

static void
drift_clock_class_init (DriftClockClass *klass)
{
  GST_CLOCK_CLASS (klass)->get_internal_time = drift_clock_get_internal_time;
}

static void
drift_clock_init (DriftClock *self)
{
  self->begin = (GstClockTime) g_get_monotonic_time () * 1000;
}

static GstClock *
drift_clock_new (gint64 ppm)
{
  DriftClock *self = g_object_new (drift_clock_get_type (), NULL);

  self->ppm = ppm;
  return gst_object_ref_sink (self);
}

/* From the third second on. */
static void
check_drift (gint64 ppm, gboolean of_writer, GstClockTimeDiff within)
{
  GstClock *clock = drift_clock_new (ppm);
  DriftClock *drift = (DriftClock *) clock;
  FctLine writer, reader;
  guint i;

  fct_line_start (&writer, FCT_WRITER, "sink", of_writer ? clock : NULL);
  fct_line_start (&reader, READER, "src", of_writer ? NULL : clock);
  FCT_WAIT (fct_line_count (&reader) > 200);
  for (i = 150; i < 200; i++)
    {
      FctSeen to = fct_line_nth (&reader, i);
      FctSeen from = fct_line_find (&writer, to.number);
      GstClockTimeDiff apart
          = of_writer ? from.absolute - drift_clock_at (drift, to.absolute)
                      : to.absolute - drift_clock_at (drift, from.absolute);

      fail_unless (ABS (apart) < within, "%" GST_STIME_FORMAT,
                   GST_STIME_ARGS (apart));
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
  gst_object_unref (clock);
}

GST_START_TEST (writer_by_a_clock_that_drifts)
{
  check_drift (100, TRUE, 2 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST (reader_by_a_clock_that_drifts)
{
  check_drift (-100, FALSE, 2 * GST_MSECOND);
}
GST_END_TEST

/* 10 ms a second: one observation would be out by 30 ms, an offset by 16. */
GST_START_TEST (much_drift_is_followed)
{
  check_drift (10000, TRUE, 5 * GST_MSECOND);
  check_drift (-10000, FALSE, 5 * GST_MSECOND);
}
GST_END_TEST

/* Others ------------------------------------------------------------------ */

/* All frames are of the time that the clock stands at, within what is observed
 * of it ten times a second. */
static void
check_stands_at (FctLine *reader, guint from, guint n, GstClockTimeDiff at)
{
  guint i;

  for (i = from; i < from + n; i++)
    {
      GstClockTimeDiff apart = fct_line_nth (reader, i).running - at;

      fail_unless (ABS (apart) < 500 * GST_MSECOND, "%" GST_STIME_FORMAT,
                   GST_STIME_ARGS (apart));
    }
}

/* It stands still, and leaps: that is another clock from there on. */
GST_START_TEST (test_clock_leaps)
{
  GstClock *clock = gst_test_clock_new_with_start_time (100 * GST_SECOND);
  FctLine writer, reader;
  guint n;

  fct_line_start (&writer, FCT_WRITER, "sink", NULL);
  fct_line_start (&reader, READER, "src", clock);
  FCT_WAIT (fct_line_count (&reader) > 20);
  check_stands_at (&reader, 0, 20, 0);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 105 * GST_SECOND);
  n = fct_line_count (&reader) + 25;
  FCT_WAIT (fct_line_count (&reader) > n + 20);
  check_stands_at (&reader, n, 20, 5 * GST_SECOND);
  fct_line_stop (&reader);
  fct_line_stop (&writer);
  gst_object_unref (clock);
}
GST_END_TEST

/* Two hosts' pipelines, were they that, by the one's wall clock. */
GST_START_TEST (network_clock)
{
  GstClock *wall = g_object_new (GST_TYPE_SYSTEM_CLOCK, "clock-type",
                                 GST_CLOCK_TYPE_REALTIME, NULL);
  GstNetTimeProvider *provider
      = gst_net_time_provider_new (wall, "127.0.0.1", 0);
  FctLine writer, reader;
  GstClock *clock;
  gint port;
  guint i;

  gst_object_ref_sink (wall);
  g_object_get (provider, "port", &port, NULL);
  clock = gst_net_client_clock_new (NULL, "127.0.0.1", port, 0);
  fail_unless (gst_clock_wait_for_sync (clock, FCT_PATIENCE * 1000));
  fct_line_start (&writer, FCT_WRITER, "sink", wall);
  fct_line_start (&reader, READER, "src", clock);
  FCT_WAIT (fct_line_count (&reader) > 100);
  for (i = 50; i < 100; i++)
    {
      FctSeen seen = fct_line_nth (&reader, i);
      GstClockTimeDiff apart = fct_line_shift (&writer, &seen);

      fail_unless (ABS (apart) < 100 * GST_MSECOND, "%" GST_STIME_FORMAT,
                   GST_STIME_ARGS (apart));
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
  gst_object_unref (clock);
  gst_object_unref (provider);
  gst_object_unref (wall);
}
GST_END_TEST

static void
set_base_time (FctLine *line, GstClockTime base)
{
  gst_element_set_start_time (line->pipeline, GST_CLOCK_TIME_NONE);
  gst_element_set_base_time (line->pipeline, base);
}

/* As several pipelines are kept together in one application: the running times
 * are then the writer's. */
GST_START_TEST (base_time_of_the_application)
{
  GstClockTime base
      = (GstClockTime) g_get_monotonic_time () * 1000 - 1000 * GST_SECOND;
  FctLine writer, reader;
  guint i;

  fct_line_make (&writer, FCT_WRITER, "sink", NULL);
  set_base_time (&writer, base);
  fct_line_make (&reader, READER, "src", NULL);
  set_base_time (&reader, base);
  fct_line_set (&writer, GST_STATE_PLAYING);
  fct_line_set (&reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_line_count (&reader) > 20);
  for (i = 0; i < 20; i++)
    {
      FctSeen seen = fct_line_nth (&reader, i);

      fail_unless (seen.running > 900 * (GstClockTimeDiff) GST_SECOND);
      fail_unless_equals_int64 (fct_line_find (&writer, seen.number).running,
                                seen.running);
    }
  fct_line_stop (&reader);
  fct_line_stop (&writer);
}
GST_END_TEST

static Suite *
clock_suite (void)
{
  Suite *suite = suite_create ("clock");
  TCase *tc = tcase_create ("clock");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, writer_by_a_clock_that_drifts);
  tcase_add_test (tc, reader_by_a_clock_that_drifts);
  tcase_add_test (tc, much_drift_is_followed);
  tcase_add_test (tc, test_clock_leaps);
  tcase_add_test (tc, network_clock);
  tcase_add_test (tc, base_time_of_the_application);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, clock_suite);
}
