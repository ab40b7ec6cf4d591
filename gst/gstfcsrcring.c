/* framecache: fcsrc and the ring that it reads: attaching, caps, events
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

gboolean
gst_fc_src_may_run (GstFcSrc *self)
{
  gboolean may_run;

  g_mutex_lock (&self->wait_lock);
  self->streaming_thread = g_thread_self ();
  while (self->paused && !self->flushing && !self->stopping)
    g_cond_wait (&self->wait_cond, &self->wait_lock);
  may_run = !self->flushing && !self->stopping;
  g_mutex_unlock (&self->wait_lock);
  return may_run;
}

/* What is left of wait-for-slot, which begins with the first call. */
static gint64
gst_fc_src_patience (GstFcSrc *self)
{
  guint64 now = gst_fc_monotonic ();

  if (self->use.wait_for_slot < 0)
    return FC_FOREVER;
  if (self->wait_until == 0)
    self->wait_until = now + (guint64) self->use.wait_for_slot;
  return self->wait_until > now ? (gint64) (self->wait_until - now) : 0;
}

static GstFlowReturn
gst_fc_src_no_slot (GstFcSrc *self)
{
  gchar *said;

  if (self->after_eos)
    {
      GST_INFO_OBJECT (self, "no new writer came: the end stands");
      return GST_FLOW_EOS;
    }
  said = self->bus != NULL ? gst_fc_bus_describe (self->bus) : NULL;
  if (self->use.attach == GST_FC_ATTACH_BUS)
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND,
                       ("Slot %s did not come by the bus: are its writer and"
                        " fc-registry running? (%s)",
                        self->use.slot, said),
                       (NULL));
  else
    GST_FC_ELEMENT_ERROR (self, -ENOENT, GST_RESOURCE_ERROR_NOT_FOUND,
                          said != NULL ? said : self->use.slot);
  g_free (said);
  return GST_FLOW_ERROR;
}

/* Caps ----------------------------------------------------------------- */

/* A stream begins with its stream-start, caps and segment, in this order. The
 * caps went by already where they are NEW. */
static void
gst_fc_src_begin_stream (GstFcSrc *self, gboolean new_caps)
{
  GstPad *pad = GST_BASE_SRC_PAD (self);
  GstSegment segment = GST_BASE_SRC (self)->segment;
  GstCaps *caps;

  if (!self->stream_begins)
    return;
  self->stream_begins = FALSE;
  caps = gst_pad_get_current_caps (pad);
  if (caps != NULL && !new_caps)
    gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_clear_caps (&caps);
  gst_base_src_new_segment (GST_BASE_SRC (self), &segment);
}

static GstCaps *
gst_fc_src_parse_format (GstFcSrc *self, const void *data, size_t size)
{
  GstCaps *caps = gst_fc_caps_from_format (data, size);
  gchar *text;

  if (caps != NULL)
    return caps;
  text = g_utf8_make_valid (data, (gssize) MIN (size, 200));
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                     ("Slot %s was not written by fcsink: its format is not"
                      " that of a stream of GStreamer's.",
                      self->use.slot),
                     ("format: %s", text));
  g_free (text);
  return NULL;
}

static GstFlowReturn
gst_fc_src_not_negotiated (GstFcSrc *self)
{
  gchar *text;

  if (GST_PAD_IS_FLUSHING (GST_BASE_SRC_PAD (self)))
    return GST_FLOW_FLUSHING;
  text = gst_caps_to_string (self->caps);
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
                     ("What comes after fcsrc does not take the format of slot"
                      " %s: put a converter between them.",
                      self->use.slot),
                     ("caps: %s", text));
  g_free (text);
  return GST_FLOW_NOT_NEGOTIATED;
}

GstFlowReturn
gst_fc_src_negotiate (GstFcSrc *self)
{
  const void *data;
  size_t size;
  GstCaps *caps;
  gboolean same;
  int r = fc_consumer_format (self->consumer, &data, &size);

  if (r == -EAGAIN)
    return GST_FLOW_OK; /* a reserved slot: with its first frame */
  if (r < 0)
    {
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_READ, self->use.slot);
      return GST_FLOW_ERROR;
    }
  caps = gst_fc_src_parse_format (self, data, size);
  if (caps == NULL)
    return GST_FLOW_ERROR;

  self->need_format = FALSE;
  gst_fc_meta_reader_set_caps (&self->metas, caps);
  GST_OBJECT_LOCK (self);
  same = self->caps != NULL && gst_caps_is_strictly_equal (self->caps, caps);
  self->headers_due |= !same;
  gst_caps_replace (&self->caps, caps);
  GST_OBJECT_UNLOCK (self);
  gst_caps_unref (caps);
  if (!same && !gst_base_src_negotiate (GST_BASE_SRC (self)))
    return gst_fc_src_not_negotiated (self);
  gst_fc_src_begin_stream (self, !same);
  return GST_FLOW_OK;
}

/* Events --------------------------------------------------------------- */

static void
gst_fc_src_send_stream_start (GstFcSrc *self)
{
  GstPad *pad = GST_BASE_SRC_PAD (self);
  gchar *current;
  GstEvent *event;

  if (self->sticky.stream_id == NULL)
    return;
  current = gst_pad_get_stream_id (pad);
  if (g_strcmp0 (current, self->sticky.stream_id) != 0)
    {
      event = gst_event_new_stream_start (self->sticky.stream_id);
      gst_event_set_group_id (event, self->group_id);
      gst_event_set_stream_flags (event,
                                  (GstStreamFlags) self->sticky.stream_flags);
      gst_pad_push_event (pad, event);
      self->stream_begins = TRUE;
    }
  g_free (current);
}

/* The base class sends them between the segment and the next buffer. It is
 * asked directly: gst_element_send_event () takes the state lock, which whoever
 * stops this thread holds. */
static void
gst_fc_src_send_tags (GstFcSrc *self)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (self->tags_sent); i++)
    {
      GstTagList *tags = self->sticky.tags[i];

      if (tags == NULL
          || (self->tags_sent[i] != NULL
              && gst_tag_list_is_equal (tags, self->tags_sent[i])))
        continue;
      gst_tag_list_replace (&self->tags_sent[i], tags);
      GST_ELEMENT_GET_CLASS (self)->send_event (
          GST_ELEMENT (self), gst_event_new_tag (gst_tag_list_ref (tags)));
    }
}

static void
gst_fc_src_read_sticky (GstFcSrc *self)
{
  size_t size;
  guint32 read;
  int r;

  if (self->sticky_block == NULL)
    self->sticky_block = g_malloc (FC_STICKY_MAX);
  r = fc_consumer_sticky (self->consumer, self->sticky_block, FC_STICKY_MAX,
                          &size, &read);
  if (r < 0)
    {
      GST_DEBUG_OBJECT (self, "sticky block: %s", fc_error_detail ());
      return;
    }
  self->sticky_serial = read;
  if (read == 0
      || !gst_fc_sticky_parse (&self->sticky, self->sticky_block, size))
    return;
  gst_fc_src_send_stream_start (self);
  gst_fc_src_send_tags (self);
}

void
gst_fc_src_follow_sticky (GstFcSrc *self, guint32 serial)
{
  if (serial == 0 || (gint32) (serial - self->sticky_serial) <= 0)
    return;
  gst_fc_src_read_sticky (self);
  gst_fc_src_begin_stream (self, FALSE);
}

/* Attaching ------------------------------------------------------------ */

/* R is what fc_consumer_attach () said. */
static GstFlowReturn
gst_fc_src_attached (GstFcSrc *self, int r)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  gboolean first = self->generation == 0, begin = self->begin || r == 1;
  GstFlowReturn ret;

  fc_consumer_stats (self->consumer, &stats);
  self->ring_depth = stats.ring_depth;
  self->declared = stats.latency_ns;
  if (begin)
    gst_fc_src_go_to_start (self);
  self->need_key |= self->after_eos;
  GST_INFO_OBJECT (
      self, "attached to slot %s, generation %u%s%s, at %s", self->use.slot,
      stats.generation, stats.observing ? ", observing" : "",
      begin ? "" : ", going on", begin ? "the start" : "the cursor");
  if (!first)
    {
      GST_OBJECT_LOCK (self);
      self->counts.reconnects++;
      GST_OBJECT_UNLOCK (self);
    }
  if (!first && self->generation != stats.generation)
    gst_fc_notices_add (&self->notices, GST_FC_NOTICE_REPLACED, 1, 0);
  GST_OBJECT_LOCK (self);
  self->counts.observing = stats.observing != 0;
  GST_OBJECT_UNLOCK (self);

  self->generation = stats.generation;
  self->attached = TRUE;
  self->begin = self->reused = self->after_eos = FALSE;
  self->wait_until = 0;
  self->need_format = self->discont = self->first = TRUE;
  self->key_asked = FALSE; /* if that was asked of another ring */
  self->sticky_serial = 0;
  gst_fc_src_read_sticky (self);
  ret = gst_fc_src_negotiate (self);
  if (ret == GST_FLOW_OK)
    gst_fc_src_time_attached (self, begin);
  return ret;
}

/* Waits. Returns as fc_consumer_attach (), FC_INTERRUPTED also where the bus
 * has something. */
static int
gst_fc_src_look_for_slot (GstFcSrc *self)
{
  gint64 patience = gst_fc_src_patience (self);
  int r;

  gst_fc_src_ask_bus (self);
  if (self->use.attach == GST_FC_ATTACH_BUS)
    return gst_fc_src_wait_for_bus (self, patience);
  r = fc_consumer_attach (self->consumer, patience);
  if (r == -ENOENT && self->bus != NULL
      && gst_fc_src_wait_for_bus (self, 0) == FC_INTERRUPTED)
    return FC_INTERRUPTED;
  return r;
}

/* R is an error of looking for the slot. */
static GstFlowReturn
gst_fc_src_not_attached (GstFcSrc *self, int r)
{
  switch (r)
    {
    case FC_INTERRUPTED:
      return GST_FLOW_OK;
    case -ENOENT:
    case FC_TIMEOUT:
      return gst_fc_src_no_slot (self);
    case -ENOTSUP:
      return self->failure;
    default:
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_OPEN_READ,
                            self->use.slot);
      return GST_FLOW_ERROR;
    }
}

GstFlowReturn
gst_fc_src_attach (GstFcSrc *self)
{
  int r = gst_fc_src_attach_by_bus (self);
  GstFlowReturn ret = GST_FLOW_OK;

  if (r == -ENOENT)
    r = gst_fc_src_look_for_slot (self);
  if (r < 0)
    ret = gst_fc_src_not_attached (self, r);
  if (r != FC_INTERRUPTED)
    gst_fc_src_leave_bus (self);
  return r < 0 ? ret : gst_fc_src_attached (self, r);
}
