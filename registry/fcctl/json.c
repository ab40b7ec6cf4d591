/* framecache: fcctl's JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "fcctl.h"

/* Printing ---------------------------------------------------------------- */

/* TEXT, JSON that json-glib wrote, with what a terminal might act on in JSON's
 * own escapes: it leaves all but ASCII's control characters as they are. */
static gchar *
plain_json (const gchar *text)
{
  GString *out = g_string_new (NULL);

  for (const gchar *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '\n' || fcctl_is_plain (c))
        g_string_append_unichar (out, c);
      else if (c <= 0xffff)
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_printf (out, "\\u%04x\\u%04x",
                                0xd800 + ((c - 0x10000) >> 10),
                                0xdc00 + ((c - 0x10000) & 0x3ff));
    }
  return g_string_free (out, FALSE);
}

static gchar *
write_json (JsonBuilder *builder, gboolean pretty)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree gchar *text = NULL;
  g_autofree gchar *plain = NULL;

  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, pretty);
  text = json_generator_to_data (generator, NULL);
  plain = plain_json (text);
  g_object_unref (builder);
  return g_strconcat (plain, "\n", NULL);
}

gchar *
fcctl_json_line (JsonBuilder *builder)
{
  return write_json (builder, FALSE);
}

static void
print (JsonBuilder *builder, gboolean pretty)
{
  g_autofree gchar *text = write_json (builder, pretty);

  fputs (text, stdout);
}

void
fcctl_print_json (JsonBuilder *builder)
{
  print (builder, TRUE);
}

void
fcctl_print_json_line (JsonBuilder *builder)
{
  print (builder, FALSE);
}

/* Values ------------------------------------------------------------------ */

void
fcctl_json_uint (JsonBuilder *builder, const gchar *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) MIN (value, G_MAXINT64));
}

void
fcctl_json_time (JsonBuilder *builder, const gchar *name, guint64 ns)
{
  if (ns != FC_TIME_NONE)
    {
      fcctl_json_uint (builder, name, ns);
      return;
    }
  json_builder_set_member_name (builder, name);
  json_builder_add_null_value (builder);
}

void
fcctl_json_double (JsonBuilder *builder, const gchar *name, gdouble value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, isfinite (value) ? value : 0);
}

void
fcctl_json_string (JsonBuilder *builder, const gchar *name, const gchar *value)
{
  g_autofree gchar *valid
      = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

  json_builder_set_member_name (builder, name);
  if (valid != NULL)
    json_builder_add_string_value (builder, valid);
  else
    json_builder_add_null_value (builder);
}

void
fcctl_json_bool (JsonBuilder *builder, const gchar *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

/* Text as text, anything else in base64 under a name of its own. */
static void
add_format (JsonBuilder *builder, GBytes *format)
{
  g_autofree gchar *text = NULL;
  gsize size = 0;
  const guchar *data = format != NULL ? g_bytes_get_data (format, &size) : NULL;

  if (g_utf8_validate_len ((const gchar *) data, size, NULL))
    text = g_strndup ((const gchar *) data, size);
  fcctl_json_string (builder, "format", size > 0 ? text : NULL);
  if (text == NULL)
    {
      text = g_base64_encode (data, size);
      fcctl_json_string (builder, "format_base64", text);
    }
}

/* Slots ------------------------------------------------------------------- */

void
fcctl_json_slot (JsonBuilder *builder, const fc_slot_stat_t *stat,
                 GBytes *format)
{
  fcctl_json_string (builder, "name", stat->name);
  fcctl_json_string (builder, "dir", stat->dir);
  fcctl_json_string (builder, "state", fcctl_state (stat));
  fcctl_json_bool (builder, "reserved", stat->reserved != 0);
  add_format (builder, format);
  fcctl_json_uint (builder, "frame_size", stat->frame_size);
  fcctl_json_uint (builder, "ring_depth", stat->ring_depth);
  fcctl_json_uint (builder, "max_consumers", stat->max_consumers);
  fcctl_json_uint (builder, "leases", stat->leases);
  fcctl_json_uint (builder, "writer_cells", stat->writer_cells);
  fcctl_json_string (builder, "access", fcctl_share (stat->access));
  fcctl_json_string (builder, "trust", fcctl_share (stat->trust));
  fcctl_json_uint (builder, "owner", stat->owner);
  fcctl_json_uint (builder, "group", stat->group);
  fcctl_json_uint (builder, "generation", stat->generation);
  fcctl_json_uint (builder, "epoch", stat->epoch);
  fcctl_json_uint (builder, "writer_pid", stat->writer_pid);
  fcctl_json_uint (builder, "writer_uid", stat->writer_uid);
  fcctl_json_time (builder, "consumers",
                   fcctl_sees_consumers (stat) ? stat->consumers
                                               : FC_TIME_NONE);
  fcctl_json_uint (builder, "cells_out", stat->cells_out);
  fcctl_json_uint (builder, "head", stat->head);
  fcctl_json_uint (builder, "first_seq", stat->first_seq);
  fcctl_json_uint (builder, "oldest", stat->oldest);
  fcctl_json_uint (builder, "bytes_total", stat->bytes_total);
  fcctl_json_uint (builder, "bytes_allocated", stat->bytes_allocated);
  fcctl_json_uint (builder, "bytes_planned", stat->bytes_planned);
  fcctl_json_uint (builder, "history_shortened", stat->history_shortened);
  fcctl_json_uint (builder, "writer_dropped", stat->writer_dropped);
  fcctl_json_uint (builder, "latency_ns", stat->latency_ns);
  fcctl_json_uint (builder, "created_wall_ns", stat->created_wall_ns);
  fcctl_json_time (builder, "newest_commit_ns", stat->newest_commit_ns);
  fcctl_json_time (builder, "newest_age_ns",
                   stat->newest_commit_ns != FC_TIME_NONE ? fcctl_age (stat)
                                                          : FC_TIME_NONE);
  fcctl_json_double (builder, "frame_rate", stat->frame_rate);
  fcctl_json_double (builder, "bit_rate", stat->bit_rate);
}

void
fcctl_json_consumer (JsonBuilder *builder, const fc_slot_stat_t *stat,
                     const fc_consumer_stat_t *consumer)
{
  guint64 lag = fcctl_lag (stat, consumer);

  fcctl_json_uint (builder, "entry", consumer->entry);
  fcctl_json_uint (builder, "pid", consumer->pid);
  fcctl_json_uint (builder, "uid", consumer->uid);
  fcctl_json_string (builder, "name", consumer->name);
  fcctl_json_uint (builder, "cursor", consumer->cursor);
  fcctl_json_uint (builder, "lag", lag);
  fcctl_json_time (builder, "lag_ns", fcctl_lag_ns (stat, lag));
  fcctl_json_uint (builder, "delivered", consumer->delivered);
  fcctl_json_uint (builder, "dropped", consumer->dropped);
  fcctl_json_uint (builder, "leases", consumer->leases);
  fcctl_json_bool (builder, "waiting", consumer->waiting != 0);
  fcctl_json_uint (builder, "attached_wall_ns", consumer->attached_wall_ns);
}
