/* framecache: fcsink's stream: its frames and events
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>

#include "gstfccell.h"
#include "gstfcsink-private.h"

#define GST_CAT_DEFAULT gst_fc_sink_debug

static GstBaseSinkClass *parent_class;

/* The block for those who join late, from here on up to date. */
static GString *
gst_fc_sink_make_sticky (GstFcSink *self)
{
  gchar *left_out = NULL;
  GString *block = gst_fc_sticky_serialize (&self->sticky, &left_out);

  if (left_out != NULL && !self->warned_tags)
    {
      self->warned_tags = TRUE;
      GST_WARNING_OBJECT (self, "tags that do not go into the slot: %s",
                          left_out);
    }
  g_free (left_out);
  self->sticky_changed = FALSE;
  return block;
}

static void
gst_fc_sink_update_sticky (GstFcSink *self)
{
  GString *block = gst_fc_sink_make_sticky (self);

  if (fc_writer_set_sticky (gst_fc_slot_get_writer (self->ring), block->str,
                            block->len)
      < 0)
    GST_WARNING_OBJECT (self, "%s", fc_error_detail ());
  g_string_free (block, TRUE);
}

static int
gst_fc_sink_show (GstFcSink *self, gsize size)
{
  GString *block = gst_fc_sink_make_sticky (self);
  int r = gst_fc_slot_show (self->ring, size, block);

  g_string_free (block, TRUE);
  return r;
}

/* Frames --------------------------------------------------------------- */

static GstFlowReturn
gst_fc_sink_write_failed (GstFcSink *self, int err)
{
  if (err != -EAGAIN)
    {
      GST_FC_ELEMENT_ERROR (self, err, GST_RESOURCE_ERROR_WRITE, "write");
      return GST_FLOW_ERROR;
    }
  /* No cell and no memory: the stream goes on without this frame, which libfc
   * has counted. */
  if (!self->warned_drop)
    GST_ELEMENT_WARNING (self, RESOURCE, NO_SPACE_LEFT,
                         ("Frames are lost: %s", fc_error_detail ()), (NULL));
  self->warned_drop = TRUE;
  return GST_FLOW_OK;
}

/* A ring for a frame of SIZE bytes, with all that belongs before it. */
static GstFlowReturn
gst_fc_sink_make_room (GstFcSink *self, gsize size)
{
  int r = 0;

  if (!gst_fc_slot_has_caps (self->ring))
    {
      GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
                         ("The stream came without caps: put a parser, a"
                          " typefind or a capssetter before fcsink."),
                         (NULL));
      return GST_FLOW_NOT_NEGOTIATED;
    }
  if (!gst_fc_slot_has_room (self->ring, size))
    r = gst_fc_sink_show (self, size);
  else if (self->sticky_changed)
    gst_fc_sink_update_sticky (self);
  if (r < 0)
    {
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_OPEN_WRITE, "slot");
      return GST_FLOW_ERROR;
    }
  gst_fc_sink_look_at_consumers (self);
  return GST_FLOW_OK;
}

static void
gst_fc_sink_count (GstFcSink *self, guint64 *frames)
{
  GST_OBJECT_LOCK (self);
  ++*frames;
  GST_OBJECT_UNLOCK (self);
}

static void
gst_fc_sink_describe (GstFcSink *self, GstBuffer *buffer, fc_info_t *info)
{
  info->pts = GST_BUFFER_PTS (buffer);
  info->dts = GST_BUFFER_DTS (buffer);
  info->duration = GST_BUFFER_DURATION (buffer);
  info->offset = GST_BUFFER_OFFSET (buffer);
  info->offset_end = GST_BUFFER_OFFSET_END (buffer);
  gst_fc_info_set_flags (info, buffer);
  gst_fc_sink_set_times (self, info);
  gst_fc_sink_key_frame (&self->key, gst_fc_slot_get_writer (self->ring),
                         GST_BASE_SINK_PAD (self), buffer, info);
}

/* BUFFER was filled in a cell of the ring. FALSE where it has to be copied
 * after all. */
static gboolean
gst_fc_sink_commit (GstFcSink *self, GstBuffer *buffer, fc_info_t *info,
                    GstFlowReturn *ret)
{
  int err = 0;

  info->meta
      = gst_fc_meta_write (&self->metas, buffer, FALSE, &info->meta_size);
  switch (gst_fc_cell_commit (buffer, info, &err))
    {
    case GST_FC_CELL_COMMITTED:
      gst_fc_sink_count (self, &self->zero_copy);
      break;
    case GST_FC_CELL_COPIED:
      gst_fc_sink_count (self, &self->copied);
      break;
    case GST_FC_CELL_IN_USE:
      return FALSE;
    case GST_FC_CELL_FAILED:
      *ret = gst_fc_sink_write_failed (self, err);
      break;
    }
  return TRUE;
}

/* Once, straight into a cell, however many memories it has. */
static GstFlowReturn
gst_fc_sink_copy (GstFcSink *self, GstBuffer *buffer, gboolean rearranges,
                  gsize size, fc_info_t *info)
{
  fc_writer_t *writer = gst_fc_slot_get_writer (self->ring);
  fc_frame_t frame = FC_FRAME_INIT;
  int r = fc_writer_acquire (writer, &frame);

  if (r < 0)
    return gst_fc_sink_write_failed (self, r);
  if (!gst_fc_copy_into (&self->copy, buffer, rearranges, frame.data, size))
    {
      fc_writer_abandon (writer, &frame);
      GST_ELEMENT_ERROR (self, RESOURCE, READ, ("A buffer could not be read."),
                         (NULL));
      return GST_FLOW_ERROR;
    }
  info->meta
      = gst_fc_meta_write (&self->metas, buffer, rearranges, &info->meta_size);
  frame.size = size;
  frame.info = *info;
  r = fc_writer_commit (writer, &frame);
  if (r < 0)
    return gst_fc_sink_write_failed (self, r);
  gst_fc_sink_count (self, &self->copied);
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_fc_sink_render (GstBaseSink *sink, GstBuffer *buffer)
{
  GstFcSink *self = GST_FC_SINK (sink);
  fc_info_t info = FC_INFO_INIT;
  gboolean rearranges = gst_fc_copy_rearranges (&self->copy, buffer);
  gsize size = gst_fc_copy_size (&self->copy, buffer, rearranges);
  GstFlowReturn ret = gst_fc_sink_make_room (self, size);

  if (ret != GST_FLOW_OK)
    return ret;
  gst_fc_sink_describe (self, buffer, &info);
  GST_LOG_OBJECT (self, "%" G_GSIZE_FORMAT " bytes, pts %" GST_TIME_FORMAT,
                  size, GST_TIME_ARGS (info.pts));
  if (gst_fc_cell_is_buffer (buffer, gst_fc_slot_get_writer (self->ring))
      && gst_fc_copy_may_stay (&self->copy, buffer, rearranges)
      && gst_fc_sink_commit (self, buffer, &info, &ret))
    return ret;
  return gst_fc_sink_copy (self, buffer, rearranges, size, &info);
}

/* Takes EVENT, for which the time has come when this returns TRUE. */
static gboolean
gst_fc_sink_gap (GstFcSink *self, GstEvent *event)
{
  fc_info_t info = FC_INFO_INIT;
  GstBaseSink *sink = GST_BASE_SINK (self);
  GstClockTime pts, duration;
  GstGapFlags flags;
  gboolean ok;
  int r;

  gst_event_parse_gap (event, &pts, &duration);
  gst_event_parse_gap_flags (event, &flags);
  if (gst_fc_sink_is_free_running (self))
    {
      ok = gst_base_sink_do_preroll (sink, GST_MINI_OBJECT (event))
           == GST_FLOW_OK;
      gst_event_unref (event);
    }
  else
    {
      ok = parent_class->event (sink, event);
    }
  if (!ok || !gst_fc_slot_has_caps (self->ring))
    return ok;

  if (gst_fc_sink_make_room (self, 0) != GST_FLOW_OK)
    return FALSE;
  info.flags = FC_FRAME_GAP;
  info.user_flags = flags;
  info.pts = pts;
  info.duration = duration;
  gst_fc_sink_set_times (self, &info);
  r = fc_writer_write (gst_fc_slot_get_writer (self->ring), NULL, 0, &info,
                       NULL);
  return r >= 0 || gst_fc_sink_write_failed (self, r) == GST_FLOW_OK;
}

static gboolean
gst_fc_sink_event (GstBaseSink *sink, GstEvent *event)
{
  GstFcSink *self = GST_FC_SINK (sink);
  gboolean is_eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  gboolean ok;
  int r;

  switch (GST_EVENT_TYPE (event))
    {
    case GST_EVENT_GAP:
      return gst_fc_sink_gap (self, event);
    case GST_EVENT_STREAM_START:
      g_atomic_int_set (&self->ask_upstream, TRUE);
      self->sticky_changed |= gst_fc_sticky_take (&self->sticky, event);
      gst_fc_meta_writer_reset (&self->metas);
      break;
    case GST_EVENT_SEGMENT:
    case GST_EVENT_TAG:
      self->sticky_changed |= gst_fc_sticky_take (&self->sticky, event);
      break;
    default:
      break;
    }

  ok = parent_class->event (sink, event);
  if (is_eos && ok && gst_fc_slot_get_writer (self->ring) != NULL)
    {
      r = fc_writer_finish (gst_fc_slot_get_writer (self->ring));
      if (r < 0)
        GST_WARNING_OBJECT (self, "%s", fc_error_detail ());
    }
  return ok;
}

void
gst_fc_sink_stream_class_init (GstBaseSinkClass *klass)
{
  parent_class = g_type_class_peek_parent (klass);
  klass->event = gst_fc_sink_event;
  klass->render = gst_fc_sink_render;
}
