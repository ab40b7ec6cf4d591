/* framecache: fcsink, its inside
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SINK_PRIVATE_H
#define GST_FC_SINK_PRIVATE_H

#include "gstfcclock.h"
#include "gstfccommon.h"
#include "gstfcsink.h"
#include "gstfcsinkcopy.h"
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
  guint64 copied;

  /* Guards the pointer and the two names against those who look at the
   * statistics; only the streaming thread, and a stopped element, change
   * them. */
  GMutex ring_lock;
  fc_writer_t *writer;
  gchar *open_slot;
  gchar *open_directory;

  /* the streaming thread's */
  gchar *format;
  GstFcCopy copy;
  guint64 capacity;
  GstFcSticky sticky;
  gboolean sticky_changed;
  gboolean upstream_live;
  gboolean warned_drop;
  gboolean warned_capture;
  gboolean warned_tags;

  GstFcClock clock;
  gint ask_upstream; /* atomic: whether it is live is to be asked again */
  gint consumers;    /* atomic */
  GstClockID ticker;
};

/* What the properties ask for. *SLOT and OPTIONS->dir are copies, the
 * caller's to free. */
void gst_fc_sink_get_options (GstFcSink *self, fc_writer_options_t *options,
                              gchar **slot);

/* The virtual functions that the streaming thread calls. */
void gst_fc_sink_stream_class_init (GstBaseSinkClass *klass);

/* gstfcsinktime.c */

/* Whether frames go out as they come. */
gboolean gst_fc_sink_is_free_running (GstFcSink *self);

/* The running and capture times of a frame that has its pts and dts. */
void gst_fc_sink_set_times (GstFcSink *self, fc_info_t *info);

void gst_fc_sink_time_class_init (GstBaseSinkClass *klass);

G_END_DECLS

#endif /* GST_FC_SINK_PRIVATE_H */
