/* framecache: fcsink's pace, and when its frames were captured
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcsink-private.h"

#define GST_CAT_DEFAULT gst_fc_sink_debug

/* A live frame whose capture lies further than this beside its arrival has a
 * time that means something else. */
#define CAPTURE_BELIEVED (10 * GST_SECOND)

static GstBaseSinkClass *parent_class;

/* Pace ----------------------------------------------------------------- */

/* Asked of upstream at the first buffer of a stream and whenever the
 * pipeline's latency was worked out anew. */
gboolean
gst_fc_sink_is_free_running (GstFcSink *self)
{
  if (g_atomic_int_compare_and_exchange (&self->ask_upstream, TRUE, FALSE))
    {
      GstQuery *query = gst_query_new_latency ();
      gboolean live;

      if (gst_pad_peer_query (GST_BASE_SINK_PAD (self), query))
        {
          gst_query_parse_latency (query, &live, NULL, NULL);
          if (live != self->upstream_live)
            GST_INFO_OBJECT (self, "upstream is %slive", live ? "" : "not ");
          self->upstream_live = live;
        }
      else
        {
          g_atomic_int_set (&self->ask_upstream, TRUE);
        }
      gst_query_unref (query);
    }
  return self->upstream_live && !self->sync_is_set;
}

static void
gst_fc_sink_get_times (GstBaseSink *sink, GstBuffer *buffer,
                       GstClockTime *start, GstClockTime *end)
{
  if (gst_fc_sink_is_free_running (GST_FC_SINK (sink)))
    {
      *start = *end = GST_CLOCK_TIME_NONE;
      return;
    }
  parent_class->get_times (sink, buffer, start, end);
}

/* Capture times -------------------------------------------------------- */

/* When the frame of stream time TIME was taken, on CLOCK_MONOTONIC; NONE for
 * when it is committed. A segment that is played backwards begins with a
 * frame's end. */
static GstClockTime
gst_fc_sink_capture_time (GstFcSink *self, GstClockTime time,
                          GstClockTime duration)
{
  GstBaseSink *sink = GST_BASE_SINK (self);
  GstClockTime running, capture, now;
  GstClockTimeDiff late;
  gint sign;

  if (sink->segment.format != GST_FORMAT_TIME
      || (!self->upstream_live && !gst_base_sink_get_sync (sink)))
    return GST_CLOCK_TIME_NONE;
  now = gst_fc_monotonic ();
  if (!gst_fc_clock_observe (&self->clock, now))
    return GST_CLOCK_TIME_NONE;
  if (sink->segment.rate < 0 && GST_CLOCK_TIME_IS_VALID (duration))
    time += duration;
  sign = gst_segment_to_running_time_full (&sink->segment, GST_FORMAT_TIME,
                                           time, &running);
  if (sign == 0)
    return GST_CLOCK_TIME_NONE;

  capture = gst_element_get_base_time (GST_ELEMENT (self));
  if (sign > 0)
    capture += running;
  else if (capture > running)
    capture -= running;
  else
    return GST_CLOCK_TIME_NONE;
  capture = gst_fc_clock_to_monotonic (&self->clock, capture);

  late = GST_CLOCK_DIFF (capture, now);
  if (ABS (late) <= CAPTURE_BELIEVED)
    return capture;
  if (!self->warned_capture)
    GST_WARNING_OBJECT (self,
                        "a frame was captured %" GST_STIME_FORMAT
                        " before it came, by its time stamp: taken as"
                        " captured now",
                        GST_STIME_ARGS (late));
  self->warned_capture = TRUE;
  return GST_CLOCK_TIME_NONE;
}

void
gst_fc_sink_set_times (GstFcSink *self, fc_info_t *info)
{
  GstBaseSink *sink = GST_BASE_SINK (self);
  GstClockTime time = info->pts;

  if (!GST_CLOCK_TIME_IS_VALID (time))
    time = info->dts;
  if (!GST_CLOCK_TIME_IS_VALID (time))
    return;
  if (sink->segment.format == GST_FORMAT_TIME)
    info->running_time
        = gst_segment_to_running_time (&sink->segment, GST_FORMAT_TIME, time);
  info->capture_ns = gst_fc_sink_capture_time (self, time, info->duration);
}

void
gst_fc_sink_time_class_init (GstBaseSinkClass *klass)
{
  parent_class = g_type_class_peek_parent (klass);
  klass->get_times = gst_fc_sink_get_times;
}
