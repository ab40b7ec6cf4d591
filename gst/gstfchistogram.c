/* framecache: how delays are distributed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfchistogram.h"

/* Values up to 15 have a bucket each; from there on the four bits below the
 * highest one choose among sixteen. */
static guint
bucket_of (guint64 value)
{
  guint shift;

  if (value < 16)
    return (guint) value;
  shift = 63 - (guint) __builtin_clzll (value) - 4;
  return (shift + 1) * 16 + (guint) ((value >> shift) & 15);
}

static guint64
bucket_end (guint bucket)
{
  guint shift;

  if (bucket < 16)
    return bucket;
  shift = bucket / 16 - 1;
  return ((((guint64) (16 + bucket % 16)) << shift) - 1)
         + (G_GUINT64_CONSTANT (1) << shift);
}

void
gst_fc_histogram_reset (GstFcHistogram *self)
{
  memset (self, 0, sizeof (*self));
}

void
gst_fc_histogram_add (GstFcHistogram *self, guint64 value)
{
  self->min = self->count == 0 ? value : MIN (self->min, value);
  self->max = MAX (self->max, value);
  self->count++;
  self->sum += value;
  self->buckets[bucket_of (value)]++;
}

guint64
gst_fc_histogram_percentile (const GstFcHistogram *self, guint per_cent)
{
  guint64 rank = (self->count * per_cent + 99) / 100;
  guint64 seen = 0;
  guint i;

  if (self->count == 0)
    return 0;
  for (i = 0; i < GST_FC_HISTOGRAM_BUCKETS; i++)
    {
      seen += self->buckets[i];
      if (seen >= rank)
        return MIN (bucket_end (i), self->max);
    }
  return self->max;
}

guint64
gst_fc_histogram_mean (const GstFcHistogram *self)
{
  return self->count > 0 ? self->sum / self->count : 0;
}
