/* framecache: formats that are GStreamer's caps, read without GStreamer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Only as far as a table needs it: the first structure, and of its fields those
 * that have one value. What is no caps is not an error, it has no fields.
 */
#include <math.h>
#include <string.h>

#include "fcctl.h"

/* The end of the value at P: the comma, semicolon or end that is in no quotes
 * and no brackets. */
static const gchar *
value_end (const gchar *p)
{
  guint depth = 0;
  gboolean quoted = FALSE;

  for (; *p != '\0'; p++)
    {
      if (*p == '\\' && p[1] != '\0')
        p++;
      else if (*p == '"')
        quoted = !quoted;
      else if (quoted)
        continue;
      else if (strchr ("{[<(", *p) != NULL)
        depth++;
      else if (strchr ("}]>)", *p) != NULL)
        depth -= depth > 0;
      else if (depth == 0 && (*p == ',' || *p == ';'))
        break;
    }
  return p;
}

gchar *
fcctl_caps_type (const gchar *caps)
{
  gsize length = strcspn (caps, ",;( ");

  if (length < 3 || memchr (caps, '/', length) == NULL)
    return NULL;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (caps[i]) && strchr ("/-+._", caps[i]) == NULL)
      return NULL;
  return g_strndup (caps, length);
}

gchar *
fcctl_caps_field (const gchar *caps, const gchar *field)
{
  gsize length = strlen (field);
  const gchar *p = value_end (caps), *end;

  for (; *p == ','; p = end)
    {
      p++;
      while (g_ascii_isspace (*p))
        p++;
      end = value_end (p);
      if (strncmp (p, field, length) != 0 || p[length] != '=')
        continue;
      p += length + 1;
      if (*p == '(' && memchr (p, ')', (gsize) (end - p)) != NULL)
        p = strchr (p, ')') + 1;
      if (p == end || strchr ("{[<\"", *p) != NULL)
        return NULL;
      return g_strchomp (g_strndup (p, (gsize) (end - p)));
    }
  return NULL;
}

static guint
number_field (const gchar *caps, const gchar *field)
{
  g_autofree gchar *text = fcctl_caps_field (caps, field);
  guint64 value;

  if (text == NULL
      || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT, &value, NULL))
    return 0;
  return (guint) value;
}

gdouble
fcctl_caps_rate (const gchar *caps)
{
  g_autofree gchar *text = fcctl_caps_field (caps, "framerate");
  gchar *end;
  gdouble n, d = 1;

  if (text == NULL)
    return 0;
  n = g_ascii_strtod (text, &end);
  if (*end == '/')
    d = g_ascii_strtod (end + 1, &end);
  return *end == '\0' && isfinite (n) && n > 0 && d > 0 ? n / d : 0;
}

gchar *
fcctl_caps_short (const gchar *caps)
{
  g_autofree gchar *type = fcctl_caps_type (caps);
  g_autofree gchar *raw = NULL;
  const gchar *name;

  if (type == NULL)
    return g_strdup (caps);
  name = strchr (type, '/') + 1;
  if (g_str_equal (name, "x-raw"))
    raw = fcctl_caps_field (caps, "format");
  if (raw != NULL)
    return g_steal_pointer (&raw);
  return g_strdup (g_str_has_prefix (name, "x-") ? name + 2 : type);
}

gchar *
fcctl_caps_size (const gchar *caps)
{
  guint width = number_field (caps, "width");
  guint height = number_field (caps, "height");
  guint rate = number_field (caps, "rate");
  guint channels = number_field (caps, "channels");

  if (width > 0 && height > 0)
    return g_strdup_printf ("%ux%u", width, height);
  if (rate > 0 && channels > 0)
    return g_strdup_printf ("%uHzx%u", rate, channels);
  return NULL;
}
