/* framecache: fcsrc's time stamps and latency
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

/* Waking up and passing on a frame takes its time on a busy machine. */
#define LATENCY_MARGIN (5 * GST_MSECOND)
/* How often the writer's own declaration is looked at again. */
#define DECLARED_EVERY (250 * GST_MSECOND)
/* More than this is not a latency, whatever the slot says. */
#define LATENCY_BELIEVED (10 * GST_SECOND)
/* And more than this is no distance between a frame's two times. */
#define REORDER_BELIEVED (60 * (GstClockTimeDiff) GST_SECOND)

static GstFcTimestamps
gst_fc_src_get_timestamps (GstFcSrc *self)
{
  if (gst_base_src_get_do_timestamp (GST_BASE_SRC (self)))
    return GST_FC_TIMESTAMPS_ARRIVAL;
  return self->use.timestamps;
}

/* Latency -------------------------------------------------------------- */

void
gst_fc_src_update_latency (GstFcSrc *self, gboolean force)
{
  GstClockTime min = LATENCY_MARGIN, max = self->ring_time;
  gboolean changed;

  if (gst_fc_src_get_timestamps (self) != GST_FC_TIMESTAMPS_ARRIVAL)
    min += MIN (MAX (self->declared, self->observed), LATENCY_BELIEVED);
  if (GST_CLOCK_TIME_IS_VALID (max))
    max = MAX (max, min);
  GST_OBJECT_LOCK (self);
  changed = force || min != self->latency_min || max != self->latency_max;
  self->latency_min = min;
  self->latency_max = max;
  GST_OBJECT_UNLOCK (self);
  if (!changed)
    return;
  GST_INFO_OBJECT (self,
                   "latency %" GST_TIME_FORMAT ", at most %" GST_TIME_FORMAT,
                   GST_TIME_ARGS (min), GST_TIME_ARGS (max));
  gst_element_post_message (GST_ELEMENT (self),
                            gst_message_new_latency (GST_OBJECT (self)));
}

static void
gst_fc_src_look_at_declared (GstFcSrc *self)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  if (self->now - self->declared_looked_at < DECLARED_EVERY)
    return;
  self->declared_looked_at = self->now;
  if (fc_consumer_stats (self->consumer, &stats) != 0
      || stats.latency_ns == self->declared)
    return;
  self->declared = stats.latency_ns;
  gst_fc_src_update_latency (self, FALSE);
}

/* What is reported follows upwards only, and by the margin at once: each
 * change is a message, and makes the whole pipeline work out its latency. */
static gboolean
gst_fc_src_is_later (GstFcSrc *self, GstClockTime late)
{
  if (GST_CLOCK_TIME_IS_VALID (self->ring_time))
    late = MIN (late, self->ring_time);
  if (late <= MAX (self->declared, self->observed) + LATENCY_MARGIN / 2)
    return FALSE;
  self->observed = late;
  return TRUE;
}

void
gst_fc_src_observe_latency (GstFcSrc *self, const fc_frame_t *frame)
{
  const fc_info_t *info = &frame->info;

  gst_fc_src_look_at_declared (self);
  if (info->commit_ns != FC_TIME_NONE && info->commit_ns > info->capture_ns
      && gst_fc_src_is_later (self, info->commit_ns - info->capture_ns))
    gst_fc_src_update_latency (self, FALSE);
}

/* Before the first frame: what the newest ones tell of this writer. A sink has
 * its latency worked out when the first frame has reached it. */
static void
gst_fc_src_announce_latency (GstFcSrc *self)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  if (fc_consumer_stats (self->consumer, &stats) == 0)
    gst_fc_src_is_later (self, stats.observed_latency_ns);
  gst_fc_src_update_latency (self, TRUE);
}

void
gst_fc_src_time_attached (GstFcSrc *self, gboolean begin)
{
  self->frame_duration = GST_CLOCK_TIME_NONE;
  if (self->caps != NULL)
    self->frame_duration = gst_fc_caps_frame_duration (self->caps);
  self->ring_time = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (self->frame_duration))
    self->ring_time = self->frame_duration * self->ring_depth;
  if (begin)
    {
      self->shift_pending = TRUE;
      self->shift = 0;
      self->not_before = 0;
      self->clockless_base = GST_CLOCK_TIME_NONE;
      self->observed = 0;
    }
  gst_fc_src_announce_latency (self);
}

/* Time stamps ---------------------------------------------------------- */

/* How far the dts is from the pts. Both come from the slot: what would lead to
 * nowhere is none. */
static GstClockTimeDiff
gst_fc_src_get_reorder (const fc_info_t *info)
{
  GstClockTimeDiff reorder;

  if (!GST_CLOCK_TIME_IS_VALID (info->pts)
      || !GST_CLOCK_TIME_IS_VALID (info->dts))
    return 0;
  reorder = GST_CLOCK_DIFF (info->pts, info->dts);
  return reorder > -REORDER_BELIEVED && reorder < REORDER_BELIEVED ? reorder
                                                                   : 0;
}

/* CAPTURE, of CLOCK_MONOTONIC, and now, as running times of this pipeline.
 * Without a clock that begins with the first frame. */
static void
gst_fc_src_running_times (GstFcSrc *self, GstClockTime capture,
                          GstClockTimeDiff *running, GstClockTimeDiff *now)
{
  GstClockTime base = gst_element_get_base_time (GST_ELEMENT (self));
  GstClockTime monotonic = self->now;

  capture = MIN (capture, monotonic + LATENCY_BELIEVED);
  if (gst_fc_clock_observe (&self->clock, monotonic))
    {
      capture = gst_fc_clock_from_monotonic (&self->clock, capture);
      monotonic = gst_fc_clock_from_monotonic (&self->clock, monotonic);
    }
  else
    {
      if (!GST_CLOCK_TIME_IS_VALID (self->clockless_base))
        self->clockless_base = capture;
      base = self->clockless_base;
    }
  *running = GST_CLOCK_DIFF (base, capture);
  *now = GST_CLOCK_DIFF (base, monotonic);
}

/* Not before FLOOR, the running time of a frame that has just come, or a
 * frame's duration before it: the newest there is may be next to being
 * followed. The next frame is not before FLOOR, then. */
static gboolean
gst_fc_src_is_fresh (GstFcSrc *self, const fc_info_t *info,
                     GstClockTimeDiff earliest, GstClockTimeDiff floor)
{
  GstClockTime duration = self->frame_duration;

  if (!GST_CLOCK_TIME_IS_VALID (duration))
    duration = info->duration;
  if (!GST_CLOCK_TIME_IS_VALID (duration))
    duration = 0;
  return earliest + (GstClockTimeDiff) duration >= floor;
}

static gboolean
gst_fc_src_is_raw (GstFcSrc *self)
{
  return self->caps != NULL
         && g_str_has_suffix (
             gst_structure_get_name (gst_caps_get_structure (self->caps, 0)),
             "/x-raw");
}

/* What start-time says, and what comes before that, from the key frame on,
 * before which there is no time. Raw frames are not needed for others. */
static GstClockTimeDiff
gst_fc_src_wanted_by_start_time (GstFcSrc *self, GstClockTimeDiff earliest)
{
  if (gst_fc_src_is_raw (self))
    return -self->use.start_time;
  return MAX (-self->use.start_time, -earliest);
}

/* History was captured before this pipeline ran, or so long ago that a sink
 * finds it too late. With the first frame, of running time EARLIEST, is
 * settled what is added to its running time and to those of all that follow:
 * one shift for as long as reading goes on, the same for every source of the
 * pipeline. Where that is too little for what this one has, what comes before
 * self->not_before is too old; else only the first frame may be, and it is
 * moved up to the time that this returns. */
static GstClockTimeDiff
gst_fc_src_settle_shift (GstFcSrc *self, const fc_info_t *info,
                         GstClockTimeDiff earliest, GstClockTimeDiff now)
{
  GstClockTimeDiff floor = MAX (now - (GstClockTimeDiff) self->latency_min, 0);
  GstClockTimeDiff wanted = 0;

  self->shift_pending = FALSE;
  if (self->use.start == GST_FC_START_LIVE)
    return G_MININT64;
  if (self->use.start_time < 0)
    {
      wanted = gst_fc_src_wanted_by_start_time (self, earliest);
      self->shift = gst_fc_history_agree (&self->history, wanted);
      return G_MININT64;
    }
  if (gst_fc_src_begins_in_history (self))
    {
      if (!gst_fc_src_is_fresh (self, info, earliest, floor))
        wanted = now - earliest;
      self->shift = gst_fc_history_agree (&self->history, wanted);
      GST_INFO_OBJECT (self, "history is shifted by %" GST_STIME_FORMAT,
                       GST_STIME_ARGS (self->shift));
    }
  if (self->shift >= wanted)
    return floor;
  /* What came while a later writer was being attached to is late, and no
   * history: whoever records wants it. */
  if (self->counts.reconnects == 0)
    self->not_before = floor;
  return G_MININT64;
}

/* Whether a frame that is too old for the pipeline can be left out: others are
 * decoded from it where it is coded. */
static gboolean
gst_fc_src_may_skip (GstFcSrc *self)
{
  return (self->use.start == GST_FC_START_LIVE && self->use.start_time == 0)
         || gst_fc_src_is_raw (self);
}

static gboolean
gst_fc_src_stamp_clock (GstFcSrc *self, const fc_frame_t *frame,
                        GstClockTime *pts, GstClockTime *dts)
{
  const fc_info_t *info = &frame->info;
  gboolean has_pts = GST_CLOCK_TIME_IS_VALID (info->pts);
  gboolean has_dts = GST_CLOCK_TIME_IS_VALID (info->dts);
  GstClockTimeDiff reorder = gst_fc_src_get_reorder (info);
  GstClockTimeDiff running, now, least = G_MININT64;

  gst_fc_src_running_times (self,
                            info->capture_ns != FC_TIME_NONE ? info->capture_ns
                                                             : info->commit_ns,
                            &running, &now);
  if (self->shift_pending)
    least
        = gst_fc_src_settle_shift (self, info, running + MIN (reorder, 0), now);
  running = MAX (running + self->shift, least);
  if (running < self->not_before && gst_fc_src_may_skip (self))
    return FALSE;
  running = MAX (running, 0);
  *pts = has_pts || !has_dts ? (GstClockTime) running : GST_CLOCK_TIME_NONE;
  *dts = has_dts ? (GstClockTime) MAX (running + reorder, 0)
                 : GST_CLOCK_TIME_NONE;
  return TRUE;
}

/* With what was captured while the pipeline was not PLAYING, the history has
 * been left behind. */
void
gst_fc_src_end_history (GstFcSrc *self)
{
  self->shift = 0;
  self->not_before = 0;
  self->shift_pending = FALSE;
  gst_fc_history_end (&self->history);
}

gboolean
gst_fc_src_begins_in_history (GstFcSrc *self)
{
  return self->use.start != GST_FC_START_LIVE
         && self->use.start != GST_FC_START_LATEST
         && gst_fc_src_get_timestamps (self) == GST_FC_TIMESTAMPS_CLOCK;
}

/* Whether there is history to be read is asked of the slot as it is now, for
 * the others of the pipeline wait for it. */
void
gst_fc_src_join_history (GstFcSrc *self)
{
  fc_slot_stat_t stat = { .struct_size = sizeof (stat) };
  GstFcHistoryShared *shared;
  gboolean pending;

  if (!gst_fc_src_begins_in_history (self))
    return;
  pending = fc_slot_stat (self->use.directory, self->use.slot, &stat) == 0
            && stat.oldest < stat.head;
  shared = gst_fc_history_find (GST_ELEMENT (self));
  g_mutex_lock (&self->wait_lock);
  gst_fc_history_join (&self->history, shared, pending);
  g_mutex_unlock (&self->wait_lock);
}

void
gst_fc_src_leave_history (GstFcSrc *self)
{
  g_mutex_lock (&self->wait_lock);
  gst_fc_history_leave (&self->history);
  g_mutex_unlock (&self->wait_lock);
}

static void
gst_fc_src_stamp_arrival (GstFcSrc *self, const fc_frame_t *frame,
                          GstClockTime *pts, GstClockTime *dts)
{
  const fc_info_t *info = &frame->info;
  GstClockTimeDiff running, now;

  gst_fc_src_running_times (self, info->commit_ns, &running, &now);
  *dts = (GstClockTime) MAX (now, 0);
  *pts = *dts + (GstClockTime) MAX (-gst_fc_src_get_reorder (info), 0);
}

/* The segment that gives time TIME the running time RUNNING: the writer's
 * where it does, else the writer's moved to where it does. History may be of
 * an earlier segment than the one that the slot now tells of. */
static void
gst_fc_src_find_segment (GstFcSrc *self, GstClockTime time,
                         GstClockTime running, GstSegment *segment)
{
  guint64 got;

  if (self->sticky.has_segment
      && self->sticky.segment.format == GST_FORMAT_TIME)
    *segment = self->sticky.segment;
  else
    gst_segment_init (segment, GST_FORMAT_TIME);
  if (!GST_CLOCK_TIME_IS_VALID (running))
    return;

  got = gst_segment_to_running_time (segment, GST_FORMAT_TIME, time);
  if (GST_CLOCK_TIME_IS_VALID (got) && segment->base + running >= got)
    {
      segment->base = segment->base + running - got;
      return;
    }
  gst_segment_init (segment, GST_FORMAT_TIME);
  segment->start = segment->time = segment->position = time;
  segment->base = running;
}

static void
gst_fc_src_follow_segment (GstFcSrc *self, const fc_info_t *info)
{
  GstClockTime time = info->pts, running = info->running_time;

  if (!GST_CLOCK_TIME_IS_VALID (time))
    time = info->dts;
  if (!GST_CLOCK_TIME_IS_VALID (time))
    running = GST_CLOCK_TIME_NONE;
  if (self->has_segment
      && (!GST_CLOCK_TIME_IS_VALID (running)
          || gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, time)
                 == running))
    return;

  gst_fc_src_find_segment (self, time, running, &self->segment);
  self->has_segment = TRUE;
  gst_base_src_new_segment (GST_BASE_SRC (self), &self->segment);
}

gboolean
gst_fc_src_stamp (GstFcSrc *self, const fc_frame_t *frame, GstClockTime *pts,
                  GstClockTime *dts)
{
  switch (gst_fc_src_get_timestamps (self))
    {
    case GST_FC_TIMESTAMPS_STREAM:
      gst_fc_src_follow_segment (self, &frame->info);
      *pts = frame->info.pts;
      *dts = frame->info.dts;
      return TRUE;
    case GST_FC_TIMESTAMPS_ARRIVAL:
      gst_fc_src_stamp_arrival (self, frame, pts, dts);
      return TRUE;
    default:
      return gst_fc_src_stamp_clock (self, frame, pts, dts);
    }
}
