/* framecache: what fcctl writes for people
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fcctl.h"

#define S G_GUINT64_CONSTANT (1000000000)
#define PATIENCE (2 * S) /* with a writer that writes nothing */

/* A number with three digits that count, or as many as it has before the
 * point, and the greatest of the units, FACTOR apart, that it has one of. */
static gchar *
with_unit (gdouble value, gdouble factor, const gchar *const *units)
{
  gsize i = 0;

  /* 999.5 would be written as 1000 of the smaller unit. */
  while (value >= factor - 0.5 && units[i + 1] != NULL)
    {
      value /= factor;
      i++;
    }
  return g_strdup_printf ("%.*f %s",
                          i == 0 || value >= 99.95 ? 0
                          : value >= 9.995         ? 1
                                                   : 2,
                          value, units[i]);
}

gchar *
fcctl_bytes (guint64 bytes)
{
  static const gchar *const units[]
      = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL };

  return with_unit ((gdouble) bytes, 1024, units);
}

gchar *
fcctl_frame_rate (gdouble rate)
{
  if (!isfinite (rate) || rate <= 0)
    return g_strdup ("-");
  if (rate >= 1000)
    return g_strdup_printf ("%.0f/s", rate);
  return g_strdup_printf ("%.4g/s", rate);
}

gchar *
fcctl_bit_rate (gdouble rate)
{
  static const gchar *const units[]
      = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", NULL };

  if (!isfinite (rate) || rate <= 0)
    return g_strdup ("-");
  return with_unit (rate, 1000, units);
}

gchar *
fcctl_duration (guint64 ns)
{
  static const gchar *const units[] = { "ns", "us", "ms", "s", NULL };
  guint64 s = ns / S;

  if (ns == 0)
    return g_strdup ("0 s");
  if (s < 60)
    return with_unit ((gdouble) ns, 1000, units);
  if (s < 3600)
    return g_strdup_printf ("%u min %u s", (guint) (s / 60), (guint) (s % 60));
  if (s < 24 * 3600)
    return g_strdup_printf ("%u h %u min", (guint) (s / 3600),
                            (guint) (s / 60 % 60));
  return g_strdup_printf ("%u d %u h", (guint) (s / 86400),
                          (guint) (s / 3600 % 24));
}

guint64
fcctl_age (const fc_slot_stat_t *stat)
{
  struct timespec now;
  guint64 ns, then = stat->newest_commit_ns;
  gboolean frames = then != FC_TIME_NONE;

  clock_gettime (frames ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
  ns = (guint64) now.tv_sec * S + (guint64) now.tv_nsec;
  if (!frames)
    then = stat->created_wall_ns;
  return ns > then ? ns - then : 0;
}

/* ns since the ring's file was touched: a writer does so when it begins. */
static guint64
since_touched (const fc_slot_stat_t *stat)
{
  g_autofree gchar *path
      = g_strdup_printf ("%s/%s.ring", stat->dir, stat->name);
  struct stat file;
  struct timespec now;
  gint64 ns;

  if (lstat (path, &file) < 0)
    return G_MAXUINT64;
  clock_gettime (CLOCK_REALTIME, &now);
  ns = (gint64) (now.tv_sec - file.st_mtim.tv_sec) * (gint64) S
       + (now.tv_nsec - file.st_mtim.tv_nsec);
  return (guint64) MAX (ns, 0);
}

guint64
fcctl_silence (const fc_slot_stat_t *stat)
{
  guint64 silence
      = stat->newest_commit_ns != FC_TIME_NONE ? fcctl_age (stat) : G_MAXUINT64;

  return silence <= PATIENCE ? silence : MIN (silence, since_touched (stat));
}

guint64
fcctl_lag (const fc_slot_stat_t *stat, const fc_consumer_stat_t *consumer)
{
  return stat->head > consumer->cursor ? stat->head - consumer->cursor : 0;
}

guint64
fcctl_lag_ns (const fc_slot_stat_t *stat, guint64 lag)
{
  if (lag == 0)
    return 0;
  if (!(stat->frame_rate > 0) || (gdouble) lag / stat->frame_rate > 1e9)
    return FC_TIME_NONE;
  return (guint64) (1e9 * (gdouble) lag / stat->frame_rate);
}

static int
pass_over (const fc_consumer_stat_t *consumer, void *user_data)
{
  return 0;
}

gboolean
fcctl_sees_consumers (const fc_slot_stat_t *stat)
{
  return stat->consumers > 0
         || fc_slot_consumers (stat->dir, stat->name, pass_over, NULL) == 0;
}

const gchar *
fcctl_share (fc_share_t share)
{
  return share == FC_SHARE_ALL     ? "all"
         : share == FC_SHARE_GROUP ? "group"
                                   : "user";
}

const gchar *
fcctl_state (const fc_slot_stat_t *stat)
{
  gdouble bound = PATIENCE;

  switch (stat->state)
    {
    case FC_STATE_RESERVED:
      return "reserved";
    case FC_STATE_LIVE:
      if (stat->frame_rate > 0)
        bound = MAX (bound, 5e9 / stat->frame_rate);
      return (gdouble) fcctl_silence (stat) > bound ? "stalled" : "live";
    case FC_STATE_EOS:
      return "eos";
    case FC_STATE_REPLACED:
      return "replaced";
    case FC_STATE_REMOVED:
      return "removed";
    case FC_STATE_LOST:
      return "lost";
    }
  return "unknown";
}

/* Hostile text ------------------------------------------------------------- */

/* Whether C may go to a terminal: it moves nothing, hides nothing and turns
 * nothing round. */
gboolean
fcctl_is_plain (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
      return FALSE;
    default:
      return TRUE;
    }
}

gchar *
fcctl_escape (const void *text, gsize size)
{
  GString *out = g_string_sized_new (size + 1);
  const gchar *p = text, *end = p + size;

  while (p < end)
    {
      gunichar c = g_utf8_get_char_validated (p, end - p);
      gsize length = 1;

      if (c == (gunichar) -1 || c == (gunichar) -2 || c < 0x80)
        c = (guchar) *p;
      else
        length = (gsize) (g_utf8_next_char (p) - p);
      if (length == 1 && (c < 0x20 || c >= 0x7f))
        g_string_append_printf (out, "\\x%02x", c);
      else if (length > 1 && !fcctl_is_plain (c))
        g_string_append_printf (out, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
      else
        g_string_append_len (out, p, (gssize) length);
      p += length;
    }
  return g_string_free (out, FALSE);
}

GBytes *
fcctl_read_format (const char *directory, const char *slot)
{
  gsize capacity = 4096, size = 0;
  int r = -EMSGSIZE;

  /* It may have grown between two looks, but not without end. */
  for (guint i = 0; r == -EMSGSIZE && i < 8; i++)
    {
      g_autofree guchar *data = g_malloc (capacity);

      r = fc_slot_format (directory, slot, data, capacity, &size);
      if (r == 0 && size > 0)
        return g_bytes_new_take (g_steal_pointer (&data), size);
      capacity = MIN (size, FC_FORMAT_MAX);
    }
  return NULL;
}

gchar *
fcctl_format (const char *directory, const char *slot, guint width)
{
  g_autoptr (GBytes) format = fcctl_read_format (directory, slot);
  g_autofree gchar *text = NULL;
  gconstpointer data;
  gsize size;

  if (format == NULL)
    return g_strdup ("-");
  data = g_bytes_get_data (format, &size);
  text = fcctl_escape (data, size);
  return width > 0 ? fcctl_cut (text, width) : g_steal_pointer (&text);
}
