/* framecache: one shift for the history of a whole pipeline
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_HISTORY_H
#define GST_FC_HISTORY_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A GstContext of this type, never persistent, is how the fcsrc of a pipeline
 * find one another. */
#define GST_FC_HISTORY_CONTEXT "framecache.history-shift"

typedef struct _GstFcHistoryShared GstFcHistoryShared;

/* One source's part in it. The shift lasts as long as one source takes part:
 * going to READY forgets it. */
typedef struct
{
  GstFcHistoryShared *shared; /* NULL: takes no part */
  gboolean pending;           /* the others wait for what it wants */
  gboolean interrupted;
} GstFcHistory;

/* What the others of ELEMENT's pipeline share, or something new that they find
 * from now on. Posts messages: no locks. */
GstFcHistoryShared *gst_fc_history_find (GstElement *element);

/* Take part; SHARED is taken. PENDING where there is history to be read, so
 * that what this source wants will be known as soon as it runs. */
void gst_fc_history_join (GstFcHistory *self, GstFcHistoryShared *shared,
                          gboolean pending);
void gst_fc_history_leave (GstFcHistory *self);

/* The shift of all, where this source's history would have to be shifted by
 * WANTED: the largest that any wants, for nothing is then too old. Waits for
 * those that are about to tell, a moment at most; not while interrupted. */
GstClockTimeDiff gst_fc_history_agree (GstFcHistory *self,
                                       GstClockTimeDiff wanted);

/* Whoever asks from now on gets no shift. */
void gst_fc_history_end (GstFcHistory *self);

/* Any thread that knows of nobody who leaves meanwhile. */
void gst_fc_history_set_interrupted (GstFcHistory *self, gboolean interrupted);

G_END_DECLS

#endif /* GST_FC_HISTORY_H */
