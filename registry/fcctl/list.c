/* framecache: fcctl list
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>
#include <unistd.h>

#include "fcctl.h"

static const gchar *const titles[]
    = { "NAME",   "STATE",  "SIZE@RATE", ">CONSUMERS",
        ">DEPTH", ">BYTES", "FORMAT",    NULL };

typedef struct
{
  FcctlTable *table;
  JsonBuilder *json;
  gboolean names; /* and nothing else */
  guint n;
} List;

/* "1920x1080@30", "4.00 KiB@100": the rate that is measured, or the one that
 * the format tells where that is within a hundredth of it, or nothing else is
 * known. */
static gchar *
size_and_rate (const fc_slot_stat_t *stat, const gchar *format)
{
  g_autofree gchar *size = fcctl_caps_size (format);
  gdouble told = fcctl_caps_rate (format);
  gdouble rate = stat->state == FC_STATE_LIVE ? stat->frame_rate : 0;

  if (size == NULL)
    size = fcctl_bytes (stat->frame_size);
  if (told > 0 && (rate <= 0 || fabs (rate - told) <= told / 100))
    rate = told;
  if (rate <= 0)
    return g_steal_pointer (&size);
  return g_strdup_printf (rate < 1000 ? "%s@%.4g" : "%s@%.0f", size, rate);
}

static void
add_row (List *list, const fc_slot_stat_t *stat)
{
  g_autofree gchar *format = fcctl_format (stat->dir, stat->name, 0);
  gboolean seen = fcctl_sees_consumers (stat);

  fcctl_table_add (
      list->table, g_strdup (stat->name), fcctl_colored_state (stat),
      size_and_rate (stat, format),
      seen ? g_strdup_printf ("%u/%u", stat->consumers, stat->max_consumers)
           : g_strdup_printf ("-/%u", stat->max_consumers),
      g_strdup_printf ("%u", stat->ring_depth),
      fcctl_bytes (stat->bytes_allocated), fcctl_caps_short (format), NULL);
}

static void
add_object (List *list, const fc_slot_stat_t *stat)
{
  g_autoptr (GBytes) format = fcctl_read_format (stat->dir, stat->name);

  json_builder_begin_object (list->json);
  fcctl_json_slot (list->json, stat, format);
  json_builder_end_object (list->json);
}

static int
each_slot (const fc_slot_stat_t *stat, void *user_data)
{
  List *list = user_data;

  list->n++;
  if (list->names && list->json != NULL)
    json_builder_add_string_value (list->json, stat->name);
  else if (list->names)
    printf ("%s\n", stat->name);
  else if (list->json != NULL)
    add_object (list, stat);
  else
    add_row (list, stat);
  return 0;
}

static int
append_dir (const char *path, void *user_data)
{
  GString *text = user_data;

  g_string_append_printf (text, "%s%s", text->len > 0 ? " or " : "", path);
  return 0;
}

/* A person is told where was looked; a program is not. */
static void
say_none (void)
{
  g_autoptr (GString) dirs = g_string_new (NULL);

  if (!isatty (STDERR_FILENO))
    return;
  fc_slot_dirs (fcctl_directory, append_dir, dirs);
  fcctl_say ("no slots in %s", dirs->str);
}

int
fcctl_list (int argc, char **argv)
{
  List list = { 0 };
  const GOptionEntry entries[]
      = { { "names", 'n', 0, G_OPTION_ARG_NONE, &list.names,
            "Print the names alone, one a line", NULL },
          { 0 } };
  int r;

  if (!fcctl_parse (&argc, &argv, entries, NULL, 0, 0,
                    "List the slots and what is in them.", NULL))
    return FCCTL_USAGE;
  if (fcctl_json)
    list.json = json_builder_begin_array (json_builder_new ());
  list.table = fcctl_table_new (titles);
  r = fc_slot_list (fcctl_directory, each_slot, &list);
  if (r == 0 && list.json != NULL)
    fcctl_print_json (json_builder_end_array (g_steal_pointer (&list.json)));
  else if (r == 0 && list.n == 0)
    say_none ();
  else if (r == 0 && !list.names)
    fcctl_table_print (list.table, stdout, fcctl_width ());
  fcctl_table_free (list.table);
  g_clear_object (&list.json);
  return r < 0 ? fcctl_fail (r) : FCCTL_OK;
}
