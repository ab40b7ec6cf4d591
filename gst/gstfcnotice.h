/* framecache: what fcsrc tells the application, not too often
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_NOTICE_H
#define GST_FC_NOTICE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* At most ten messages a second of each kind. What comes in between is summed
 * up, and told by the next one. */
typedef enum
{
  GST_FC_NOTICE_DROPPED,
  GST_FC_NOTICE_REPLACED,
  GST_FC_NOTICE_WRITER_LOST,
  GST_FC_NOTICE_WRITER_BACK,
  GST_FC_N_NOTICES
} GstFcNoticeKind;

typedef struct
{
  guint64 last;    /* when told, ns of CLOCK_MONOTONIC */
  guint64 pending; /* frames, or times, not told yet */
  guint64 first;   /* the first of these, by its seq */
} GstFcNotice;

typedef struct
{
  guint64 total; /* frames dropped so far */
  guint64 delivered;
  GstFcNotice kind[GST_FC_N_NOTICES];
} GstFcNotices;

void gst_fc_notices_reset (GstFcNotices *self);

/* COUNT frames (times, for the other kinds) from FIRST on. */
void gst_fc_notices_add (GstFcNotices *self, GstFcNoticeKind kind,
                         guint64 count, guint64 first);

/* Post what is due; everything, where ALL. */
void gst_fc_notices_post (GstFcNotices *self, GstElement *element,
                          const gchar *slot, gboolean all);

/* In how many ns the next one is due, or -1. */
gint64 gst_fc_notices_due (const GstFcNotices *self);

G_END_DECLS

#endif /* GST_FC_NOTICE_H */
