/* The GStreamer bench's figures: a table for people, or JSON for programs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-gst.h"

#define MAX_ROWS 8
#define MAX_FIELDS 20

typedef struct
{
  const char *measure, *what;
  unsigned count;
  const char *key[MAX_FIELDS];
  double value[MAX_FIELDS];
} row_t;

static row_t rows[MAX_ROWS];
static unsigned row_count;

void
row_begin (const char *measure, const char *what)
{
  g_assert (row_count < MAX_ROWS);
  rows[row_count++] = (row_t){ .measure = measure, .what = what };
}

/* A key stays the caller's, and ends with its unit. */
void
row_add (const char *key, double value)
{
  row_t *row = &rows[row_count - 1];

  g_assert (row->count < MAX_FIELDS);
  row->key[row->count] = key;
  row->value[row->count++] = value;
}

static void
print_json (const row_t *row)
{
  g_autofree char *system = g_get_os_info (G_OS_INFO_KEY_NAME);
  g_autofree char *version = g_get_os_info (G_OS_INFO_KEY_VERSION_ID);
  g_auto (GStrv) words = g_strsplit (system ? system : "", " ", 2);

  printf ("{\"measure\": \"%s\", \"what\": \"%s\", \"system\": \"%s %s\"",
          row->measure, row->what, words[0] ? words[0] : "",
          version ? version : "");
  for (unsigned i = 0; i < row->count; i++)
    if (strcmp (row->key[i], "stalled") == 0)
      printf (", \"stalled\": true");
    else
      printf (", \"%s\": %.15g", row->key[i], row->value[i]);
  printf ("}\n");
}

/* Beside a figure, its ratio to the first row's, which is the floor. */
static void
print_table (const row_t *row)
{
  printf ("%s, %s:\n", row->measure, row->what);
  for (unsigned i = 0; i < row->count; i++)
    {
      bool same = row != rows && i < rows[0].count
                  && strcmp (row->key[i], rows[0].key[i]) == 0;

      if (g_str_has_suffix (row->key[i], "_ns") || !strcmp (row->key[i], "ns"))
        printf ("  %-20s %14.3f us", row->key[i], row->value[i] / 1e3);
      else
        printf ("  %-20s %14.6g   ", row->key[i], row->value[i]);
      if (same && rows[0].value[i] > 0 && strchr (row->key[i], '_'))
        printf ("   %.2f of the %s's", row->value[i] / rows[0].value[i],
                rows[0].what);
      printf ("\n");
    }
}

void
print_rows (void)
{
  for (unsigned i = 0; i < row_count; i++)
    if (options.json)
      print_json (&rows[i]);
    else
      print_table (&rows[i]);
  fflush (stdout);
}
