/* framecache: fcctl top
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <unistd.h>

#include "screen.h"
#include "toptable.h"

typedef struct
{
  FcctlCensus *census;
  FcctlTopTable table;
  gdouble interval; /* seconds */
  int count;        /* rounds; 0: without end */
  gboolean batch;
  int result;      /* of the newest look */
  gchar *sentence; /* why that failed, or NULL */

  /* On a screen. */
  FcctlScreen *screen;
  GMainLoop *loop;
  gboolean help;
  guint scrolled; /* rows */
  guint page;     /* rows that are shown at once */
} Top;

static void
look (Top *top)
{
  top->result = fcctl_census_look (top->census);
  g_clear_pointer (&top->sentence, g_free);
  if (top->result < 0)
    top->sentence
        = fcctl_escape (fc_error_detail (), strlen (fc_error_detail ()));
  fcctl_top_table_sort (&top->table);
}

/* JSON --------------------------------------------------------------------- */

static void
add_json_consumers (JsonBuilder *builder, const FcctlCensusSlot *slot)
{
  json_builder_set_member_name (builder, "consumer_list");
  if (!slot->sees)
    {
      json_builder_add_null_value (builder);
      return;
    }
  json_builder_begin_array (builder);
  for (guint i = 0; i < slot->consumers->len; i++)
    {
      const FcctlCensusConsumer *consumer
          = &g_array_index (slot->consumers, FcctlCensusConsumer, i);

      json_builder_begin_object (builder);
      fcctl_json_consumer (builder, &slot->stat, &consumer->stat);
      fcctl_json_double (builder, "frame_rate", consumer->rate);
      fcctl_json_uint (builder, "new_dropped", consumer->new_dropped);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_json_slot (JsonBuilder *builder, const FcctlCensusSlot *slot)
{
  json_builder_begin_object (builder);
  fcctl_json_slot (builder, &slot->stat, slot->format);
  fcctl_json_uint (builder, "new_dropped", slot->new_dropped);
  fcctl_json_time (builder, "observed_latency_ns",
                   slot->latency_ns > 0 ? slot->latency_ns : FC_TIME_NONE);
  if (slot->reading != NULL)
    {
      const FcctlCounts *counts = &slot->reading->counts;

      fcctl_histogram_json (&counts->capture_to_commit, builder,
                            "capture_to_commit_ns");
      fcctl_histogram_json (&counts->commit_to_here, builder,
                            "commit_to_here_ns");
    }
  add_json_consumers (builder, slot);
  json_builder_end_object (builder);
}

static void
print_json (const Top *top)
{
  GPtrArray *slots = top->census->slots;
  JsonBuilder *builder = json_builder_begin_object (json_builder_new ());

  fcctl_json_uint (builder, "wall_ns", (guint64) g_get_real_time () * 1000);
  json_builder_set_member_name (builder, "slots");
  json_builder_begin_array (builder);
  for (guint i = 0; i < slots->len; i++)
    add_json_slot (builder, g_ptr_array_index (slots, i));
  json_builder_end_array (builder);
  fcctl_print_json_line (json_builder_end_object (builder));
}

/* In a file, or a pipe ----------------------------------------------------- */

static void
print_line (gchar *line)
{
  printf ("%s\n", line);
  g_free (line);
}

static void
print_table (Top *top)
{
  FcctlTopTable *table = &top->table;
  g_autoptr (GPtrArray) rows = fcctl_top_table_rows (table, fcctl_width ());

  print_line (fcctl_top_table_summary (table));
  if (rows->len > 0)
    print_line (fcctl_top_table_line (table, NULL));
  for (guint i = 0; i < rows->len; i++)
    print_line (fcctl_top_table_line (table, g_ptr_array_index (rows, i)));
}

static void
pause_once (const Top *top)
{
  g_usleep ((gulong) (top->interval * G_USEC_PER_SEC));
}

static int
run_batch (Top *top)
{
  if (top->census->latency)
    {
      look (top); /* attaches; the next one has something to tell */
      pause_once (top);
    }
  for (int round = 1;; round++)
    {
      look (top);
      if (top->result < 0)
        return fcctl_fail (top->result);
      if (round > 1 && !fcctl_json)
        putchar ('\n');
      if (fcctl_json)
        print_json (top);
      else
        print_table (top);
      if (fflush (stdout) != 0 || round == top->count)
        return FCCTL_OK; /* a failure to write is main's to tell */
      pause_once (top);
    }
}

/* On a screen -------------------------------------------------------------- */

/* Fits in 40 columns. */
static const gchar *const help_lines[] = {
  "fcctl top: slots and their consumers",
  "",
  "q        quit",
  "s        sort: next order",
  "c        consumers, or slots alone",
  "l        latency: measure it, or not",
  "j k      scroll, as the arrows do",
  "space b  by a page; g G: to the ends",
  "h        this",
  "",
  "LAG        frames behind the writer",
  "DROPS      frames lost by consumers,",
  "           and by the writer",
  "LATENCY    from capture to commit",
  "HAND-OVER  commit to here, p50/p99",
};

/* Takes TEXT. */
static void
add_line (GPtrArray *lines, guint width, gchar *text)
{
  g_ptr_array_add (lines, fcctl_cut (text, width));
  g_free (text);
}

static gchar *
title_line (const Top *top, guint width)
{
  g_autofree gchar *titles = fcctl_top_table_line (&top->table, NULL);

  return g_strdup_printf ("\033[7m%s%*s\033[0m", titles,
                          (int) (width - fcctl_columns (titles)), "");
}

/* The titles, as many rows as there is room for, and the keys. */
static void
add_rows (Top *top, GPtrArray *lines, guint width, guint height)
{
  g_autoptr (GPtrArray) rows = fcctl_top_table_rows (&top->table, width);

  top->page = height > 3 ? height - 3 : 1;
  top->scrolled
      = MIN (top->scrolled, rows->len > top->page ? rows->len - top->page : 0);
  g_ptr_array_add (lines, title_line (top, width));
  for (guint i = top->scrolled; i < MIN (top->scrolled + top->page, rows->len);
       i++)
    g_ptr_array_add (
        lines, fcctl_top_table_line (&top->table, g_ptr_array_index (rows, i)));
  while (lines->len + 1 < height)
    g_ptr_array_add (lines, g_strdup (""));
  add_line (lines, width,
            g_strdup_printf ("%sq quit  h help  s sort: %s  c consumers  "
                             "l latency%s%s",
                             fcctl_dim (), fcctl_top_table_order (&top->table),
                             rows->len > top->page ? "  j k scroll" : "",
                             fcctl_plain ()));
}

static void
draw (gpointer user_data)
{
  Top *top = user_data;
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  guint width, height;

  fcctl_screen_size (top->screen, &width, &height);
  if (top->help)
    for (guint i = 0; i < G_N_ELEMENTS (help_lines); i++)
      add_line (lines, width, g_strdup (help_lines[i]));
  else
    {
      add_line (lines, width,
                top->result < 0 ? g_strdup (top->sentence)
                                : fcctl_top_table_summary (&top->table));
      add_rows (top, lines, width, height);
    }
  fcctl_screen_draw (top->screen, lines);
}

static void
scroll (Top *top, gint64 by)
{
  top->scrolled = (guint) CLAMP ((gint64) top->scrolled + by, 0, G_MAXINT32);
}

static void
on_key (int key, gpointer user_data)
{
  Top *top = user_data;

  if (key == 'q' || key == 'Q')
    g_main_loop_quit (top->loop);
  else if (top->help || key == 'h' || key == '?')
    top->help = !top->help;
  else if (key == 's')
    fcctl_top_table_next_order (&top->table);
  else if (key == 'c')
    top->table.consumers = !top->table.consumers;
  else if (key == 'l')
    {
      fcctl_census_set_latency (top->census, !top->census->latency);
      look (top);
    }
  else if (key == FCCTL_KEY_DOWN || key == FCCTL_KEY_UP)
    scroll (top, key == FCCTL_KEY_DOWN ? 1 : -1);
  else if (key == FCCTL_KEY_PAGE_DOWN || key == FCCTL_KEY_PAGE_UP)
    scroll (top, key == FCCTL_KEY_PAGE_DOWN ? top->page : -(gint64) top->page);
  else if (key == FCCTL_KEY_HOME || key == FCCTL_KEY_END)
    scroll (top, key == FCCTL_KEY_END ? G_MAXINT32 : G_MININT32);
  draw (top);
}

static void
on_quit (gpointer user_data)
{
  g_main_loop_quit (((Top *) user_data)->loop);
}

static gboolean
on_tick (gpointer user_data)
{
  Top *top = user_data;

  if (top->count > 0 && --top->count == 0)
    {
      g_main_loop_quit (top->loop);
      return G_SOURCE_CONTINUE;
    }
  look (top);
  draw (top);
  return G_SOURCE_CONTINUE;
}

static int
run_screen (Top *top)
{
  static const FcctlScreenFuncs funcs = { on_key, draw, on_quit };
  guint tick;

  top->loop = g_main_loop_new (NULL, FALSE);
  /* Before the first look: its threads are to leave the signals alone. */
  top->screen = fcctl_screen_new (&funcs, top);
  look (top);
  draw (top);
  tick = g_timeout_add ((guint) (top->interval * 1000), on_tick, top);
  g_main_loop_run (top->loop);
  g_source_remove (tick);
  g_main_loop_unref (top->loop);
  g_free (top->sentence);
  fcctl_screen_free (top->screen);
  return FCCTL_OK;
}

/* -------------------------------------------------------------------------- */

static gboolean
check_options (Top *top, const gchar *order)
{
  if (order != NULL && !fcctl_top_table_set_order (&top->table, order))
    fcctl_say ("--sort is name, rate, bits, lag, drops or memory, not \"%s\"",
               order);
  else if (!(top->interval >= 0.1 && top->interval <= 3600))
    fcctl_say ("--interval is 0.1 to 3600 seconds, not %g", top->interval);
  else if (top->count < 0)
    fcctl_say ("--count is a number of rounds, not %d", top->count);
  else
    return TRUE;
  return FALSE;
}

int
fcctl_top (int argc, char **argv)
{
  Top top = { .interval = 1 };
  gboolean latency = FALSE, hide = FALSE;
  g_autofree gchar *order = NULL;
  g_autoptr (FcctlCensus) census = NULL;
  const GOptionEntry entries[]
      = { { "interval", 'n', 0, G_OPTION_ARG_DOUBLE, &top.interval,
            "Look every so many seconds (1)", "SECONDS" },
          { "count", 'c', 0, G_OPTION_ARG_INT, &top.count,
            "End after so many rounds", "N" },
          { "batch", 'b', 0, G_OPTION_ARG_NONE, &top.batch,
            "Print tables, also on a terminal", NULL },
          { "sort", 's', 0, G_OPTION_ARG_STRING, &order,
            "Sort by name, rate, bits, lag, drops or memory", "KEY" },
          { "no-consumers", 0, 0, G_OPTION_ARG_NONE, &hide, "Show slots alone",
            NULL },
          { "latency", 'l', 0, G_OPTION_ARG_NONE, &latency,
            "Attach to each slot, to measure latencies", NULL },
          { 0 } };

  fcctl_top_table_init (&top.table, NULL);
  if (!fcctl_parse (&argc, &argv, entries, NULL, 0, 0,
                    "Show all slots and their consumers, live.",
                    "Keys: q quit, s sort, c consumers, l latency, h help, j "
                    "k and arrows scroll.")
      || !check_options (&top, order))
    return FCCTL_USAGE;
  census = fcctl_census_new (latency);
  top.census = top.table.census = census;
  top.table.consumers = !hide;
  if (top.batch || fcctl_json || !isatty (STDOUT_FILENO)
      || g_strcmp0 (g_getenv ("TERM"), "dumb") == 0)
    return run_batch (&top);
  return run_screen (&top);
}
