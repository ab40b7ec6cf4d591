/* framecache: fcsink's stream: its ring, its frames
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "gstfcgeometry.h"
#include "gstfcsink-private.h"

#define GST_CAT_DEFAULT gst_fc_sink_debug

static GstBaseSinkClass *parent_class;

/* The ring ------------------------------------------------------------- */

void
gst_fc_sink_get_options (GstFcSink *self, fc_writer_options_t *options,
                         gchar **slot)
{
  *options = (fc_writer_options_t) FC_WRITER_OPTIONS_INIT;
  GST_OBJECT_LOCK (self);
  *slot = g_strdup (self->slot);
  options->dir = g_strdup (self->directory);
  options->ring_depth = self->ring_depth;
  options->frame_size = self->frame_size;
  options->max_consumers = self->max_consumers;
  options->leases = self->max_leases;
  options->trust = self->trust;
  options->access = MAX (self->access, self->trust);
  GST_OBJECT_UNLOCK (self);
  options->latency_ns = gst_base_sink_get_latency (GST_BASE_SINK (self));
  options->log = gst_fc_log;
  options->log_data = gst_fc_sink_debug;
}

static void
gst_fc_sink_update_sticky (GstFcSink *self)
{
  gchar *left_out = NULL;
  GString *block;
  int r;

  if (!self->sticky_changed)
    return;
  self->sticky_changed = FALSE;
  block = gst_fc_sticky_serialize (&self->sticky, &left_out);
  if (left_out != NULL && !self->warned_tags)
    {
      self->warned_tags = TRUE;
      GST_WARNING_OBJECT (self, "tags that do not go into the slot: %s",
                          left_out);
    }
  r = fc_writer_set_sticky (self->writer, block->str, block->len);
  if (r < 0)
    GST_WARNING_OBJECT (self, "%s", fc_error_detail ());
  g_string_free (block, TRUE);
  g_free (left_out);
}

static int
gst_fc_sink_open (GstFcSink *self, const gchar *slot,
                  const fc_writer_options_t *options)
{
  fc_writer_t *writer;
  int r;

  if (self->writer != NULL)
    return fc_writer_renew (self->writer, options);
  r = fc_writer_open (&writer, slot, options);
  if (r < 0)
    return r;
  g_mutex_lock (&self->ring_lock);
  self->writer = writer;
  self->open_slot = g_strdup (slot);
  self->open_directory = g_strdup (options->dir);
  g_mutex_unlock (&self->ring_lock);
  return r;
}

static guint
gst_fc_sink_get_depth (GstFcSink *self, GstCaps *caps, guint wished,
                       guint64 frame_size)
{
  guint64 history;

  GST_OBJECT_LOCK (self);
  history = self->history;
  GST_OBJECT_UNLOCK (self);
  if (history > 0
      && !GST_CLOCK_TIME_IS_VALID (gst_fc_caps_frame_duration (caps)))
    GST_WARNING_OBJECT (self, "history needs a frame rate, and the caps have"
                              " none: ring-depth decides");
  return gst_fc_ring_depth (caps, wished, history, frame_size);
}

/* Open the ring for FORMAT, or go on in another one. */
static gboolean
gst_fc_sink_publish (GstFcSink *self, GstCaps *caps, const gchar *format,
                     guint64 frame_size)
{
  fc_writer_options_t options;
  gchar *slot;
  int r;

  gst_fc_sink_get_options (self, &options, &slot);
  options.frame_size = frame_size;
  options.ring_depth
      = gst_fc_sink_get_depth (self, caps, options.ring_depth, frame_size);
  options.format = format;
  options.format_size = (uint32_t) strlen (format);
  r = gst_fc_sink_open (self, slot, &options);
  if (r < 0)
    {
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_OPEN_WRITE, slot);
    }
  else
    {
      GST_INFO_OBJECT (
          self, "slot %s: %u frames of up to %" G_GUINT64_FORMAT " bytes, %s",
          slot, options.ring_depth, frame_size, format);
      self->capacity = frame_size;
      self->sticky_changed = TRUE;
      gst_fc_sink_update_sticky (self);
    }
  g_free (slot);
  g_free ((gchar *) options.dir);
  return r >= 0;
}

static gboolean
gst_fc_sink_set_caps (GstBaseSink *sink, GstCaps *caps)
{
  GstFcSink *self = GST_FC_SINK (sink);
  gchar *format = gst_caps_to_string (caps);
  guint64 frame_size;

  if (!gst_caps_is_fixed (caps))
    {
      GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                         ("The stream's format is not settled."),
                         ("caps: %s", format));
      g_free (format);
      return FALSE;
    }
  if (self->writer != NULL && g_str_equal (format, self->format))
    {
      g_free (format);
      return TRUE;
    }

  GST_OBJECT_LOCK (self);
  frame_size = self->frame_size;
  GST_OBJECT_UNLOCK (self);
  frame_size = gst_fc_frame_size (caps, frame_size);
  if (!gst_fc_sink_publish (self, caps, format, frame_size))
    {
      g_free (format);
      return FALSE;
    }
  g_free (self->format);
  self->format = format;
  gst_fc_copy_set_caps (&self->copy, caps);
  /* Clipping is for what is decoded; an encoded frame before the segment's
   * start may be what the first one inside is decoded from. */
  gst_base_sink_set_drop_out_of_segment (sink, self->copy.is_raw);
  return TRUE;
}

/* A frame of SIZE bytes is larger than the ring's. */
static gboolean
gst_fc_sink_grow (GstFcSink *self, gsize size)
{
  GstCaps *caps = gst_pad_get_current_caps (GST_BASE_SINK_PAD (self));
  gboolean grown;

  GST_INFO_OBJECT (self,
                   "a frame of %" G_GSIZE_FORMAT
                   " bytes, the ring's are of %" G_GUINT64_FORMAT
                   ": a larger ring",
                   size, self->capacity);
  grown = gst_fc_sink_publish (self, caps, self->format,
                               gst_fc_grown_frame_size (self->capacity, size));
  gst_caps_unref (caps);
  return grown;
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

static void
gst_fc_sink_count_copy (GstFcSink *self)
{
  GST_OBJECT_LOCK (self);
  self->copied++;
  GST_OBJECT_UNLOCK (self);
}

/* Copied once, straight into the cell, however many memories it has. A buffer
 * that already lies in a cell would be published here instead. */
static GstFlowReturn
gst_fc_sink_render (GstBaseSink *sink, GstBuffer *buffer)
{
  GstFcSink *self = GST_FC_SINK (sink);
  fc_frame_t frame = FC_FRAME_INIT;
  gsize size = gst_fc_copy_size (&self->copy, buffer);
  int r;

  if (self->writer == NULL)
    {
      GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
                         ("The stream came without caps: put a parser, a"
                          " typefind or a capssetter before fcsink."),
                         (NULL));
      return GST_FLOW_NOT_NEGOTIATED;
    }
  if (size > self->capacity && !gst_fc_sink_grow (self, size))
    return GST_FLOW_ERROR;
  gst_fc_sink_update_sticky (self);

  r = fc_writer_acquire (self->writer, &frame);
  if (r < 0)
    return gst_fc_sink_write_failed (self, r);
  if (!gst_fc_copy_into (&self->copy, buffer, frame.data, size))
    {
      fc_writer_abandon (self->writer, &frame);
      GST_ELEMENT_ERROR (self, RESOURCE, READ, ("A buffer could not be read."),
                         (NULL));
      return GST_FLOW_ERROR;
    }
  gst_fc_sink_count_copy (self);
  frame.size = size;
  frame.info.pts = GST_BUFFER_PTS (buffer);
  frame.info.dts = GST_BUFFER_DTS (buffer);
  frame.info.duration = GST_BUFFER_DURATION (buffer);
  frame.info.offset = GST_BUFFER_OFFSET (buffer);
  frame.info.offset_end = GST_BUFFER_OFFSET_END (buffer);
  gst_fc_info_set_flags (&frame.info, buffer);
  gst_fc_sink_set_times (self, &frame.info);
  r = fc_writer_commit (self->writer, &frame);
  if (r < 0)
    return gst_fc_sink_write_failed (self, r);
  GST_LOG_OBJECT (self,
                  "frame %" G_GUINT64_FORMAT ", %" G_GSIZE_FORMAT
                  " bytes, pts %" GST_TIME_FORMAT,
                  frame.seq, size, GST_TIME_ARGS (frame.info.pts));
  return GST_FLOW_OK;
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
  if (!ok || self->writer == NULL)
    return ok;

  gst_fc_sink_update_sticky (self);
  info.flags = FC_FRAME_GAP;
  info.user_flags = flags;
  info.pts = pts;
  info.duration = duration;
  gst_fc_sink_set_times (self, &info);
  gst_fc_sink_count_copy (self);
  r = fc_writer_write (self->writer, NULL, 0, &info, NULL);
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
      break;
    case GST_EVENT_SEGMENT:
    case GST_EVENT_TAG:
      self->sticky_changed |= gst_fc_sticky_take (&self->sticky, event);
      break;
    default:
      break;
    }

  ok = parent_class->event (sink, event);
  if (is_eos && ok && self->writer != NULL)
    {
      r = fc_writer_finish (self->writer);
      if (r < 0)
        GST_WARNING_OBJECT (self, "%s", fc_error_detail ());
    }
  return ok;
}

void
gst_fc_sink_stream_class_init (GstBaseSinkClass *klass)
{
  parent_class = g_type_class_peek_parent (klass);
  klass->set_caps = gst_fc_sink_set_caps;
  klass->event = gst_fc_sink_event;
  klass->render = gst_fc_sink_render;
}
