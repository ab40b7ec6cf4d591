/* framecache: the slot that an fcsink writes, as its pools share it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SLOT_H
#define GST_FC_SLOT_H

#include <gst/gst.h>

#include "fc.h"

G_BEGIN_DECLS

/* A pool is activated, used and kept by whoever is upstream, on any thread and
 * also after fcsink has stopped. What both need is here, under locks of its
 * own: neither ever takes the other's. */
typedef struct _GstFcSlot GstFcSlot;

GstFcSlot *gst_fc_slot_new (void);
GstFcSlot *gst_fc_slot_ref (GstFcSlot *self);
void gst_fc_slot_unref (GstFcSlot *self);

/* Frames of CAPS are to come, into the slot NAME. OPTIONS are what the
 * properties ask for (its dir is copied), HISTORY in ns goes before its
 * ring_depth. Nothing is made yet. FALSE where that is what there is. */
gboolean gst_fc_slot_set_caps (GstFcSlot *self, GstCaps *caps,
                               const gchar *name,
                               const fc_writer_options_t *options,
                               guint64 history);

/* Have a ring ready, unseen, with cells for frames of CAPS of SIZE bytes of
 * which CELLS are upstream at once: the one that is there, if that will do.
 * FALSE where there can not be one; frames are copied then. Any thread. */
gboolean gst_fc_slot_prepare (GstFcSlot *self, const GstCaps *caps, gsize size,
                              guint cells);

/* A cell of it to fill. *WRITER is whom it has to be given back to. FALSE where
 * none is free. Any thread. */
gboolean gst_fc_slot_acquire (GstFcSlot *self, fc_writer_t **writer,
                              fc_frame_t *frame);

/* Whether it is known what frames are to come. The streaming thread. */
gboolean gst_fc_slot_has_caps (const GstFcSlot *self);

/* Whether a ring is shown that has room for a frame of SIZE bytes. The
 * streaming thread. */
gboolean gst_fc_slot_has_room (const GstFcSlot *self, gsize size);

/* Show one that has, and that says what STICKY does. Returns libfc's error. */
int gst_fc_slot_show (GstFcSlot *self, gsize size, const GString *sticky);

/* What fcsink writes to; NULL before the first gst_fc_slot_show (). The
 * streaming thread, which alone ends it. */
fc_writer_t *gst_fc_slot_get_writer (GstFcSlot *self);

/* For those who look on from other threads. FALSE where there is no writer. */
gboolean gst_fc_slot_get_stats (GstFcSlot *self, fc_writer_stats_t *stats);
void gst_fc_slot_set_latency (GstFcSlot *self, GstClockTime latency);
/* How many consumers are attached. */
guint gst_fc_slot_count_consumers (GstFcSlot *self);
/* Each of them; FUNC as for fc_slot_consumers (). */
void gst_fc_slot_foreach_consumer (GstFcSlot *self, fc_consumer_func_t func,
                                   gpointer user_data);

/* The end of the writer, and of all that was set. */
void gst_fc_slot_close (GstFcSlot *self);

G_END_DECLS

#endif /* GST_FC_SLOT_H */
