/* framecache: fcsink, its inside
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SINK_PRIVATE_H
#define GST_FC_SINK_PRIVATE_H

#include "gstfcclock.h"
#include "gstfccommon.h"
#include "gstfcmeta.h"
#include "gstfcsink.h"
#include "gstfcsinkcopy.h"
#include "gstfcsinkkey.h"
#include "gstfcslot.h"
#include "gstfcsticky.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_fc_sink_debug);

struct _GstFcSink
{
  GstBaseSink parent;

  /* under the object lock */
  gchar *slot;
  gchar *directory;
  guint ring_depth;
  guint64 history;
  guint frame_size;
  guint max_consumers;
  guint max_leases;
  fc_share_t access;
  fc_share_t trust;
  gboolean sync_is_set;
  guint64 copied;    /* frames */
  guint64 zero_copy; /* frames */

  /* the streaming thread's, but for the slot, which has its own locks */
  GstFcSlot *ring;
  GstFcCopy copy;
  GstFcSinkKey key;
  GstFcMetaWriter metas;
  GstFcSticky sticky;
  gboolean sticky_changed;
  gboolean upstream_live;
  gboolean warned_drop;
  gboolean warned_capture;
  gboolean warned_tags;

  GstFcClock clock;
  gint ask_upstream; /* atomic: whether it is live is to be asked again */
  gint consumers;    /* atomic: as last told */
};

/* Tell where their number has changed. */
void gst_fc_sink_look_at_consumers (GstFcSink *self);

GstStructure *gst_fc_sink_stats_new (GstFcSink *self);

/* gstfcsinkcaps.c */

/* What the properties ask for. *SLOT and OPTIONS->dir are copies, the
 * caller's to free. */
void gst_fc_sink_get_options (GstFcSink *self, fc_writer_options_t *options,
                              gchar **slot);

void gst_fc_sink_caps_class_init (GstBaseSinkClass *klass);

/* gstfcsinkstream.c */

void gst_fc_sink_stream_class_init (GstBaseSinkClass *klass);

/* gstfcsinktime.c */

/* Whether frames go out as they come. */
gboolean gst_fc_sink_is_free_running (GstFcSink *self);

/* The running and capture times of a frame that has its pts and dts. */
void gst_fc_sink_set_times (GstFcSink *self, fc_info_t *info);

void gst_fc_sink_time_class_init (GstBaseSinkClass *klass);

G_END_DECLS

#endif /* GST_FC_SINK_PRIVATE_H */
