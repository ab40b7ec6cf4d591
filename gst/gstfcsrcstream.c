/* framecache: fcsrc's stream: from frames to buffers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All of this runs on the streaming thread, but for gst_fc_src_settle () in
 * an element that has stopped.
 */
#include <errno.h>
#include <string.h>

#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

/* memory=zero-copy and every lease held downstream: how long until that is
 * worth a warning. */
#define LEASES_HELD (GST_SECOND)

/* A frame in hand: leased, or in a buffer that it was copied to (or neither,
 * where it has no bytes). */
typedef struct
{
  fc_frame_t frame;
  gboolean leased;
  GstBuffer *copy;
} GstFcTaken;

static const GstFcTaken nothing = { FC_FRAME_INIT, FALSE, NULL };

static void
gst_fc_src_discard (GstFcSrc *self, GstFcTaken *taken)
{
  if (taken->leased)
    fc_consumer_release (self->consumer, &taken->frame);
  gst_clear_buffer (&taken->copy);
  GST_OBJECT_LOCK (self);
  self->counts.skipped++;
  GST_OBJECT_UNLOCK (self);
  self->discont = self->need_key = TRUE;
}

/* Losses --------------------------------------------------------------- */

/* In PAUSED, which a frame may be taken in that comes just when it begins, and
 * after it until the first frame that is not too old: what is lost then would
 * have been skipped. */
static gboolean
gst_fc_src_is_catching_up (GstFcSrc *self)
{
  gboolean catching_up;

  g_mutex_lock (&self->wait_lock);
  catching_up = self->skip_before != 0
                || (self->paused && self->played && !self->stopping);
  g_mutex_unlock (&self->wait_lock);
  return catching_up;
}

/* All that libfc counted as lost up to frame NEXT, and that was not told yet:
 * it also tells it with the next frame, which may be of another generation. How
 * many of them were key frames is told only then. */
static void
gst_fc_src_account (GstFcSrc *self, guint64 keys, guint64 next)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  gboolean skipped = gst_fc_src_is_catching_up (self);
  guint64 dropped, first;

  if (!skipped && keys > 0)
    {
      GST_OBJECT_LOCK (self);
      self->counts.dropped_keys += keys;
      GST_OBJECT_UNLOCK (self);
    }
  if (fc_consumer_stats (self->consumer, &stats) != 0
      || stats.total_dropped <= self->known_drops)
    return;
  dropped = stats.total_dropped - self->known_drops;
  first = next - MIN (dropped, next);
  self->known_drops += dropped;
  self->discont = self->need_key = TRUE;
  GST_OBJECT_LOCK (self);
  if (skipped)
    {
      self->counts.skipped += dropped;
    }
  else
    {
      self->counts.dropped += dropped;
      self->counts.laps++;
    }
  GST_OBJECT_UNLOCK (self);
  if (skipped)
    return;
  GST_DEBUG_OBJECT (
      self, "%" G_GUINT64_FORMAT " frames lost from %" G_GUINT64_FORMAT " on",
      dropped, first);
  gst_fc_notices_add (&self->notices, GST_FC_NOTICE_DROPPED, dropped, first);
}

void
gst_fc_src_settle (GstFcSrc *self)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  if (self->consumer != NULL && fc_consumer_stats (self->consumer, &stats) == 0)
    gst_fc_src_account (self, 0, stats.cursor);
  gst_fc_notices_post (&self->notices, GST_ELEMENT (self), self->use.slot,
                       TRUE);
}

/* Fetching ------------------------------------------------------------- */

/* Memory from downstream's pool where a frame fits, else of the allocator
 * that was agreed on. An empty pool is not waited for. */
GstBuffer *
gst_fc_src_allocate (GstFcSrc *self, gsize size, gboolean flat)
{
  GstBufferPool *pool = gst_base_src_get_buffer_pool (GST_BASE_SRC (self));
  GstBufferPoolAcquireParams acquire
      = { .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT };
  GstAllocationParams params;
  GstAllocator *allocator;
  GstBuffer *buffer = NULL;

  if (pool != NULL)
    {
      if (gst_buffer_pool_acquire_buffer (pool, &buffer, &acquire)
          != GST_FLOW_OK)
        buffer = NULL;
      gst_object_unref (pool);
      if (buffer != NULL
          && (gst_buffer_get_size (buffer) < size
              || (flat && gst_buffer_get_video_meta (buffer) != NULL)))
        gst_clear_buffer (&buffer);
    }
  if (buffer == NULL)
    {
      gst_base_src_get_allocator (GST_BASE_SRC (self), &allocator, &params);
      buffer = gst_buffer_new_allocate (allocator, size, &params);
      gst_clear_object (&allocator);
    }
  return buffer;
}

/* Wait for a frame without taking it: with no room at all, so that its size is
 * told (-EMSGSIZE). One that has no bytes is taken. */
static int
gst_fc_src_probe (GstFcSrc *self, GstFcTaken *taken, gint64 timeout)
{
  static guint8 no_room;

  *taken = nothing;
  taken->frame.data = &no_room;
  return fc_consumer_read (self->consumer, &taken->frame, timeout);
}

/* Copy the frame that was probed into a buffer of its size. It may have been
 * lapped since by one that is larger. */
static int
gst_fc_src_copy (GstFcSrc *self, GstFcTaken *taken)
{
  fc_frame_t *frame = &taken->frame;
  GstMapInfo map;
  int r = -EMSGSIZE;

  while (r == -EMSGSIZE)
    {
      gsize size = frame->size;

      if (self->need_format
          && (self->failure = gst_fc_src_negotiate (self)) != GST_FLOW_OK)
        return -ENOTSUP;
      taken->copy = gst_fc_src_allocate (self, size, TRUE);
      if (taken->copy == NULL
          || !gst_buffer_map (taken->copy, &map, GST_MAP_WRITE))
        {
          gst_clear_buffer (&taken->copy);
          return -ENOMEM;
        }
      *frame = nothing.frame;
      frame->data = map.data;
      frame->capacity = map.size;
      r = fc_consumer_read (self->consumer, frame, 0);
      gst_buffer_unmap (taken->copy, &map);
      if (r >= 0)
        gst_buffer_resize (taken->copy, 0, (gssize) frame->size);
      else
        gst_clear_buffer (&taken->copy);
    }
  return r;
}

static int
gst_fc_src_lease (GstFcSrc *self, GstFcTaken *taken, gint64 timeout)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int r = fc_consumer_lease (self->consumer, &frame, timeout);

  if (r >= 0)
    {
      taken->frame = frame;
      taken->leased = TRUE;
    }
  return r;
}

static int
gst_fc_src_wait_for_lease (GstFcSrc *self)
{
  if (gst_fc_attachment_wait_release (self->attachment, LEASES_HELD))
    return FC_TIMEOUT;
  if (!gst_fc_src_may_run (self) || gst_fc_src_is_key_wanted (self))
    return FC_INTERRUPTED;
  GST_WARNING_OBJECT (self, "downstream holds every frame that this consumer"
                            " may lease: set memory=auto, or max-leases of"
                            " fcsink higher");
  return FC_TIMEOUT;
}

/* The next frame, leased or copied. Which of them is decided when the frame is
 * there: leases that were out before may be back by then. */
static int
gst_fc_src_fetch (GstFcSrc *self, GstFcTaken *taken)
{
  gint64 timeout = gst_fc_notices_due (&self->notices);
  GstFcMemoryMode memory;
  gboolean leases;
  int r = -EAGAIN;

  GST_OBJECT_LOCK (self);
  memory = self->settings.memory;
  leases = memory == GST_FC_MEMORY_ZERO_COPY
           || (memory == GST_FC_MEMORY_AUTO && !self->counts.observing);
  GST_OBJECT_UNLOCK (self);

  *taken = nothing;
  if (leases)
    r = gst_fc_src_lease (self, taken, timeout);
  if (r != -EAGAIN)
    return r;
  if (memory == GST_FC_MEMORY_ZERO_COPY)
    return gst_fc_src_wait_for_lease (self);
  r = gst_fc_src_probe (self, taken, timeout);
  if (r != -EMSGSIZE)
    return r;
  if (leases)
    r = gst_fc_src_lease (self, taken, 0);
  if (leases && r != -EAGAIN)
    return r;
  return gst_fc_src_copy (self, taken);
}

/* Buffers -------------------------------------------------------------- */

/* Whether the frame was captured while the element was not PLAYING. */
static gboolean
gst_fc_src_is_too_old (GstFcSrc *self, const fc_info_t *info)
{
  guint64 skip_before;

  g_mutex_lock (&self->wait_lock);
  skip_before = self->skip_before;
  g_mutex_unlock (&self->wait_lock);
  if (skip_before == 0)
    return FALSE;
  if (info->capture_ns < skip_before)
    return TRUE;

  g_mutex_lock (&self->wait_lock);
  if (self->skip_before == skip_before)
    self->skip_before = 0;
  g_mutex_unlock (&self->wait_lock);
  gst_fc_src_end_history (self);
  return FALSE;
}

/* Taken by now: the frame counts as delivered. */
static void
gst_fc_src_count (GstFcSrc *self, const GstFcTaken *taken)
{
  const fc_frame_t *frame = &taken->frame;
  guint64 head = fc_consumer_write_cursor (self->consumer);
  guint64 now = gst_fc_monotonic ();

  GST_OBJECT_LOCK (self);
  self->counts.delivered++;
  if (taken->leased)
    self->counts.leased++;
  else if (taken->copy != NULL)
    self->counts.copied++;
  self->counts.lag = head > frame->seq + 1 ? head - frame->seq - 1 : 0;
  if (frame->info.commit_ns < now)
    gst_fc_histogram_add (&self->counts.latency, now - frame->info.commit_ns);
  self->notices.delivered = self->counts.delivered;
  GST_OBJECT_UNLOCK (self);
}

static GstBuffer *
gst_fc_src_make_buffer (GstFcSrc *self, GstFcTaken *taken)
{
  const fc_frame_t *frame = &taken->frame;
  const fc_info_t *info = &frame->info;
  GstBuffer *buffer = g_steal_pointer (&taken->copy);

  if (buffer == NULL)
    buffer = gst_buffer_new ();
  if (taken->leased && frame->size > 0)
    gst_buffer_append_memory (buffer,
                              gst_fc_attachment_wrap (self->attachment, frame));
  else if (taken->leased)
    fc_consumer_release (self->consumer, &taken->frame);

  gst_fc_meta_reader_add (&self->metas, buffer);
  gst_buffer_set_flags (buffer, gst_fc_info_get_flags (info));
  if (self->discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
  GST_BUFFER_DURATION (buffer) = info->duration;
  GST_BUFFER_OFFSET (buffer) = info->offset;
  GST_BUFFER_OFFSET_END (buffer) = info->offset_end;
  return buffer;
}

/* Where downstream would not understand how a frame lies, copy it. */
static gboolean
gst_fc_src_settle_layout (GstFcSrc *self, GstFcTaken *taken)
{
  GstBuffer *packed;

  if (self->takes_video_meta
      || !gst_fc_meta_reader_is_padded (&self->metas, taken->frame.size))
    return TRUE;
  packed = gst_fc_src_pack (self, &taken->frame, taken->copy);
  if (packed == NULL)
    return FALSE;
  if (taken->leased)
    fc_consumer_release (self->consumer, &taken->frame);
  taken->leased = FALSE;
  gst_clear_buffer (&taken->copy);
  taken->copy = packed;
  return TRUE;
}

/* The base class sends the segment with the next buffer, and a gap comes
 * before that. */
static void
gst_fc_src_push_gap (GstFcSrc *self, const fc_info_t *info, GstClockTime pts)
{
  GstPad *pad = GST_BASE_SRC_PAD (self);
  GstEvent *sticky = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *sent = NULL;
  GstEvent *gap;

  if (sticky != NULL)
    gst_event_parse_segment (sticky, &sent);
  if (sent == NULL || sent->base != GST_BASE_SRC (self)->segment.base
      || sent->start != GST_BASE_SRC (self)->segment.start)
    gst_pad_push_event (pad,
                        gst_event_new_segment (&GST_BASE_SRC (self)->segment));
  gst_clear_event (&sticky);
  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return;

  gap = gst_event_new_gap (pts, info->duration);
  gst_event_set_gap_flags (gap, (GstGapFlags) info->user_flags);
  gst_pad_push_event (pad, gap);
}

/* A larger ring of the same writer goes on where the last one ended; another
 * writer does not. */
static void
gst_fc_src_note_writer (GstFcSrc *self, const fc_frame_t *frame)
{
  gboolean another = frame->epoch != self->epoch;

  if ((frame->info.flags & FC_FRAME_EPOCH) || another)
    self->discont = TRUE;
  if (self->lost || (!self->first && another))
    self->need_key = TRUE;
  self->first = FALSE;
  self->epoch = frame->epoch;
  if (self->lost)
    gst_fc_notices_add (&self->notices, GST_FC_NOTICE_WRITER_BACK, 1, 0);
  self->lost = FALSE;
}

/* A frame was fetched. *BUFFER stays NULL where it comes to nothing. */
static GstFlowReturn
gst_fc_src_take (GstFcSrc *self, GstFcTaken *taken, GstBuffer **buffer)
{
  fc_frame_t *frame = &taken->frame;
  GstClockTime pts, dts;

  gst_fc_meta_reader_take (&self->metas, &frame->info);
  if (frame->dropped > 0)
    gst_fc_src_account (self, frame->dropped_keys, frame->seq);
  gst_fc_src_note_writer (self, frame);
  if (!gst_fc_src_may_run (self))
    {
      gst_fc_src_discard (self, taken);
      return GST_FLOW_FLUSHING;
    }
  if (self->need_format
      && (self->failure = gst_fc_src_negotiate (self)) != GST_FLOW_OK)
    {
      gst_fc_src_discard (self, taken);
      return self->failure;
    }
  gst_fc_src_follow_sticky (self, frame->sticky);
  self->now = gst_fc_monotonic ();
  gst_fc_src_observe_latency (self, frame);
  if (gst_fc_src_is_too_old (self, &frame->info)
      || gst_fc_src_is_undecodable (self, frame)
      || !gst_fc_src_stamp (self, frame, &pts, &dts)
      || !gst_fc_src_settle_layout (self, taken))
    {
      gst_fc_src_discard (self, taken);
      return GST_FLOW_OK;
    }

  gst_fc_src_count (self, taken);
  if (frame->info.flags & FC_FRAME_GAP)
    {
      gst_fc_src_push_gap (self, &frame->info, pts);
      if (taken->leased)
        fc_consumer_release (self->consumer, frame);
      gst_clear_buffer (&taken->copy);
      return GST_FLOW_OK;
    }
  *buffer = gst_fc_src_make_buffer (self, taken);
  GST_BUFFER_PTS (*buffer) = pts;
  GST_BUFFER_DTS (*buffer) = dts;
  *buffer = gst_fc_src_put_headers_first (self, *buffer);
  return GST_FLOW_OK;
}

/* What there is instead of a frame ------------------------------------- */

static GstFlowReturn
gst_fc_src_writer_lost (GstFcSrc *self)
{
  GstFcWriterLost policy;

  GST_OBJECT_LOCK (self);
  policy = self->settings.on_writer_lost;
  GST_OBJECT_UNLOCK (self);

  if (!self->lost)
    {
      GST_INFO_OBJECT (self, "the writer of slot %s died", self->use.slot);
      gst_fc_notices_add (&self->notices, GST_FC_NOTICE_WRITER_LOST, 1, 0);
      gst_fc_notices_post (&self->notices, GST_ELEMENT (self), self->use.slot,
                           FALSE);
    }
  self->lost = TRUE;
  if (policy == GST_FC_WRITER_LOST_WAIT)
    return GST_FLOW_OK;
  gst_fc_src_settle (self);
  if (policy == GST_FC_WRITER_LOST_EOS)
    return GST_FLOW_EOS;
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
                     ("The writer of slot %s died. Start it again, or set"
                      " on-writer-lost=wait to wait for that.",
                      self->use.slot),
                     (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_fc_src_ended (GstFcSrc *self)
{
  GstFcEos policy;

  GST_OBJECT_LOCK (self);
  policy = self->settings.on_eos;
  GST_OBJECT_UNLOCK (self);

  gst_fc_src_settle (self);
  if (policy == GST_FC_EOS_EOS)
    return GST_FLOW_EOS;
  GST_INFO_OBJECT (self, "the writer of slot %s finished: waiting for the next",
                   self->use.slot);
  self->attached = FALSE;
  self->after_eos = TRUE;
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_fc_src_no_frame (GstFcSrc *self, int r)
{
  switch (r)
    {
    case FC_TIMEOUT:
    case FC_INTERRUPTED:
      return GST_FLOW_OK;
    case FC_EOS:
      return gst_fc_src_ended (self);
    case FC_WRITER_LOST:
      return gst_fc_src_writer_lost (self);
    case FC_REPLACED:
      gst_fc_src_settle (self);
      self->attached = FALSE;
      return GST_FLOW_OK;
    case -ENOTSUP:
      return self->failure;
    case -EPERM:
      GST_ELEMENT_ERROR (self, RESOURCE, NOT_AUTHORIZED,
                         ("You may observe slot %s, and memory=zero-copy takes"
                          " leases: set memory=auto here, or a wider trust in"
                          " fcsink.",
                          self->use.slot),
                         ("%s", fc_error_detail ()));
      return GST_FLOW_ERROR;
    case -ENOMEM:
      GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
                         ("There is no memory to copy a frame to."), (NULL));
      return GST_FLOW_ERROR;
    default:
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_READ, self->use.slot);
      return GST_FLOW_ERROR;
    }
}

GstFlowReturn
gst_fc_src_create (GstPushSrc *src, GstBuffer **buffer)
{
  GstFcSrc *self = GST_FC_SRC (src);
  GstFlowReturn ret = GST_FLOW_OK;
  GstFcTaken taken;
  int r;

  *buffer = g_queue_pop_head (&self->pending);
  while (ret == GST_FLOW_OK && *buffer == NULL)
    {
      if (!gst_fc_src_may_run (self))
        return GST_FLOW_FLUSHING;
      gst_fc_src_pass_on_request (self);
      gst_fc_notices_post (&self->notices, GST_ELEMENT (self), self->use.slot,
                           FALSE);
      if (!self->attached)
        {
          ret = gst_fc_src_attach (self);
          continue;
        }
      r = gst_fc_src_fetch (self, &taken);
      if (r >= 0)
        ret = gst_fc_src_take (self, &taken, buffer);
      else
        ret = gst_fc_src_no_frame (self, r);
    }
  return ret;
}
