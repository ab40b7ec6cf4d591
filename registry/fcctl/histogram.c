/* framecache: how delays are distributed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "histogram.h"
#include "fcctl.h"

/* Values below 64 have a bucket each. Above, the five bits that follow the
 * highest one choose among 32. */
static guint
bucket_of (guint64 value)
{
  guint shift = 0;

  if (value >= 64)
    shift = 58 - (guint) __builtin_clzll (value);
  return shift * 32 + (guint) (value >> shift);
}

/* The largest value of BUCKET. */
static guint64
bucket_last (guint bucket)
{
  guint shift = bucket < 64 ? 0 : bucket / 32 - 1;

  return ((guint64) (bucket - shift * 32) << shift)
         + ((G_GUINT64_CONSTANT (1) << shift) - 1);
}

void
fcctl_histogram_add (FcctlHistogram *histogram, guint64 value)
{
  if (histogram->count == 0 || value < histogram->min)
    histogram->min = value;
  histogram->max = MAX (histogram->max, value);
  histogram->count++;
  histogram->bucket[bucket_of (value)]++;
}

void
fcctl_histogram_merge (FcctlHistogram *into, const FcctlHistogram *from)
{
  if (from->count == 0)
    return;
  into->min = into->count == 0 ? from->min : MIN (into->min, from->min);
  into->max = MAX (into->max, from->max);
  into->count += from->count;
  for (guint i = 0; i < FCCTL_HISTOGRAM_BUCKETS; i++)
    into->bucket[i] += from->bucket[i];
}

guint64
fcctl_histogram_percentile (const FcctlHistogram *histogram, guint per_cent)
{
  guint64 rank = MAX ((histogram->count * per_cent + 99) / 100, 1);
  guint64 seen = 0;

  if (histogram->count == 0)
    return 0;
  for (guint i = 0; i < FCCTL_HISTOGRAM_BUCKETS; i++)
    {
      seen += histogram->bucket[i];
      if (seen >= rank)
        return CLAMP (bucket_last (i), histogram->min, histogram->max);
    }
  return histogram->max;
}

/* Appends VALUE in UNITs: small ones keep a digit where the unit is a large
 * one. */
static void
append_value (GString *text, guint64 value, gdouble unit)
{
  gdouble number = (gdouble) value / unit;

  g_string_append_printf (text, "%s%.*f", text->len > 0 ? "/" : "",
                          unit > 1e3 && number < 9.95 ? 1 : 0, number);
}

gchar *
fcctl_histogram_text (const FcctlHistogram *histogram, gboolean whole)
{
  guint64 p99 = fcctl_histogram_percentile (histogram, 99);
  /* Five digits at most, and of one unit, so that they compare. */
  gdouble unit = p99 < 99999500 ? 1e3 : p99 < 99999500000 ? 1e6 : 1e9;
  GString *text;

  if (histogram->count == 0)
    return g_strdup ("-");
  text = g_string_new (NULL);
  if (whole)
    append_value (text, histogram->min, unit);
  append_value (text, fcctl_histogram_percentile (histogram, 50), unit);
  append_value (text, p99, unit);
  if (whole)
    append_value (text, histogram->max, unit);
  g_string_append (text, unit == 1e3 ? " us" : unit == 1e6 ? " ms" : " s");
  return g_string_free (text, FALSE);
}

void
fcctl_histogram_json (const FcctlHistogram *histogram, JsonBuilder *builder,
                      const gchar *name)
{
  json_builder_set_member_name (builder, name);
  if (histogram->count == 0)
    {
      json_builder_add_null_value (builder);
      return;
    }
  json_builder_begin_object (builder);
  fcctl_json_uint (builder, "min", histogram->min);
  fcctl_json_uint (builder, "p50", fcctl_histogram_percentile (histogram, 50));
  fcctl_json_uint (builder, "p99", fcctl_histogram_percentile (histogram, 99));
  fcctl_json_uint (builder, "max", histogram->max);
  json_builder_end_object (builder);
}
