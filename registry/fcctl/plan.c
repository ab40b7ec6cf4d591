/* framecache: fcctl plan
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "room.h"
#include "sizing.h"

#define MIB (G_GUINT64_CONSTANT (1) << 20)

typedef struct
{
  fc_writer_options_t options;
  fc_plan_t slot; /* one of them */
  guint count;
  guint64 start, most; /* bytes of all of them */
  guint64 promised;    /* bytes that other slots there may still come to take */
  FcctlFs fs;
  FcctlCgroup cgroup; /* file is NULL where there is no limit */
  guint64 machine;
  gboolean starts;   /* fits in the file system at start */
  GPtrArray *faults; /* sentences */
} Plan;

/* Whether it fits --------------------------------------------------------- */

static void fault (Plan *plan, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

static void
fault (Plan *plan, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (plan->faults, g_strdup_vprintf (format, args));
  va_end (args);
}

static int
add_promise (const fc_slot_stat_t *stat, void *user_data)
{
  guint64 *promised = user_data;

  if (stat->bytes_planned > stat->bytes_allocated)
    *promised += stat->bytes_planned - stat->bytes_allocated;
  return 0;
}

static guint64
round_up (guint64 bytes)
{
  return (bytes + MIB - 1) / MIB * MIB;
}

static gchar *
fs_remedy (const FcctlFs *fs, guint64 missing)
{
  guint64 size = round_up (fs->size + missing) / MIB;

  if (!fs->tmpfs)
    return g_strdup ("make room there, or take a directory in /dev/shm");
  return g_strdup_printf ("mount -o remount,size=%" G_GUINT64_FORMAT
                          "m %s; a container's is set when it is started, with "
                          "--shm-size=%" G_GUINT64_FORMAT "m",
                          size, fs->mount, size);
}

static void
check_fs (Plan *plan)
{
  guint64 most = plan->most + plan->promised, free = plan->fs.free;
  const gchar *others
      = plan->promised > 0 ? ", with what other slots may come to take" : "";
  g_autofree gchar *text = fcctl_bytes (free);
  g_autofree gchar *start_text = fcctl_bytes (plan->start);
  g_autofree gchar *most_text = fcctl_bytes (most);
  g_autofree gchar *remedy = NULL;

  plan->starts = plan->fs.size == 0 || plan->start <= free;
  if (plan->fs.size == 0 || most <= free)
    return;
  remedy = fs_remedy (&plan->fs, most - free);
  if (plan->starts)
    fault (plan,
           "%s has %s free: enough to start, but with every lease taken it is "
           "%s%s; %s",
           plan->fs.mount, text, most_text, others, remedy);
  else
    fault (plan,
           "%s has %s free, and %s are needed at start, %s at the most%s; %s",
           plan->fs.mount, text, start_text, most_text, others, remedy);
}

static void
check_cgroup (Plan *plan)
{
  g_autofree gchar *most = fcctl_bytes (plan->most);
  g_autofree gchar *left = fcctl_bytes (plan->cgroup.left);
  guint64 max;

  if (plan->cgroup.file == NULL || plan->most <= plan->cgroup.left)
    return;
  max = round_up (plan->cgroup.max + plan->most - plan->cgroup.left) / MIB;
  fault (plan,
         "%s leaves %s, and %s are needed at the most: start the container "
         "with --memory=%" G_GUINT64_FORMAT "m, or raise MemoryMax= of the "
         "service to %" G_GUINT64_FORMAT "M",
         plan->cgroup.file, left, most, max, max);
}

static void
check_machine (Plan *plan)
{
  g_autofree gchar *most = fcctl_bytes (plan->most);
  g_autofree gchar *left = fcctl_bytes (plan->machine);

  if (plan->most > plan->machine)
    fault (plan,
           "the machine has %s of memory available, and %s are needed at the "
           "most: less history, smaller frames or fewer slots",
           left, most);
}

static int
work_out (Plan *plan, const FcrSizes *sizes)
{
  int code = fcctl_sizing_plan (sizes, &plan->options, &plan->slot);

  if (code != FCCTL_OK)
    return code;
  plan->count = MAX (sizes->count, 1);
  if (!g_uint64_checked_mul (&plan->start, plan->slot.bytes_initial,
                             plan->count)
      || !g_uint64_checked_mul (&plan->most, plan->slot.bytes_planned,
                                plan->count))
    return fcctl_say ("%u slots of that size are more bytes than can be "
                      "counted",
                      plan->count);
  fc_slot_list (plan->slot.dir, add_promise, &plan->promised);
  if (!fcctl_fs (plan->slot.dir, &plan->fs))
    return fcctl_say ("can not see how much is free in %s", plan->slot.dir);
  fcctl_cgroup (&plan->cgroup);
  plan->machine = fcctl_memory_left ();
  check_fs (plan);
  check_cgroup (plan);
  check_machine (plan);
  return FCCTL_OK;
}

/* Telling ----------------------------------------------------------------- */

static void
print_bytes (const Plan *plan, const gchar *label, guint64 bytes)
{
  g_autofree gchar *one = fcctl_bytes (bytes);
  g_autofree gchar *all = fcctl_bytes (bytes * plan->count);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "%s (%" G_GUINT64_FORMAT " bytes)", one, bytes);
  if (plan->count > 1)
    g_string_append_printf (text, " a slot, %s for %u", all, plan->count);
  fcctl_line (label, text->str);
}

/* How long the history is, where a rate was said, and it is no slower than can
 * be counted: centuries. */
static guint64
history_ns (const Plan *plan, const FcrSizes *sizes)
{
  gdouble ns;

  if (sizes->fps_n == 0)
    return FC_TIME_NONE;
  ns = 1e9 * plan->options.ring_depth * sizes->fps_d / sizes->fps_n;
  return ns < (gdouble) G_MAXINT64 ? (guint64) ns : FC_TIME_NONE;
}

static void
print_history (const Plan *plan, const FcrSizes *sizes)
{
  g_autofree gchar *frame = fcctl_bytes (plan->options.frame_size);
  g_autoptr (GString) text = g_string_new (NULL);
  guint64 history = history_ns (plan, sizes);

  g_string_printf (text, "%s (%" G_GUINT64_FORMAT " bytes)", frame,
                   plan->options.frame_size);
  fcctl_line ("Frame", text->str);
  g_string_printf (text, "%u frames", plan->options.ring_depth);
  if (history != FC_TIME_NONE)
    {
      g_autofree gchar *time = fcctl_duration (history);

      g_string_append_printf (text, ", %s", time);
    }
  fcctl_line ("History", text->str);
  g_string_printf (text, "%u at start, %u with every lease taken",
                   plan->slot.cells_initial, plan->slot.cells_planned);
  fcctl_line ("Cells", text->str);
}

static void
print_room (const Plan *plan)
{
  g_autofree gchar *dir
      = fcctl_escape (plan->slot.dir, strlen (plan->slot.dir));
  g_autofree gchar *free = fcctl_bytes (plan->fs.free);
  g_autofree gchar *size = fcctl_bytes (plan->fs.size);
  g_autofree gchar *promised = fcctl_bytes (plan->promised);
  g_autofree gchar *left = fcctl_bytes (plan->cgroup.left);
  g_autofree gchar *max = fcctl_bytes (plan->cgroup.max);
  g_autofree gchar *machine = fcctl_bytes (plan->machine);
  g_autoptr (GString) text = g_string_new (dir);

  if (plan->fs.size > 0)
    g_string_append_printf (text, ": %s of %s free", free, size);
  if (plan->promised > 0)
    g_string_append_printf (text, ", other slots may come to take %s",
                            promised);
  fcctl_line ("Directory", text->str);
  g_string_printf (text, "%s of %s left", left, max);
  if (plan->cgroup.file != NULL)
    fcctl_line ("Memory limit", text->str);
  g_string_printf (text, "%s of memory available", machine);
  if (plan->machine != G_MAXUINT64)
    fcctl_line ("Machine", text->str);
}

static void
print_text (const Plan *plan, const FcrSizes *sizes)
{
  print_history (plan, sizes);
  print_bytes (plan, "At start", plan->slot.bytes_initial);
  print_bytes (plan, "At the most", plan->slot.bytes_planned);
  print_room (plan);
  if (plan->faults->len == 0)
    printf ("%sfits%s\n", fcctl_green (), fcctl_plain ());
  else
    printf ("%sdoes not fit%s\n", fcctl_red (), fcctl_plain ());
  for (guint i = 0; i < plan->faults->len; i++)
    {
      const gchar *text = g_ptr_array_index (plan->faults, i);
      g_autofree gchar *escaped = fcctl_escape (text, strlen (text));

      fcctl_line ("", escaped);
    }
}

static void
add_room (JsonBuilder *json, const Plan *plan)
{
  gboolean limit = plan->cgroup.file != NULL;

  fcctl_json_string (json, "dir", plan->slot.dir);
  fcctl_json_string (json, "mount", plan->fs.mount);
  fcctl_json_uint (json, "bytes_size", plan->fs.size);
  fcctl_json_uint (json, "bytes_free", plan->fs.free);
  fcctl_json_uint (json, "bytes_promised", plan->promised);
  fcctl_json_string (json, "limit_file", plan->cgroup.file);
  fcctl_json_time (json, "limit_bytes",
                   limit ? plan->cgroup.max : FC_TIME_NONE);
  fcctl_json_time (json, "limit_bytes_left",
                   limit ? plan->cgroup.left : FC_TIME_NONE);
  fcctl_json_time (json, "machine_bytes_left", plan->machine);
}

static void
print_json (const Plan *plan, const FcrSizes *sizes)
{
  JsonBuilder *json = json_builder_begin_object (json_builder_new ());

  fcctl_json_uint (json, "frame_size", plan->options.frame_size);
  fcctl_json_uint (json, "ring_depth", plan->options.ring_depth);
  fcctl_json_time (json, "history_ns", history_ns (plan, sizes));
  fcctl_json_uint (json, "cells_initial", plan->slot.cells_initial);
  fcctl_json_uint (json, "cells_planned", plan->slot.cells_planned);
  fcctl_json_uint (json, "bytes_initial", plan->slot.bytes_initial);
  fcctl_json_uint (json, "bytes_planned", plan->slot.bytes_planned);
  fcctl_json_uint (json, "count", plan->count);
  fcctl_json_uint (json, "total_bytes_initial", plan->start);
  fcctl_json_uint (json, "total_bytes_planned", plan->most);
  add_room (json, plan);
  fcctl_json_bool (json, "fits_at_start", plan->starts);
  fcctl_json_bool (json, "fits", plan->faults->len == 0);
  json_builder_set_member_name (json, "reasons");
  json_builder_begin_array (json);
  for (guint i = 0; i < plan->faults->len; i++)
    {
      g_autofree gchar *valid
          = g_utf8_make_valid (g_ptr_array_index (plan->faults, i), -1);

      json_builder_add_string_value (json, valid);
    }
  json_builder_end_array (json);
  fcctl_print_json (json_builder_end_object (json));
}

/* The command ------------------------------------------------------------- */

static int
run (const FcrSizes *sizes)
{
  Plan plan = { .faults = g_ptr_array_new_with_free_func (g_free) };
  int code = work_out (&plan, sizes);

  if (code == FCCTL_OK && fcctl_json)
    print_json (&plan, sizes);
  else if (code == FCCTL_OK)
    print_text (&plan, sizes);
  if (code == FCCTL_OK && plan.faults->len > 0)
    code = FCCTL_PROBLEMS;
  fcctl_fs_clear (&plan.fs);
  fcctl_cgroup_clear (&plan.cgroup);
  g_ptr_array_unref (plan.faults);
  return code;
}

static int
print_formats (void)
{
  JsonBuilder *json = json_builder_begin_array (json_builder_new ());

  for (const gchar *const *name = fcr_sizes_formats (); *name != NULL; name++)
    if (fcctl_json)
      json_builder_add_string_value (json, *name);
    else
      printf ("%s\n", *name);
  if (fcctl_json)
    fcctl_print_json (json_builder_end_array (json));
  else
    g_object_unref (json);
  return FCCTL_OK;
}

int
fcctl_plan (int argc, char **argv)
{
  FcctlSizing sizing = FCCTL_SIZING_INIT;
  gboolean formats = FALSE;
  const GOptionEntry entries[]
      = { FCCTL_SIZING_ENTRIES (sizing),
          { "formats", 0, 0, G_OPTION_ARG_NONE, &formats,
            "Print the raw formats that are known, and end", NULL },
          { 0 } };
  FcrSizes sizes = FCR_SIZES_INIT;
  int code = FCCTL_USAGE;

  if (!fcctl_parse (&argc, &argv, entries, "WORD...", 0, -1,
                    "Work out how much memory slots take, and whether they fit "
                    "here: in the slot\ndirectory's file system, in the "
                    "container's memory limit, in the machine.",
                    FCCTL_SIZING_HELP
                    "  x4                  that many slots like this one"))
    return FCCTL_USAGE;
  if (formats)
    code = print_formats ();
  else if (fcctl_sizing_take (&sizing, argv + 1, &sizes))
    code = run (&sizes);
  fcr_sizes_clear (&sizes);
  fcctl_sizing_clear (&sizing);
  return code;
}
