/* framecache: a consumer that outlives the memory it leased
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcattachment.h"

struct _GstFcAttachment
{
  gatomicrefcount refs;
  gchar *slot;
  gchar *dir;
  fc_position_t position;
  fc_on_lap_t on_lap;
  guint64 spin_ns;

  GMutex lock;
  GCond released;
  fc_consumer_t *consumer; /* NULL once parked without a lease */
  guint leases;
  guint64 releases; /* so far */
  gboolean parked;
  gboolean interrupted;
};

typedef struct
{
  GstFcAttachment *attachment;
  fc_frame_t frame;
} GstFcLease;

GstFcAttachment *
gst_fc_attachment_new (const gchar *slot, const fc_consumer_options_t *options,
                       int *err)
{
  GstFcAttachment *self;
  fc_consumer_t *consumer;

  *err = fc_consumer_open (&consumer, slot, options);
  if (*err < 0)
    return NULL;
  self = g_new0 (GstFcAttachment, 1);
  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  g_cond_init (&self->released);
  self->consumer = consumer;
  self->slot = g_strdup (slot);
  self->dir = g_strdup (options->dir);
  self->position = options->position;
  self->on_lap = options->on_lap;
  self->spin_ns = options->spin_ns;
  return self;
}

void
gst_fc_attachment_unref (GstFcAttachment *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  fc_consumer_close (self->consumer);
  g_cond_clear (&self->released);
  g_mutex_clear (&self->lock);
  g_free (self->slot);
  g_free (self->dir);
  g_free (self);
}

fc_consumer_t *
gst_fc_attachment_get_consumer (GstFcAttachment *self)
{
  return self->consumer;
}

/* Any thread: the last unref of a leased memory. */
static void
gst_fc_lease_end (gpointer data)
{
  GstFcLease *lease = data;
  GstFcAttachment *self = lease->attachment;
  fc_consumer_t *done = NULL;

  g_mutex_lock (&self->lock);
  fc_consumer_release (self->consumer, &lease->frame);
  self->releases++;
  if (--self->leases == 0 && self->parked)
    done = g_steal_pointer (&self->consumer);
  g_cond_broadcast (&self->released);
  g_mutex_unlock (&self->lock);

  fc_consumer_close (done);
  gst_fc_attachment_unref (self);
  g_free (lease);
}

GstMemory *
gst_fc_attachment_wrap (GstFcAttachment *self, const fc_frame_t *frame)
{
  GstFcLease *lease = g_new (GstFcLease, 1);

  lease->attachment = self;
  lease->frame = *frame;
  g_atomic_ref_count_inc (&self->refs);
  g_mutex_lock (&self->lock);
  self->leases++;
  g_mutex_unlock (&self->lock);
  return gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY, frame->data,
                                 frame->size, 0, frame->size, lease,
                                 gst_fc_lease_end);
}

void
gst_fc_attachment_park (GstFcAttachment *self)
{
  fc_consumer_t *done = NULL;

  g_mutex_lock (&self->lock);
  self->parked = TRUE;
  if (self->leases == 0)
    done = g_steal_pointer (&self->consumer);
  g_mutex_unlock (&self->lock);
  fc_consumer_close (done);
}

gboolean
gst_fc_attachment_unpark (GstFcAttachment *self, const gchar *slot,
                          const fc_consumer_options_t *options)
{
  gboolean fits = g_strcmp0 (slot, self->slot) == 0
                  && g_strcmp0 (options->dir, self->dir) == 0
                  && options->position.start == self->position.start
                  && options->position.value == self->position.value
                  && options->on_lap == self->on_lap
                  && options->spin_ns == self->spin_ns;

  g_mutex_lock (&self->lock);
  fits = fits && self->consumer != NULL;
  if (fits)
    self->parked = FALSE;
  g_mutex_unlock (&self->lock);
  return fits;
}

void
gst_fc_attachment_set_interrupted (GstFcAttachment *self, gboolean interrupted)
{
  g_mutex_lock (&self->lock);
  self->interrupted = interrupted;
  if (self->consumer != NULL)
    {
      if (interrupted)
        fc_consumer_interrupt (self->consumer);
      else
        fc_consumer_resume (self->consumer);
    }
  g_cond_broadcast (&self->released);
  g_mutex_unlock (&self->lock);
}

gboolean
gst_fc_attachment_wait_release (GstFcAttachment *self, GstClockTime timeout)
{
  gint64 end = g_get_monotonic_time () + (gint64) (timeout / 1000);
  guint64 before;
  gboolean released;

  g_mutex_lock (&self->lock);
  before = self->releases;
  while (self->releases == before && !self->interrupted)
    if (!g_cond_wait_until (&self->released, &self->lock, end))
      break;
  released = self->releases != before;
  g_mutex_unlock (&self->lock);
  return released;
}
