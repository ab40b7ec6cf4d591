/* framecache: sizes as a person types them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "sizes-private.h"

#define COUNT_MAX 65535u

/* A plain decimal number, VALUE / SCALE, at *AT, which moves behind it. Not
 * strtod (): that knows hexadecimals, NaN, and the locale's comma. */
static gboolean
take_number (const gchar **at, guint64 *value, guint64 *scale)
{
  const gchar *p = *at;
  gboolean point = FALSE;

  *value = 0;
  *scale = 1;
  if (!g_ascii_isdigit (*p))
    return FALSE;
  for (; g_ascii_isdigit (*p) || (*p == '.' && !point); p++)
    {
      if (*p == '.')
        {
          point = TRUE;
          continue;
        }
      if (!g_uint64_checked_mul (value, *value, 10)
          || !g_uint64_checked_add (value, *value, (guint64) (*p - '0'))
          || (point && !g_uint64_checked_mul (scale, *scale, 10)))
        return FALSE;
    }
  *at = p;
  return p[-1] != '.';
}

static gboolean
take_integer (const gchar **at, guint64 max, guint *value)
{
  guint64 number, scale;

  if (!take_number (at, &number, &scale) || scale != 1 || number == 0
      || number > max)
    return FALSE;
  *value = (guint) number;
  return TRUE;
}

static gboolean
parse_rate (FcrSizes *sizes, const gchar *text, const gchar *quoted,
            GError **error)
{
  const gchar *at = text;
  guint64 n, d, a, b;
  guint below = 1;

  if (sizes->fps_n != 0)
    return fcr_sizes_bad (error, "%s says a frame rate for the second time",
                          quoted);
  if (!take_number (&at, &n, &d)
      || (*at == '/' && (at++, !take_integer (&at, G_MAXINT, &below)))
      || *at != '\0' || !g_uint64_checked_mul (&d, d, below) || d == 0)
    return fcr_sizes_bad (
        error,
        "%s has no frame rate behind its @: that is a number or a "
        "fraction, as in @60, @59.94 or @30000/1001",
        quoted);
  for (a = n, b = d; b != 0;)
    {
      /* cppcheck-suppress zerodivcond ; the loop ends before b is 0 */
      guint64 rest = a % b;

      a = b;
      b = rest;
    }
  n /= a;
  d /= a;
  if (n == 0 || n > G_MAXINT || d > G_MAXINT || n / d > RATE_MAX)
    return fcr_sizes_bad (
        error,
        "%s has a frame rate that will not do: more than 0 and up to "
        "%u frames a second, as in @60",
        quoted, RATE_MAX);
  sizes->fps_n = (guint) n;
  sizes->fps_d = (guint) d;
  return TRUE;
}

static gboolean
parse_picture (FcrSizes *sizes, const gchar *text, const gchar *quoted,
               GError **error)
{
  const gchar *at = text;

  if (sizes->width != 0)
    return fcr_sizes_bad (error, "%s says a picture's size for the second time",
                          quoted);
  if (!take_integer (&at, SIDE_MAX, &sizes->width)
      || g_ascii_tolower (*at++) != 'x'
      || !take_integer (&at, SIDE_MAX, &sizes->height) || *at != '\0')
    {
      sizes->width = sizes->height = 0;
      return fcr_sizes_bad (
          error,
          "%s is no picture's size: that is WIDTHxHEIGHT, each 1 to "
          "%u pixels, as in 1920x1080",
          quoted, SIDE_MAX);
    }
  return TRUE;
}

typedef struct
{
  const gchar *name;
  guint64 factor;
} Unit;

static const Unit *
find_unit (const Unit *units, guint n, const gchar *name)
{
  for (guint i = 0; i < n; i++)
    if (strcmp (units[i].name, name) == 0)
      return &units[i];
  return NULL;
}

static const Unit byte_units[] = {
  { "", 1 },
  { "B", 1 },
  { "kB", 1000 },
  { "MB", 1000 * 1000 },
  { "GB", 1000 * 1000 * 1000 },
  { "KiB", 1 << 10 },
  { "MiB", 1 << 20 },
  { "GiB", 1 << 30 },
};

/* In milliseconds. */
static const Unit time_units[] = {
  { "ms", 1 },
  { "s", 1000 },
  { "min", 60 * 1000 },
  { "h", 60 * 60 * 1000 },
};

static gboolean
set_bytes (FcrSizes *sizes, guint64 value, guint64 scale, guint64 factor,
           const gchar *quoted, GError **error)
{
  guint64 bytes;

  if (sizes->frame_size != 0)
    return fcr_sizes_bad (error, "%s says a frame's bytes for the second time",
                          quoted);
  if (value == 0)
    return fcr_sizes_bad (
        error, "%s: a frame has at least 1 byte, as in 4096 or 64KiB", quoted);
  if (!g_uint64_checked_mul (&bytes, value, factor)
      || bytes / scale > G_MAXINT64)
    return fcr_sizes_bad (error, "%s is more bytes than can be counted here",
                          quoted);
  sizes->frame_size = bytes / scale + (bytes % scale != 0);
  return TRUE;
}

static gboolean
set_time (FcrSizes *sizes, guint64 value, guint64 scale, guint64 factor,
          const gchar *quoted, GError **error)
{
  if (sizes->seconds > 0)
    return fcr_sizes_bad (error, "%s says a time for the second time", quoted);
  if (value == 0)
    return fcr_sizes_bad (
        error, "%s: a history is longer than that, as in 10s or 500ms", quoted);
  sizes->seconds
      = (gdouble) value / (gdouble) scale * (gdouble) factor / 1000.0;
  return TRUE;
}

static gboolean
set_depth (FcrSizes *sizes, guint64 value, guint64 scale, const gchar *quoted,
           GError **error)
{
  if (sizes->ring_depth != 0)
    return fcr_sizes_bad (error, "%s says a depth for the second time", quoted);
  if (scale != 1 || value < 2 || value > FC_CELLS_MAX)
    return fcr_sizes_bad (
        error, "%s is no depth: that is 2 to %u whole frames, as in 120f",
        quoted, FC_CELLS_MAX);
  sizes->ring_depth = (guint) value;
  return TRUE;
}

/* Bytes, a time or a depth, by the unit behind the number. */
static gboolean
parse_amount (FcrSizes *sizes, const gchar *text, gboolean rated,
              const gchar *quoted, GError **error)
{
  const gchar *at = text;
  guint64 value, scale;
  const Unit *unit;

  if (!take_number (&at, &value, &scale))
    return fcr_sizes_bad (
        error,
        "%s has a number with more digits than can be counted "
        "here, or none behind its point",
        quoted);
  unit = find_unit (byte_units, G_N_ELEMENTS (byte_units), at);
  if (unit != NULL)
    return set_bytes (sizes, value, scale, unit->factor, quoted, error);
  unit = find_unit (time_units, G_N_ELEMENTS (time_units), at);
  if (unit != NULL && !rated)
    return set_time (sizes, value, scale, unit->factor, quoted, error);
  if (strcmp (at, "f") == 0 && !rated)
    return set_depth (sizes, value, scale, quoted, error);
  return fcr_sizes_bad (
      error,
      "%s has a unit that is not known%s: bytes are B, kB, MB, GB, "
      "KiB, MiB or GiB%s",
      quoted, rated ? " before its @" : "",
      rated ? ", as in 64KiB@50; a picture is 1920x1080@60"
            : "; times ms, s, min or h; a depth in frames is 120f, a rate @60, "
              "a picture 1920x1080");
}

static gboolean
parse_count (FcrSizes *sizes, const gchar *text, const gchar *quoted,
             GError **error)
{
  const gchar *at = text + 1;

  if (sizes->count != 0)
    return fcr_sizes_bad (error, "%s says how many slots for the second time",
                          quoted);
  if (take_integer (&at, COUNT_MAX, &sizes->count) && *at == '\0')
    return TRUE;
  sizes->count = 0;
  return fcr_sizes_bad (error,
                        "%s is no number of slots: that is x1 to x%u, as in x4",
                        quoted, COUNT_MAX);
}

static gboolean
parse_format (FcrSizes *sizes, const gchar *text, const gchar *quoted,
              GError **error)
{
  const gchar *name = fcr_sizes_format (text);

  if (name == NULL)
    return fcr_sizes_bad (
        error,
        "%s is not understood; a word is a picture's size (1920x1080, "
        "1920x1080@60), a raw video format by GStreamer's name (NV12, "
        "I420, RGBA, v210, ...; of another one say a frame's bytes), "
        "a frame's bytes (4096, 64KiB@50), a time (10s, 500ms), a "
        "depth (120f), or a number of slots (x4)",
        quoted);
  if (sizes->pixels != NULL)
    return fcr_sizes_bad (error, "%s says a format for the second time",
                          quoted);
  sizes->pixels = g_strdup (name);
  return TRUE;
}

gboolean
fcr_sizes_parse_word (FcrSizes *sizes, const gchar *word, GError **error)
{
  g_autofree gchar *quoted = fcr_sizes_quote (word);
  const gchar *rate = strchr (word, '@');
  g_autofree gchar *head
      = g_strndup (word, rate != NULL ? (gsize) (rate - word) : strlen (word));
  gsize digits = strspn (head, "0123456789");
  gboolean done;

  if (digits > 0 && g_ascii_tolower (head[digits]) == 'x')
    done = parse_picture (sizes, head, quoted, error);
  else if (digits > 0)
    done = parse_amount (sizes, head, rate != NULL, quoted, error);
  else if (rate != NULL)
    done = head[0] == '\0'
           || fcr_sizes_bad (
               error,
               "%s: before a frame rate stands a picture's size or a "
               "frame's bytes, as in 1920x1080@60 or 64KiB@50",
               quoted);
  else if (head[0] == 'x' && g_ascii_isdigit (head[1]))
    done = parse_count (sizes, head, quoted, error);
  else
    done = parse_format (sizes, head, quoted, error);
  return done && (rate == NULL || parse_rate (sizes, rate + 1, quoted, error));
}
