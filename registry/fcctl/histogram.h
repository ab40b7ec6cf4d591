/* framecache: how delays are distributed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_HISTOGRAM_H
#define FCCTL_HISTOGRAM_H

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Counts of values in buckets that are at most 1/32 of their value wide: as
 * large after a day as after a second, and exact to 3 %. All zero is empty. */
#define FCCTL_HISTOGRAM_BUCKETS (60 * 32)

typedef struct
{
  guint64 count;
  guint64 min, max; /* exact */
  guint64 bucket[FCCTL_HISTOGRAM_BUCKETS];
} FcctlHistogram;

void fcctl_histogram_add (FcctlHistogram *histogram, guint64 value);
void fcctl_histogram_merge (FcctlHistogram *into, const FcctlHistogram *from);
/* The value below or at which PER_CENT of all are; 0 where there are none. */
guint64 fcctl_histogram_percentile (const FcctlHistogram *histogram,
                                    guint per_cent);
/* Of nanoseconds, for people: "31/92 us", half of them and 99 of 100, or with
 * WHOLE "29/31/92/140 us", from the least to the most; "-" where there are
 * none. The caller's. */
gchar *fcctl_histogram_text (const FcctlHistogram *histogram, gboolean whole);
/* The same as a member NAME: an object of min, p50, p99 and max, or null. */
void fcctl_histogram_json (const FcctlHistogram *histogram,
                           JsonBuilder *builder, const gchar *name);

G_END_DECLS

#endif /* FCCTL_HISTOGRAM_H */
