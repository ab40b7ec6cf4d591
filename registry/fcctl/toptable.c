/* framecache: what fcctl top has to show
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/statvfs.h>

#include "toptable.h"

/* Frames that a consumer is behind, of the ring's depth, from which on it is
 * about to lose some: a part of 4. */
#define LAG_WARNING 3

enum
{
  NAME,
  STATE,
  RATE,
  BIT_RATE,
  LAG,
  LAG_TIME,
  DROPS,
  LATENCY,   /* from a frame's capture to its commit */
  HAND_OVER, /* from there to here */
  CONSUMERS,
  MEMORY,
  FORMAT,
  N_COLUMNS
};

G_STATIC_ASSERT (N_COLUMNS == FCCTL_TOP_COLUMNS);

static const FcctlColumn all_columns[] = {
  { "SLOT", 12, 30, 0 },      { "STATE", 8, 0, 1 },
  { ">RATE", 8, 0, 0 },       { ">BIT RATE", 11, 0, 6 },
  { ">LAG", 4, 0, 4 },        { ">LAG TIME", 8, 0, 7 },
  { ">DROPS", 5, 0, 2 },      { ">LATENCY", 8, 0, 5 },
  { ">HAND-OVER", 11, 0, 3 }, { ">CONS", 4, 0, 10 },
  { ">MEMORY", 8, 0, 9 },     { "FORMAT", 6, 40, 8 },
  { NULL, 0, 0, 0 },
};

static gint by_rate (const FcctlCensusSlot *a, const FcctlCensusSlot *b);
static gint by_bits (const FcctlCensusSlot *a, const FcctlCensusSlot *b);
static gint by_lag (const FcctlCensusSlot *a, const FcctlCensusSlot *b);
static gint by_drops (const FcctlCensusSlot *a, const FcctlCensusSlot *b);
static gint by_memory (const FcctlCensusSlot *a, const FcctlCensusSlot *b);

static const struct
{
  const gchar *name;
  gint (*compare) (const FcctlCensusSlot *a, const FcctlCensusSlot *b);
} orders[] = {
  { "name", NULL },  { "rate", by_rate },   { "bits", by_bits },
  { "lag", by_lag }, { "drops", by_drops }, { "memory", by_memory },
};

/* Orders ------------------------------------------------------------------- */

static gint
descending (gdouble a, gdouble b)
{
  return a < b ? 1 : a > b ? -1 : 0;
}

static gint
by_rate (const FcctlCensusSlot *a, const FcctlCensusSlot *b)
{
  return descending (a->stat.frame_rate, b->stat.frame_rate);
}

static gint
by_bits (const FcctlCensusSlot *a, const FcctlCensusSlot *b)
{
  return descending (a->stat.bit_rate, b->stat.bit_rate);
}

static gint
by_lag (const FcctlCensusSlot *a, const FcctlCensusSlot *b)
{
  return descending ((gdouble) a->lag, (gdouble) b->lag);
}

static gint
by_drops (const FcctlCensusSlot *a, const FcctlCensusSlot *b)
{
  gint r = descending ((gdouble) a->new_dropped, (gdouble) b->new_dropped);

  return r != 0 ? r : descending ((gdouble) a->dropped, (gdouble) b->dropped);
}

static gint
by_memory (const FcctlCensusSlot *a, const FcctlCensusSlot *b)
{
  return descending ((gdouble) a->stat.bytes_allocated,
                     (gdouble) b->stat.bytes_allocated);
}

static gint
compare_slots (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const FcctlCensusSlot *x = *(const FcctlCensusSlot *const *) a;
  const FcctlCensusSlot *y = *(const FcctlCensusSlot *const *) b;
  const FcctlTopTable *table = user_data;
  gint r = 0;

  if (orders[table->order].compare != NULL)
    r = orders[table->order].compare (x, y);
  return r != 0 ? r : strcmp (x->stat.name, y->stat.name);
}

void
fcctl_top_table_sort (FcctlTopTable *table)
{
  g_ptr_array_sort_with_data (table->census->slots, compare_slots, table);
}

gboolean
fcctl_top_table_set_order (FcctlTopTable *table, const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    if (g_str_equal (orders[i].name, name))
      {
        table->order = i;
        return TRUE;
      }
  return FALSE;
}

void
fcctl_top_table_next_order (FcctlTopTable *table)
{
  table->order = (table->order + 1) % G_N_ELEMENTS (orders);
  fcctl_top_table_sort (table);
}

const gchar *
fcctl_top_table_order (const FcctlTopTable *table)
{
  return orders[table->order].name;
}

/* Rows --------------------------------------------------------------------- */

static gchar *
colored (const gchar *color, gchar *text)
{
  gchar *result = g_strconcat (color, text, fcctl_plain (), NULL);

  g_free (text);
  return result;
}

static gchar *
lag_text (const FcctlCensusSlot *slot, guint64 lag)
{
  gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, lag);

  if (lag > (guint64) slot->stat.ring_depth * LAG_WARNING / 4)
    return colored (fcctl_yellow (), text);
  return text;
}

static gchar *
lag_time_text (guint64 lag, guint64 ns)
{
  return lag == 0             ? g_strdup ("")
         : ns == FC_TIME_NONE ? g_strdup ("-")
                              : fcctl_duration (ns);
}

static gchar *
drops_text (guint64 dropped, guint64 new)
{
  gchar *text = g_strdup_printf ("%" G_GUINT64_FORMAT, dropped);

  return new > 0 ? colored (fcctl_red (), text) : text;
}

static gchar *
format_text (const FcctlCensusSlot *slot)
{
  g_autofree gchar *whole = NULL;
  g_autofree gchar *size = NULL;
  gconstpointer data;
  gsize bytes;

  if (slot->format == NULL)
    return g_strdup ("-");
  data = g_bytes_get_data (slot->format, &bytes);
  whole = fcctl_escape (data, bytes);
  size = fcctl_caps_size (whole);
  return g_strdup_printf ("%s%s%s", slot->text, size != NULL ? " " : "",
                          size != NULL ? size : "");
}

static GStrv
new_row (void)
{
  return g_new0 (gchar *, N_COLUMNS + 1);
}

/* Takes ROW. */
static void
add_row (FcctlTopTable *table, GPtrArray *rows, gchar **row)
{
  for (guint i = 0; i < N_COLUMNS; i++)
    if (row[i] == NULL)
      row[i] = g_strdup ("");
  fcctl_columns_measure (table->columns, (const gchar *const *) row);
  g_ptr_array_add (rows, row);
}

static void
add_slot (FcctlTopTable *table, GPtrArray *rows, const FcctlCensusSlot *slot)
{
  gchar **row = new_row ();

  row[NAME] = colored (fcctl_bold (), g_strdup (slot->stat.name));
  row[STATE] = fcctl_colored_state (&slot->stat);
  row[RATE] = fcctl_frame_rate (slot->stat.frame_rate);
  row[BIT_RATE] = fcctl_bit_rate (slot->stat.bit_rate);
  row[LAG] = slot->sees ? lag_text (slot, slot->lag) : g_strdup ("-");
  row[LAG_TIME] = lag_time_text (slot->lag, slot->lag_ns);
  row[DROPS] = drops_text (slot->dropped, slot->new_dropped);
  if (slot->reading == NULL)
    row[LATENCY] = slot->latency_ns > 0 ? fcctl_duration (slot->latency_ns)
                                        : g_strdup ("-");
  else
    {
      const FcctlCounts *counts = &slot->reading->counts;

      row[LATENCY] = fcctl_histogram_text (&counts->capture_to_commit, FALSE);
      row[HAND_OVER] = fcctl_histogram_text (&counts->commit_to_here, FALSE);
    }
  row[CONSUMERS] = slot->sees ? g_strdup_printf ("%u", slot->consumers->len)
                              : g_strdup ("-");
  row[MEMORY] = fcctl_bytes (slot->stat.bytes_allocated);
  row[FORMAT] = format_text (slot);
  add_row (table, rows, row);
}

static void
add_consumer (FcctlTopTable *table, GPtrArray *rows,
              const FcctlCensusSlot *slot, const FcctlCensusConsumer *consumer)
{
  g_autofree gchar *name
      = fcctl_escape (consumer->stat.name, strlen (consumer->stat.name));
  gchar **row = new_row ();

  row[NAME] = g_strdup_printf ("  %u %s", consumer->stat.pid, name);
  row[STATE] = g_strdup (consumer->stat.waiting ? "waiting" : "busy");
  row[RATE] = fcctl_frame_rate (consumer->rate);
  row[LAG] = lag_text (slot, consumer->lag);
  row[LAG_TIME] = lag_time_text (consumer->lag, consumer->lag_ns);
  row[DROPS] = drops_text (consumer->stat.dropped, consumer->new_dropped);
  add_row (table, rows, row);
}

/* Columns grow with what is in them, until the terminal is another one. */
static void
set_width (FcctlTopTable *table, guint width)
{
  gboolean latency = table->census->latency;

  if (width != table->width)
    memcpy (table->columns, all_columns, sizeof table->columns);
  table->width = width;
  if (width > 0)
    table->columns[NAME].most = CLAMP (width / 4, 12, 30);
  table->columns[HAND_OVER].rank
      = latency ? all_columns[HAND_OVER].rank : G_MAXUINT;
}

GPtrArray *
fcctl_top_table_rows (FcctlTopTable *table, guint width)
{
  GPtrArray *rows
      = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  GPtrArray *slots = table->census->slots;

  set_width (table, width);
  for (guint i = 0; i < slots->len; i++)
    {
      const FcctlCensusSlot *slot = g_ptr_array_index (slots, i);

      add_slot (table, rows, slot);
      for (guint k = 0; table->consumers && k < slot->consumers->len; k++)
        add_consumer (table, rows, slot,
                      &g_array_index (slot->consumers, FcctlCensusConsumer, k));
    }
  return rows;
}

gchar *
fcctl_top_table_line (const FcctlTopTable *table, gchar **row)
{
  return fcctl_columns_line (table->columns, (const gchar *const *) row,
                             table->width);
}

static gchar *
count_all (const FcctlTopTable *table)
{
  GPtrArray *slots = table->census->slots;
  guint64 bytes = 0, consumers = 0;
  g_autofree gchar *taken = NULL;
  g_autofree gchar *left = NULL;
  struct statvfs fs = { 0 };

  for (guint i = 0; i < slots->len; i++)
    {
      const FcctlCensusSlot *slot = g_ptr_array_index (slots, i);

      bytes += slot->stat.bytes_allocated;
      consumers += slot->consumers->len;
      if (fs.f_bsize == 0)
        (void) statvfs (slot->stat.dir, &fs);
    }
  taken = fcctl_bytes (bytes);
  left = fcctl_bytes ((guint64) fs.f_bavail * fs.f_frsize);
  if (slots->len == 0)
    return g_strdup ("no slots");
  return g_strdup_printf ("%u slot%s, %" G_GUINT64_FORMAT
                          " consumer%s, %s used, %s free",
                          slots->len, slots->len == 1 ? "" : "s", consumers,
                          consumers == 1 ? "" : "s", taken, left);
}

gchar *
fcctl_top_table_summary (const FcctlTopTable *table)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree gchar *time = g_date_time_format (now, "%T");
  g_autofree gchar *what = count_all (table);

  return g_strdup_printf ("%s  %s", time, what);
}

void
fcctl_top_table_init (FcctlTopTable *table, FcctlCensus *census)
{
  memset (table, 0, sizeof *table);
  table->census = census;
  table->consumers = TRUE;
  memcpy (table->columns, all_columns, sizeof table->columns);
}
