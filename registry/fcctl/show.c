/* framecache: fcctl show
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "fcctl.h"

#define LABEL 14 /* columns before what a line says */
#define LEAST                                                                  \
  20 /* columns for what it says, however narrow the terminal is               \
      */

static const gchar *const titles[]
    = { ">PID",     ">USER",   ">LAG",      ">BEHIND", ">RECEIVED",
        ">DROPPED", ">LEASES", ">ATTACHED", "NAME",    NULL };

/* Lines ------------------------------------------------------------------- */

static void linef (const gchar *label, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
linef (const gchar *label, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  fcctl_line (label, text);
}

static gchar *
user_name (guint uid)
{
  struct passwd *user = getpwuid (uid);

  return user != NULL ? fcctl_escape (user->pw_name, strlen (user->pw_name))
                      : g_strdup_printf ("%u", uid);
}

static gchar *
group_name (guint gid)
{
  struct group *group = getgrgid (gid);

  return group != NULL ? fcctl_escape (group->gr_name, strlen (group->gr_name))
                       : g_strdup_printf ("%u", gid);
}

static gchar *
wall_time (guint64 ns)
{
  g_autoptr (GDateTime) time
      = g_date_time_new_from_unix_local ((gint64) (ns / 1000000000));

  return time != NULL ? g_date_time_format (time, "%F %T") : g_strdup ("-");
}

/* A slot ------------------------------------------------------------------ */

static void
show_frames (const fc_slot_stat_t *stat)
{
  g_autofree gchar *rate = fcctl_frame_rate (stat->frame_rate);
  g_autofree gchar *bits = fcctl_bit_rate (stat->bit_rate);
  g_autofree gchar *size = fcctl_bytes (stat->frame_size);
  g_autofree gchar *age = fcctl_duration (fcctl_age (stat));
  guint64 held = stat->head - stat->oldest;
  guint64 span = fcctl_lag_ns (stat, held);
  g_autofree gchar *time
      = span != FC_TIME_NONE ? fcctl_duration (span) : g_strdup ("-");

  linef ("Frame", "up to %s (%" G_GUINT64_FORMAT " bytes)", size,
         stat->frame_size);
  if (stat->frame_rate > 0)
    linef ("Rate", "%s, %s", rate, bits);
  if (stat->newest_commit_ns == FC_TIME_NONE)
    linef ("Frames", "none yet, next is %" G_GUINT64_FORMAT, stat->head);
  else
    linef ("Frames",
           "newest %" G_GUINT64_FORMAT ", %s ago; began at %" G_GUINT64_FORMAT,
           stat->head - 1, age, stat->first_seq);
  linef ("History", "%" G_GUINT64_FORMAT " of %u frames, %s", held,
         stat->ring_depth, time);
  linef ("Lost",
         "%" G_GUINT64_FORMAT " by the writer, history shortened by "
         "%" G_GUINT64_FORMAT,
         stat->writer_dropped, stat->history_shortened);
}

static void
show_owner (const fc_slot_stat_t *stat)
{
  g_autofree gchar *owner = user_name (stat->owner);
  g_autofree gchar *group = group_name (stat->group);
  g_autofree gchar *writer = user_name (stat->writer_uid);
  g_autofree gchar *created = wall_time (stat->created_wall_ns);

  if (stat->state != FC_STATE_RESERVED)
    linef ("Writer", "pid %u of %s%s", stat->writer_pid, writer,
           stat->state == FC_STATE_LIVE ? "" : ", ended");
  linef ("Owner", "%s, group %s", owner, group);
  linef ("Access", "%s may read, %s may hold leases",
         fcctl_share (stat->access), fcctl_share (stat->trust));
  linef ("Created", "%s, generation %u, epoch %u%s", created, stat->generation,
         stat->epoch, stat->reserved ? ", reserved" : "");
}

static void
show_memory (const fc_slot_stat_t *stat)
{
  g_autofree gchar *now = fcctl_bytes (stat->bytes_allocated);
  g_autofree gchar *most = fcctl_bytes (stat->bytes_planned);
  g_autofree gchar *latency = fcctl_duration (stat->latency_ns);

  linef ("Memory", "%s, at most %s; cells: %u out, %u for the writer", now,
         most, stat->cells_out, stat->writer_cells);
  if (stat->latency_ns > 0)
    linef ("Latency", "%s, as the writer declares it", latency);
}

/* Consumers --------------------------------------------------------------- */

typedef struct
{
  const fc_slot_stat_t *stat;
  FcctlTable *table;
  JsonBuilder *json;
} Consumers;

static int
each_consumer (const fc_consumer_stat_t *consumer, void *user_data)
{
  Consumers *consumers = user_data;
  guint64 lag = fcctl_lag (consumers->stat, consumer);
  guint64 behind = fcctl_lag_ns (consumers->stat, lag);
  guint64 now = (guint64) g_get_real_time () * 1000;
  guint64 attached = consumer->attached_wall_ns;

  if (consumers->json != NULL)
    {
      json_builder_begin_object (consumers->json);
      fcctl_json_consumer (consumers->json, consumers->stat, consumer);
      json_builder_end_object (consumers->json);
      return 0;
    }
  fcctl_table_add (
      consumers->table, g_strdup_printf ("%u", consumer->pid),
      user_name (consumer->uid), g_strdup_printf ("%" G_GUINT64_FORMAT, lag),
      behind != FC_TIME_NONE ? fcctl_duration (behind) : g_strdup ("-"),
      g_strdup_printf ("%" G_GUINT64_FORMAT, consumer->delivered),
      g_strdup_printf ("%" G_GUINT64_FORMAT, consumer->dropped),
      g_strdup_printf ("%u", consumer->leases),
      fcctl_duration (now > attached ? now - attached : 0),
      fcctl_escape (consumer->name,
                    strnlen (consumer->name, sizeof consumer->name)),
      NULL);
  return 0;
}

static void
show_consumers (const fc_slot_stat_t *stat, fc_slot_view_t *view)
{
  Consumers consumers = { stat, fcctl_table_new (titles), NULL };
  int r = fc_slot_view_consumers (view, each_consumer, &consumers);

  if (r < 0)
    fcctl_line ("Consumers", fc_error_detail ());
  else
    linef ("Consumers", "%u of %u, each with up to %u leases", stat->consumers,
           stat->max_consumers, stat->leases);
  if (r == 0 && stat->consumers > 0)
    {
      printf ("\n");
      fcctl_table_print (consumers.table, stdout, fcctl_width ());
    }
  fcctl_table_free (consumers.table);
}

/* The command ------------------------------------------------------------- */

static void
show_text (const fc_slot_stat_t *stat, fc_slot_view_t *view)
{
  g_autofree gchar *state = fcctl_colored_state (stat);
  g_autofree gchar *format = fcctl_format (stat->dir, stat->name, 0);

  printf ("%s%s%s  %s\n", fcctl_bold (), stat->name, fcctl_plain (), state);
  fcctl_line ("Directory", stat->dir);
  fcctl_line ("Format", format);
  show_frames (stat);
  show_memory (stat);
  show_owner (stat);
  show_consumers (stat, view);
}

/* The consumers as an array, or null where they may not be seen. */
static JsonNode *
list_consumers (const fc_slot_stat_t *stat, fc_slot_view_t *view)
{
  g_autoptr (JsonBuilder) list = json_builder_new ();
  Consumers consumers = { stat, NULL, list };
  int r;

  json_builder_begin_array (list);
  r = fc_slot_view_consumers (view, each_consumer, &consumers);
  json_builder_end_array (list);
  return r < 0 ? json_node_new (JSON_NODE_NULL) : json_builder_get_root (list);
}

static void
show_json (const fc_slot_stat_t *stat, fc_slot_view_t *view)
{
  g_autoptr (GBytes) format = fcctl_read_format (stat->dir, stat->name);
  JsonBuilder *json = json_builder_new ();

  json_builder_begin_object (json);
  fcctl_json_slot (json, stat, format);
  json_builder_set_member_name (json, "consumer_list");
  json_builder_add_value (json, list_consumers (stat, view));
  json_builder_end_object (json);
  fcctl_print_json (json);
}

int
fcctl_show (int argc, char **argv)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_slot_view_t *view;
  int r;

  if (!fcctl_parse (&argc, &argv, NULL, "SLOT", 1, 1,
                    "Show one slot, and who reads it.", NULL))
    return FCCTL_USAGE;
  r = fc_slot_view_open (&view, fcctl_directory, argv[1]);
  if (r < 0)
    return fcctl_fail (r);
  r = fc_slot_view_stat (view, &stat);
  if (r == 0 && fcctl_json)
    show_json (&stat, view);
  else if (r == 0)
    show_text (&stat, view);
  fc_slot_view_close (view);
  return r < 0 ? fcctl_fail (r) : FCCTL_OK;
}
