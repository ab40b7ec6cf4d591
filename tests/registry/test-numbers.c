/* framecache: percentiles and columns that fcctl shows are right
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "columns.h"
#include "fcctl.h"
#include "histogram.h"

/* Every value is in a bucket that ends at most 1/32 above it. */
static void
test_each_value_has_its_bucket (void)
{
  for (guint shift = 0; shift < 64; shift++)
    for (gint near = -2; near <= 2; near++)
      {
        g_autofree FcctlHistogram *histogram = g_new0 (FcctlHistogram, 1);
        guint64 value = (G_GUINT64_CONSTANT (1) << shift) + (guint64) near;
        guint64 found;

        fcctl_histogram_add (histogram, value);
        fcctl_histogram_add (histogram, G_MAXUINT64);
        found = fcctl_histogram_percentile (histogram, 50);
        g_assert_cmpuint (found, >=, value);
        g_assert_cmpuint (found - value, <=, value / 32);
      }
}

static void
test_percentiles (void)
{
  g_autofree FcctlHistogram *histogram = g_new0 (FcctlHistogram, 1);

  g_assert_cmpuint (fcctl_histogram_percentile (histogram, 50), ==, 0);
  for (guint64 i = 1; i <= 100; i++)
    fcctl_histogram_add (histogram, i * 1000);
  for (guint per_cent = 1; per_cent < 100; per_cent++)
    {
      guint64 found = fcctl_histogram_percentile (histogram, per_cent);

      g_assert_cmpuint (found, >=, per_cent * 1000);
      g_assert_cmpuint (found, <=, per_cent * 1032);
    }
  g_assert_cmpuint (fcctl_histogram_percentile (histogram, 0), >=, 1000);
  g_assert_cmpuint (fcctl_histogram_percentile (histogram, 100), ==, 100000);
}

static void
test_merging_is_adding (void)
{
  g_autofree FcctlHistogram *all = g_new0 (FcctlHistogram, 1);
  g_autofree FcctlHistogram *sum = g_new0 (FcctlHistogram, 1);

  for (guint part = 0; part < 3; part++)
    {
      g_autofree FcctlHistogram *one = g_new0 (FcctlHistogram, 1);

      for (guint i = 0; i < part * 10; i++)
        {
          fcctl_histogram_add (one, 7000 * i + part);
          fcctl_histogram_add (all, 7000 * i + part);
        }
      fcctl_histogram_merge (sum, one);
    }
  g_assert_cmpmem (all, sizeof *all, sum, sizeof *sum);
}

static void
check_text (guint64 least, guint64 most, const gchar *expected,
            const gchar *expected_whole)
{
  g_autofree FcctlHistogram *histogram = g_new0 (FcctlHistogram, 1);
  g_autofree gchar *text = NULL;
  g_autofree gchar *whole = NULL;

  fcctl_histogram_add (histogram, least);
  fcctl_histogram_add (histogram, most);
  text = fcctl_histogram_text (histogram, FALSE);
  whole = fcctl_histogram_text (histogram, TRUE);
  g_assert_cmpstr (text, ==, expected);
  g_assert_cmpstr (whole, ==, expected_whole);
}

static void
test_text_is_of_one_unit (void)
{
  g_autofree FcctlHistogram *none = g_new0 (FcctlHistogram, 1);
  g_autofree gchar *text = fcctl_histogram_text (none, TRUE);

  g_assert_cmpstr (text, ==, "-");
  check_text (0, 0, "0/0 us", "0/0/0/0 us");
  check_text (31000, 92000, "31/92 us", "31/31/92/92 us");
  check_text (31000, 99999000, "31/99999 us", "31/31/99999/99999 us");
  check_text (2000000, 250000000, "2.0/250 ms", "2.0/2.0/250/250 ms");
  check_text (2000000000, 250000000000, "2.0/250 s", "2.0/2.0/250/250 s");
}

/* Columns ------------------------------------------------------------------ */

static const FcctlColumn columns[] = {
  { "NAME", 6, 8, 0 },
  { ">RATE", 4, 0, 1 },
  { "REST", 4, 0, 2 },
  { NULL, 0, 0, 0 },
};

static const gchar *const row[] = { "camera-one", "59.94/s", "xyz", NULL };

static void
check_line (const gchar *const *cells, guint width, const gchar *expected)
{
  FcctlColumn grown[G_N_ELEMENTS (columns)];
  g_autofree gchar *line = NULL;

  memcpy (grown, columns, sizeof grown);
  fcctl_columns_measure (grown, row);
  line = fcctl_columns_line (grown, cells, width);
  g_assert_cmpstr (line, ==, expected);
}

static void
test_the_least_columns_go_first (void)
{
  check_line (NULL, 0, "NAME         RATE  REST");
  check_line (NULL, 23, "NAME         RATE  REST");
  check_line (NULL, 22, "NAME         RATE");
  check_line (NULL, 17, "NAME         RATE");
  check_line (NULL, 16, "NAME");
  check_line (NULL, 8, "NAME");
}

static void
test_what_is_too_wide_is_cut (void)
{
  gboolean utf8 = g_get_charset (NULL);

  check_line (row, 0,
              utf8 ? "camera-…  59.94/s  xyz" : "camera->  59.94/s  xyz");
  check_line (row, 3, utf8 ? "ca…" : "ca>");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/histogram/each-value-has-its-bucket",
                   test_each_value_has_its_bucket);
  g_test_add_func ("/histogram/percentiles", test_percentiles);
  g_test_add_func ("/histogram/merging-is-adding", test_merging_is_adding);
  g_test_add_func ("/histogram/text-is-of-one-unit", test_text_is_of_one_unit);
  g_test_add_func ("/columns/the-least-go-first",
                   test_the_least_columns_go_first);
  g_test_add_func ("/columns/what-is-too-wide-is-cut",
                   test_what_is_too_wide_is_cut);
  return g_test_run ();
}
