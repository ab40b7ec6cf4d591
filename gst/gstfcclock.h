/* framecache: from a pipeline's clock to CLOCK_MONOTONIC and back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_CLOCK_H
#define GST_FC_CLOCK_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_FC_CLOCK_WINDOW 32

/* The system's clock in its monotonic mode is CLOCK_MONOTONIC itself, and the
 * mapping is exact. Any other clock is observed beside it, and a line is laid
 * through the last observations: its offset and its drift. */
typedef struct
{
  GMutex lock;
  GstClock *clock;
  gboolean exact;
  guint n;                             /* observations in the window */
  guint next;                          /* where the next one goes */
  guint64 observed;                    /* when the last was made, ns */
  GstClockTime x[GST_FC_CLOCK_WINDOW]; /* CLOCK_MONOTONIC */
  GstClockTime y[GST_FC_CLOCK_WINDOW]; /* the clock */
  GstClockTime internal, external;     /* y = (x - internal) */
  GstClockTime rate_num, rate_denom;   /*     * rate + external */
} GstFcClock;

void gst_fc_clock_init (GstFcClock *self);
void gst_fc_clock_clear (GstFcClock *self);

/* Map to CLOCK, which may be NULL, from here on; begins anew. */
void gst_fc_clock_set (GstFcClock *self, GstClock *clock);

/* Observe, unless that was done a moment before NOW. FALSE where there is no
 * clock or it does not tell the time. */
gboolean gst_fc_clock_observe (GstFcClock *self, GstClockTime now);

/* After gst_fc_clock_observe () said TRUE. */
GstClockTime gst_fc_clock_to_monotonic (GstFcClock *self, GstClockTime time);
GstClockTime gst_fc_clock_from_monotonic (GstFcClock *self,
                                          GstClockTime monotonic);

G_END_DECLS

#endif /* GST_FC_CLOCK_H */
