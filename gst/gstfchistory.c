/* framecache: one shift for the history of a whole pipeline
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfchistory.h"

/* How long a source waits for the others that have history to read. They run
 * from the same moment on and tell with their first frame. */
#define PATIENCE (500 * G_TIME_SPAN_MILLISECOND)

#define FIELD "history"

struct _GstFcHistoryShared
{
  gint refs;
  GMutex lock;
  GCond cond;
  guint members;
  guint pending;
  gboolean agreed;
  GstClockTimeDiff shift; /* the largest that was wanted, until agreed */
};

static GstFcHistoryShared *
shared_ref (GstFcHistoryShared *shared)
{
  g_atomic_int_inc (&shared->refs);
  return shared;
}

static void
shared_unref (GstFcHistoryShared *shared)
{
  if (!g_atomic_int_dec_and_test (&shared->refs))
    return;
  g_cond_clear (&shared->cond);
  g_mutex_clear (&shared->lock);
  g_free (shared);
}

#define TYPE_SHARED (gst_fc_history_shared_get_type ())
GType gst_fc_history_shared_get_type (void);
G_DEFINE_BOXED_TYPE (GstFcHistoryShared, gst_fc_history_shared, shared_ref,
                     shared_unref)

/* Finding one another --------------------------------------------------- */

static GstFcHistoryShared *
get_from_context (GstElement *element)
{
  GstContext *context
      = gst_element_get_context (element, GST_FC_HISTORY_CONTEXT);
  GstFcHistoryShared *shared = NULL;

  if (context == NULL)
    return NULL;
  gst_structure_get (gst_context_get_structure (context), FIELD, TYPE_SHARED,
                     &shared, NULL);
  gst_context_unref (context);
  return shared;
}

static GstFcHistoryShared *
make_context (GstElement *element)
{
  GstFcHistoryShared *shared = g_new0 (GstFcHistoryShared, 1);
  GstContext *context = gst_context_new (GST_FC_HISTORY_CONTEXT, FALSE);

  shared->refs = 1;
  g_mutex_init (&shared->lock);
  g_cond_init (&shared->cond);
  gst_structure_set (gst_context_writable_structure (context), FIELD,
                     TYPE_SHARED, shared, NULL);
  gst_element_set_context (element, context);
  gst_element_post_message (
      element, gst_message_new_have_context (GST_OBJECT (element), context));
  return shared;
}

/* Nothing is asked of the pads' peers: no element but fcsrc has an answer, and
 * the bins around it know them all. */
GstFcHistoryShared *
gst_fc_history_find (GstElement *element)
{
  GstFcHistoryShared *shared = get_from_context (element);

  if (shared == NULL)
    {
      gst_element_post_message (
          element, gst_message_new_need_context (GST_OBJECT (element),
                                                 GST_FC_HISTORY_CONTEXT));
      shared = get_from_context (element);
    }
  return shared != NULL ? shared : make_context (element);
}

/* Agreeing --------------------------------------------------------------- */

void
gst_fc_history_join (GstFcHistory *self, GstFcHistoryShared *shared,
                     gboolean pending)
{
  g_mutex_lock (&shared->lock);
  if (shared->members++ == 0)
    {
      shared->agreed = FALSE;
      shared->shift = 0;
      shared->pending = 0;
    }
  self->pending = pending && !shared->agreed;
  if (self->pending)
    shared->pending++;
  g_mutex_unlock (&shared->lock);
  self->interrupted = FALSE;
  self->shared = shared;
}

/* With the lock. */
static void
told (GstFcHistory *self)
{
  if (self->pending && --self->shared->pending == 0)
    g_cond_broadcast (&self->shared->cond);
  self->pending = FALSE;
}

void
gst_fc_history_leave (GstFcHistory *self)
{
  GstFcHistoryShared *shared = self->shared;

  if (shared == NULL)
    return;
  g_mutex_lock (&shared->lock);
  told (self);
  shared->members--;
  g_mutex_unlock (&shared->lock);
  self->shared = NULL;
  shared_unref (shared);
}

GstClockTimeDiff
gst_fc_history_agree (GstFcHistory *self, GstClockTimeDiff wanted)
{
  GstFcHistoryShared *shared = self->shared;
  gint64 end = g_get_monotonic_time () + PATIENCE;
  GstClockTimeDiff shift;

  if (shared == NULL)
    return wanted;
  g_mutex_lock (&shared->lock);
  told (self);
  if (!shared->agreed)
    shared->shift = MAX (shared->shift, wanted);
  while (!shared->agreed && shared->pending > 0 && !self->interrupted
         && g_cond_wait_until (&shared->cond, &shared->lock, end))
    ;
  shared->agreed = TRUE;
  shift = shared->shift;
  g_cond_broadcast (&shared->cond);
  g_mutex_unlock (&shared->lock);
  return shift;
}

void
gst_fc_history_end (GstFcHistory *self)
{
  GstFcHistoryShared *shared = self->shared;

  if (shared == NULL)
    return;
  g_mutex_lock (&shared->lock);
  told (self);
  shared->agreed = TRUE;
  shared->shift = 0;
  g_cond_broadcast (&shared->cond);
  g_mutex_unlock (&shared->lock);
}

void
gst_fc_history_set_interrupted (GstFcHistory *self, gboolean interrupted)
{
  GstFcHistoryShared *shared = self->shared;

  if (shared == NULL)
    return;
  g_mutex_lock (&shared->lock);
  self->interrupted = interrupted;
  g_cond_broadcast (&shared->cond);
  g_mutex_unlock (&shared->lock);
}
