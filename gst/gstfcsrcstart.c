/* framecache: where fcsrc begins, and goes on, in formats with delta units too
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A decoder can only begin at a key frame. fcsink marks these, and every frame
 * of a format where each can be decoded by itself, so nothing here asks which
 * of the two a format is.
 */
#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

/* Positions ----------------------------------------------------------- */

gboolean
gst_fc_src_check_start (GstFcSrc *self)
{
  if (self->use.start_time > 0)
    {
      GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
                         ("start-time is %" G_GINT64_FORMAT
                          " ns, and a slot has no frames of the future: set it"
                          " to 0, or below for how long ago to begin.",
                          self->use.start_time),
                         (NULL));
      return FALSE;
    }
  if (self->use.start_time < 0)
    self->use.start = GST_FC_START_TIME;
  return TRUE;
}

void
gst_fc_src_get_position (GstFcSrc *self, fc_position_t *position)
{
  *position = (fc_position_t){ FC_START_LIVE, 0, 0, 1, 0 };
  switch (self->use.start)
    {
    case GST_FC_START_LIVE:
      break;
    case GST_FC_START_LATEST:
      position->start = FC_START_LATEST;
      break;
    case GST_FC_START_OLDEST:
      position->start = FC_START_MARGIN;
      break;
    case GST_FC_START_KEY:
      position->start = FC_START_KEY;
      break;
    case GST_FC_START_TIME:
      position->start = FC_START_AGO;
      position->value = -(guint64) self->use.start_time;
      break;
    }
}

/* Whoever wants the newest wants the newest that can be decoded; where every
 * frame can, libfc's key frame is the newest frame. Whoever wants all there is
 * loses least by the margin: deltas that come before a key frame are left out
 * here. */
fc_on_lap_t
gst_fc_src_get_on_lap (GstFcSrc *self)
{
  switch (self->use.on_lap)
    {
    case GST_FC_LAP_OLDEST:
      return FC_ON_LAP_MARGIN;
    case GST_FC_LAP_LATEST:
      return FC_ON_LAP_LATEST;
    case GST_FC_LAP_KEY:
      return FC_ON_LAP_KEY;
    default:
      return self->use.start == GST_FC_START_OLDEST
                     || self->use.start == GST_FC_START_TIME
                 ? FC_ON_LAP_MARGIN
                 : FC_ON_LAP_KEY;
    }
}

/* A consumer that was attached in an earlier life is still where that ended;
 * any other is where its options say. */
void
gst_fc_src_go_to_start (GstFcSrc *self)
{
  fc_position_t position;

  self->need_key = TRUE;
  if (!self->reused)
    return;
  gst_fc_src_get_position (self, &position);
  if (fc_consumer_seek (self->consumer, &position) == 0)
    return;
  GST_DEBUG_OBJECT (self, "%s", fc_error_detail ());
  position = (fc_position_t){ FC_START_LIVE, 0, 0, 0, 0 };
  if (fc_consumer_seek (self->consumer, &position) < 0)
    GST_DEBUG_OBJECT (self, "%s", fc_error_detail ());
}

/* Key frames ---------------------------------------------------------- */

/* An observer has no way to ask, and waits for what comes. */
static void
gst_fc_src_request_key (GstFcSrc *self)
{
  if (fc_consumer_request_key_frame (self->consumer) < 0)
    GST_DEBUG_OBJECT (self, "%s", fc_error_detail ());
  else
    GST_INFO_OBJECT (self, "a key frame was asked for");
}

static void
gst_fc_src_miss_key (GstFcSrc *self)
{
  gboolean request;

  if (self->key_asked)
    return;
  self->key_asked = TRUE;
  GST_OBJECT_LOCK (self);
  request = self->settings.request_key_frame;
  GST_OBJECT_UNLOCK (self);
  if (request)
    gst_fc_src_request_key (self);
}

gboolean
gst_fc_src_is_undecodable (GstFcSrc *self, const fc_frame_t *frame)
{
  guint32 flags = frame->info.flags;
  gboolean is_start = (flags & FC_FRAME_KEY) != 0;

  /* Of a writer that marks no key frames: what is no delta is whole. */
  if (frame->key_seq == FC_SEQ_NONE && (flags & FC_FRAME_DELTA) == 0)
    is_start = TRUE;
  if (!self->need_key || (flags & FC_FRAME_GAP) != 0)
    return FALSE;
  if (is_start)
    {
      self->need_key = self->key_asked = FALSE;
      return FALSE;
    }
  GST_LOG_OBJECT (self,
                  "frame %" G_GUINT64_FORMAT ", flags 0x%x, is skipped for"
                  " want of a key frame",
                  frame->seq, flags);
  gst_fc_src_miss_key (self);
  return TRUE;
}

gboolean
gst_fc_src_is_key_wanted (GstFcSrc *self)
{
  return g_atomic_int_get (&self->key_wanted);
}

void
gst_fc_src_pass_on_request (GstFcSrc *self)
{
  if (!gst_fc_src_is_key_wanted (self))
    return;
  g_mutex_lock (&self->wait_lock);
  g_atomic_int_set (&self->key_wanted, FALSE);
  gst_fc_src_update_interrupted (self);
  g_mutex_unlock (&self->wait_lock);
  if (self->attached)
    gst_fc_src_request_key (self);
}

/* Only the streaming thread may speak to the writer: it is made to look up
 * from its wait for the next frame. */
void
gst_fc_src_want_key (GstFcSrc *self)
{
  g_mutex_lock (&self->wait_lock);
  g_atomic_int_set (&self->key_wanted, TRUE);
  gst_fc_src_update_interrupted (self);
  g_mutex_unlock (&self->wait_lock);
}

/* Stream headers ------------------------------------------------------ */

/* The headers that encoders of these formats put into the caps are for Ogg and
 * never in the stream itself. */
static gboolean
gst_fc_src_headers_are_for_ogg (const GstStructure *s)
{
  return gst_structure_has_name (s, "audio/x-opus")
         || gst_structure_has_name (s, "video/x-vp8");
}

/* With the time of the frame that they are there for. */
static void
gst_fc_src_queue_header (GstFcSrc *self, GstBuffer *header,
                         const GstBuffer *first)
{
  GstBuffer *buffer = gst_buffer_copy (header);

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_HEADER);
  GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (g_queue_is_empty (&self->pending))
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (first);
  GST_BUFFER_DTS (buffer) = GST_BUFFER_DTS (first);
  GST_BUFFER_DURATION (buffer) = 0;
  g_queue_push_tail (&self->pending, buffer);
}

GstBuffer *
gst_fc_src_put_headers_first (GstFcSrc *self, GstBuffer *buffer)
{
  const GstStructure *s;
  const GValue *headers;
  guint i;

  if (!self->headers_due)
    return buffer;
  self->headers_due = FALSE;
  s = gst_caps_get_structure (self->caps, 0);
  headers = gst_structure_get_value (s, "streamheader");
  if (headers == NULL || !GST_VALUE_HOLDS_ARRAY (headers)
      || gst_fc_src_headers_are_for_ogg (s)
      || GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_HEADER))
    return buffer;
  for (i = 0; i < gst_value_array_get_size (headers); i++)
    {
      const GValue *header = gst_value_array_get_value (headers, i);

      if (GST_VALUE_HOLDS_BUFFER (header))
        gst_fc_src_queue_header (self, gst_value_get_buffer (header), buffer);
    }
  g_queue_push_tail (&self->pending, buffer);
  return g_queue_pop_head (&self->pending);
}
