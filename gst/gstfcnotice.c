/* framecache: what fcsrc tells the application, not too often
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfccommon.h"
#include "gstfcnotice.h"

#define EVERY (100 * GST_MSECOND)

static const gchar *const names[GST_FC_N_NOTICES] = {
  [GST_FC_NOTICE_DROPPED] = "fc-dropped",
  [GST_FC_NOTICE_REPLACED] = "fc-replaced",
  [GST_FC_NOTICE_WRITER_LOST] = "fc-writer-lost",
  [GST_FC_NOTICE_WRITER_BACK] = "fc-writer-back",
};

void
gst_fc_notices_reset (GstFcNotices *self)
{
  memset (self, 0, sizeof (*self));
}

void
gst_fc_notices_add (GstFcNotices *self, GstFcNoticeKind kind, guint64 count,
                    guint64 first)
{
  GstFcNotice *notice = &self->kind[kind];

  if (kind == GST_FC_NOTICE_DROPPED)
    self->total += count;
  if (notice->pending == 0)
    notice->first = first;
  notice->pending += count;
}

static void
post_qos (GstFcNotices *self, GstElement *element)
{
  GstMessage *message = gst_message_new_qos (
      GST_OBJECT (element), TRUE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE,
      GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);

  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, self->delivered,
                             self->total);
  gst_element_post_message (element, message);
}

static void
post (GstFcNotices *self, GstElement *element, const gchar *slot,
      GstFcNoticeKind kind)
{
  const GstFcNotice *notice = &self->kind[kind];
  GstStructure *s
      = gst_structure_new (names[kind], "slot", G_TYPE_STRING, slot, NULL);

  if (kind == GST_FC_NOTICE_DROPPED)
    gst_structure_set (s, "dropped", G_TYPE_UINT64, notice->pending, "total",
                       G_TYPE_UINT64, self->total, "first-seq", G_TYPE_UINT64,
                       notice->first, NULL);
  else
    gst_structure_set (s, "times", G_TYPE_UINT64, notice->pending, NULL);
  gst_element_post_message (element,
                            gst_message_new_element (GST_OBJECT (element), s));
  if (kind == GST_FC_NOTICE_DROPPED)
    post_qos (self, element);
}

/* Of most frames there is nothing to tell, and the time is not needed. */
static gboolean
has_pending (const GstFcNotices *self)
{
  guint i;

  for (i = 0; i < GST_FC_N_NOTICES; i++)
    if (self->kind[i].pending > 0)
      return TRUE;
  return FALSE;
}

void
gst_fc_notices_post (GstFcNotices *self, GstElement *element, const gchar *slot,
                     gboolean all)
{
  guint64 now;
  guint i;

  if (!has_pending (self))
    return;
  now = gst_fc_monotonic ();
  for (i = 0; i < GST_FC_N_NOTICES; i++)
    {
      GstFcNotice *notice = &self->kind[i];

      if (notice->pending == 0 || (!all && now - notice->last < EVERY))
        continue;
      post (self, element, slot, (GstFcNoticeKind) i);
      notice->pending = 0;
      notice->last = now;
    }
}

gint64
gst_fc_notices_due (const GstFcNotices *self)
{
  gint64 due = -1;
  guint64 now;
  guint i;

  if (!has_pending (self))
    return due;
  now = gst_fc_monotonic ();
  for (i = 0; i < GST_FC_N_NOTICES; i++)
    {
      const GstFcNotice *notice = &self->kind[i];
      gint64 left = (gint64) (notice->last + EVERY) - (gint64) now;

      if (notice->pending > 0)
        due = due < 0 ? MAX (left, 0) : MIN (due, MAX (left, 0));
    }
  return due;
}
