/* framecache: fcctl gc
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fcctl.h"

typedef struct
{
  uint64_t age; /* ns */
  JsonBuilder *json;
  guint n; /* things collected */
} Gc;

static void
add_object (JsonBuilder *json, const gchar *name, guint n, guint64 bytes)
{
  json_builder_begin_object (json);
  fcctl_json_string (json, "name", name);
  fcctl_json_uint (json, "collected", n);
  fcctl_json_bool (json, "ring", bytes > 0);
  fcctl_json_uint (json, "bytes", bytes);
  json_builder_end_object (json);
}

/* Of NAME, or where it is NULL of what has no ring, N things were collected;
 * one of them a ring of BYTES, where that is not 0. */
static void
report (Gc *gc, const gchar *name, guint n, guint64 bytes)
{
  g_autofree gchar *size = fcctl_bytes (bytes);
  guint others = n - (bytes > 0);

  gc->n += n;
  if (gc->json != NULL)
    add_object (gc->json, name, n, bytes);
  else if (name == NULL)
    printf ("%u half-made files\n", n);
  else if (bytes > 0)
    printf ("%s: the ring of a writer that is dead, %s\n", name, size);
  if (gc->json == NULL && name != NULL && others > 0)
    printf ("%s: %u entries of dead consumers, or half-made files\n", name,
            others);
}

static int
collect (Gc *gc, const gchar *slot)
{
  fc_slot_stat_t before = { .struct_size = sizeof before };
  fc_slot_stat_t after = { .struct_size = sizeof after };
  gboolean had = fc_slot_stat (fcctl_directory, slot, &before) == 0;
  int n = fc_slot_gc (fcctl_directory, slot, gc->age);

  if (n <= 0)
    return n;
  /* A new ring of that name is another one. */
  if (fc_slot_stat (fcctl_directory, slot, &after) == 0
      && after.created_wall_ns == before.created_wall_ns)
    had = FALSE;
  report (gc, slot, (guint) n, had ? before.bytes_allocated : 0);
  return 0;
}

static int
each_slot (const fc_slot_stat_t *stat, void *user_data)
{
  return collect (user_data, stat->name);
}

static int
collect_all (Gc *gc)
{
  int r = fc_slot_list (fcctl_directory, each_slot, gc);

  if (r == 0)
    r = fc_slot_gc (fcctl_directory, NULL, gc->age);
  if (r > 0)
    report (gc, NULL, (guint) r, 0);
  return MIN (r, 0);
}

int
fcctl_gc (int argc, char **argv)
{
  gdouble age = 0;
  const GOptionEntry entries[]
      = { { "age", 'a', 0, G_OPTION_ARG_DOUBLE, &age,
            "Leave a dead writer's ring whose newest frame is younger",
            "SECONDS" },
          { 0 } };
  Gc gc = { 0 };
  int r = 0;

  if (!fcctl_parse (
          &argc, &argv, entries, "[SLOT...]", 0, -1,
          "Collect what crashes left: dead writers' rings that are not "
          "reserved and\nhave no consumer, dead consumers' entries, half-made "
          "files. Nothing that\nlives is touched.",
          NULL)
      || !fcctl_take_seconds ("--age", age, &gc.age))
    return FCCTL_USAGE;
  if (fcctl_json)
    gc.json = json_builder_begin_array (json_builder_new ());
  if (argc == 1)
    r = collect_all (&gc);
  for (int i = 1; r == 0 && i < argc; i++)
    r = collect (&gc, argv[i]);
  if (gc.json != NULL)
    fcctl_print_json (json_builder_end_array (gc.json));
  else if (gc.n == 0 && r == 0)
    printf ("nothing to collect\n");
  return r < 0 ? fcctl_fail (r) : FCCTL_OK;
}
