/* framecache: how delays are distributed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_HISTOGRAM_H
#define GST_FC_HISTOGRAM_H

#include <glib.h>

G_BEGIN_DECLS

/* Sixteen buckets to each doubling: a value is known to within 1/16. */
#define GST_FC_HISTOGRAM_BUCKETS (61 * 16)

typedef struct
{
  guint64 count;
  guint64 sum;
  guint64 min;
  guint64 max;
  guint64 buckets[GST_FC_HISTOGRAM_BUCKETS];
} GstFcHistogram;

void gst_fc_histogram_reset (GstFcHistogram *self);
void gst_fc_histogram_add (GstFcHistogram *self, guint64 value);

/* The value below which PER_CENT of all lie, rounded up to its bucket's end;
 * 0 where there is none. */
guint64 gst_fc_histogram_percentile (const GstFcHistogram *self,
                                     guint per_cent);
guint64 gst_fc_histogram_mean (const GstFcHistogram *self);

G_END_DECLS

#endif /* GST_FC_HISTOGRAM_H */
