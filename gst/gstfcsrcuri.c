/* framecache: fcsrc by a URI, fc:///cam0?start=oldest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A URI may come from anywhere, a web page or a playlist: it chooses among the
 * slots that a user has, and how one is read, and nothing else.
 */
#include <string.h>

#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

#define EXAMPLE "write it like fc:///cam0 or fc:///cam0?start=oldest"

/* The properties that a query may set; those that this fcsrc does not have are
 * left out. Never the directory, nor whether a bus may start something. */
static const gchar *const keys[] = {
  "start",      "start-time",     "on-lap",
  "on-eos",     "on-writer-lost", "wait-for-slot",
  "timestamps", "memory",         "request-key-frame",
  "spin",       "num-buffers",
};

#define N_KEYS G_N_ELEMENTS (keys)

#define PRESET "preset"

/* What the doc block of fcsrc says of them has to be the same. */
static const struct
{
  const gchar *name;
  const gchar *settings; /* as in a query */
} presets[] = {
  { "live", "start=live&on-lap=latest" },
  { "preview", "start=key-frame&on-eos=wait" },
  { "recorder", "start=oldest&on-lap=oldest&on-eos=eos" },
  { "pre-event", "start-time=-10000000000&on-lap=oldest&on-eos=eos" },
  { "snapshot", "start=key-frame&num-buffers=1" },
  { "analyser", "start=key-frame&timestamps=stream" },
};

/* One for each key, 0 where fcsrc has no such property. */
typedef struct
{
  GValue value[N_KEYS];
} Settings;

static GParamSpec *
gst_fc_src_find_key (GstFcSrc *self, guint i)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (self), keys[i]);
}

static void
settings_init (Settings *settings, GstFcSrc *self)
{
  guint i;

  for (i = 0; i < N_KEYS; i++)
    {
      GParamSpec *pspec = gst_fc_src_find_key (self, i);

      settings->value[i] = (GValue) G_VALUE_INIT;
      if (pspec == NULL)
        continue;
      g_value_init (&settings->value[i], pspec->value_type);
      g_param_value_set_default (pspec, &settings->value[i]);
    }
}

static void
settings_clear (Settings *settings)
{
  guint i;

  for (i = 0; i < N_KEYS; i++)
    if (G_IS_VALUE (&settings->value[i]))
      g_value_unset (&settings->value[i]);
}

/* What is allowed ------------------------------------------------------ */

static gchar *
join (GPtrArray *words)
{
  gchar *text;

  g_ptr_array_add (words, NULL);
  text = g_strjoinv (", ", (gchar **) words->pdata);
  g_ptr_array_unref (words);
  return text;
}

static gchar *
allowed_keys (GstFcSrc *self)
{
  GPtrArray *words = g_ptr_array_new ();
  guint i;

  g_ptr_array_add (words, (gpointer) PRESET);
  for (i = 0; i < N_KEYS; i++)
    if (gst_fc_src_find_key (self, i) != NULL)
      g_ptr_array_add (words, (gpointer) keys[i]);
  return join (words);
}

static gchar *
allowed_presets (void)
{
  GPtrArray *words = g_ptr_array_new ();
  guint i;

  for (i = 0; i < G_N_ELEMENTS (presets); i++)
    g_ptr_array_add (words, (gpointer) presets[i].name);
  return join (words);
}

static gchar *
allowed_values (GParamSpec *pspec)
{
  GPtrArray *words;
  guint i;

  if (G_IS_PARAM_SPEC_ENUM (pspec))
    {
      GEnumClass *klass = G_PARAM_SPEC_ENUM (pspec)->enum_class;

      words = g_ptr_array_new ();
      for (i = 0; i < klass->n_values; i++)
        g_ptr_array_add (words, (gpointer) klass->values[i].value_nick);
      return join (words);
    }
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return g_strdup ("true, false");
  if (G_IS_PARAM_SPEC_INT (pspec))
    return g_strdup_printf ("%d to %d", G_PARAM_SPEC_INT (pspec)->minimum,
                            G_PARAM_SPEC_INT (pspec)->maximum);
  if (G_IS_PARAM_SPEC_INT64 (pspec))
    return g_strdup_printf ("%" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                            ", in nanoseconds",
                            G_PARAM_SPEC_INT64 (pspec)->minimum,
                            G_PARAM_SPEC_INT64 (pspec)->maximum);
  if (G_IS_PARAM_SPEC_UINT64 (pspec))
    return g_strdup_printf ("%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                            ", in nanoseconds",
                            G_PARAM_SPEC_UINT64 (pspec)->minimum,
                            G_PARAM_SPEC_UINT64 (pspec)->maximum);
  return g_strdup_printf ("a %s", g_type_name (pspec->value_type));
}

/* ALLOWED is taken. */
static gboolean
refuse (GError **error, const gchar *key, const gchar *value, gchar *allowed)
{
  g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
               "%s=%s is not possible in a URI of a slot: %s takes %s.", key,
               value, key, allowed);
  g_free (allowed);
  return FALSE;
}

/* Reading -------------------------------------------------------------- */

static gboolean
parse_value (GParamSpec *pspec, const gchar *text, GValue *value)
{
  const GEnumValue *found;

  if (!G_IS_PARAM_SPEC_ENUM (pspec))
    return gst_value_deserialize (value, text)
           && !g_param_value_validate (pspec, value);
  found
      = g_enum_get_value_by_nick (G_PARAM_SPEC_ENUM (pspec)->enum_class, text);
  if (found != NULL)
    g_value_set_enum (value, found->value);
  return found != NULL;
}

static gboolean
settings_set (Settings *settings, GstFcSrc *self, const gchar *key,
              const gchar *text, GError **error)
{
  GParamSpec *pspec = NULL;
  gchar *allowed;
  guint i;

  for (i = 0; i < N_KEYS && !g_str_equal (key, keys[i]); i++)
    ;
  if (i < N_KEYS)
    pspec = gst_fc_src_find_key (self, i);
  if (pspec == NULL)
    {
      allowed = allowed_keys (self);
      g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                   "A URI of a slot can not set \"%s\"; it can set: %s.", key,
                   allowed);
      g_free (allowed);
      return FALSE;
    }
  if (!parse_value (pspec, text, &settings->value[i]))
    return refuse (error, key, text, allowed_values (pspec));
  return TRUE;
}

static void
settings_set_preset (Settings *settings, GstFcSrc *self, guint preset)
{
  gchar **pairs = g_strsplit (presets[preset].settings, "&", -1);
  guint i;

  for (i = 0; pairs[i] != NULL; i++)
    {
      gchar *value = strchr (pairs[i], '=');

      *value++ = '\0';
      if (!settings_set (settings, self, pairs[i], value, NULL))
        GST_INFO_OBJECT (self, "preset %s: this fcsrc does not know %s=%s",
                         presets[preset].name, pairs[i], value);
    }
  g_strfreev (pairs);
}

static gboolean
settings_read_preset (Settings *settings, GstFcSrc *self, const GstUri *uri,
                      GError **error)
{
  const gchar *name = gst_uri_get_query_value (uri, PRESET);
  guint i;

  if (!gst_uri_query_has_key (uri, PRESET))
    return TRUE;
  for (i = 0; i < G_N_ELEMENTS (presets); i++)
    if (g_strcmp0 (name, presets[i].name) == 0)
      {
        settings_set_preset (settings, self, i);
        return TRUE;
      }
  return refuse (error, PRESET, name != NULL ? name : "", allowed_presets ());
}

/* A preset first, wherever it stands: what else is there goes before it. */
static gboolean
settings_read (Settings *settings, GstFcSrc *self, const GstUri *uri,
               GError **error)
{
  GList *names = gst_uri_get_query_keys (uri), *name;
  gboolean ok = settings_read_preset (settings, self, uri, error);

  for (name = names; ok && name != NULL; name = name->next)
    {
      const gchar *value = gst_uri_get_query_value (uri, name->data);

      if (!g_str_equal (name->data, PRESET))
        ok = settings_set (settings, self, name->data,
                           value != NULL ? value : "", error);
    }
  g_list_free (names);
  return ok;
}

/* The one name in URI's path, or NULL: *EMPTY is TRUE where there is nothing
 * else in it either. */
static gchar *
parse_path (const GstUri *uri, gboolean *empty)
{
  GList *segments = gst_uri_get_path_segments (uri), *s = segments;
  gchar *name = NULL;

  /* A path that begins with a slash has an empty segment before it. */
  if (s != NULL && (s->data == NULL || *(gchar *) s->data == '\0'))
    s = s->next;
  else if (s != NULL)
    s = NULL;
  *empty = segments == NULL
           || (s != NULL && s->next == NULL
               && (s->data == NULL || *(gchar *) s->data == '\0'));
  if (!*empty && s != NULL && s->next == NULL)
    name = g_strdup (s->data);
  g_list_free_full (segments, g_free);
  return name;
}

static gchar *
parse_slot (const GstUri *uri, const gchar *text, GError **error)
{
  const gchar *host = gst_uri_get_host (uri), *c;
  gboolean empty;
  gchar *slot = parse_path (uri, &empty);

  if (host != NULL && *host == '\0')
    host = NULL;
  if (gst_uri_get_userinfo (uri) != NULL
      || gst_uri_get_port (uri) != GST_URI_NO_PORT
      || gst_uri_get_fragment (uri) != NULL
      || (host == NULL ? slot == NULL : !empty))
    {
      g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                   "\"%s\" is not a slot's name and settings: " EXAMPLE ".",
                   text);
      g_clear_pointer (&slot, g_free);
      return NULL;
    }
  if (slot != NULL)
    return slot;
  for (c = host; *c != '\0'; c++)
    if (g_ascii_isupper (*c))
      {
        g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                     "In \"%s\" capital letters may get lost on the way: write"
                     " fc:///%s.",
                     text, host);
        return NULL;
      }
  return g_strdup (host);
}

/* The interface -------------------------------------------------------- */

static gboolean
gst_fc_src_may_change (GstFcSrc *self, GError **error)
{
  gboolean stopped;

  GST_OBJECT_LOCK (self);
  stopped = MAX (GST_STATE (self), GST_STATE_NEXT (self)) <= GST_STATE_READY;
  GST_OBJECT_UNLOCK (self);
  if (!stopped)
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                 "%s is reading a slot: set it to READY before it gets another"
                 " URI.",
                 GST_OBJECT_NAME (self));
  return stopped;
}

static void
gst_fc_src_apply (GstFcSrc *self, const gchar *slot, const Settings *settings)
{
  GObject *object = G_OBJECT (self);
  guint i;

  g_object_freeze_notify (object);
  g_object_set (object, "slot", slot, NULL);
  for (i = 0; i < N_KEYS; i++)
    if (G_IS_VALUE (&settings->value[i]))
      g_object_set_property (object, keys[i], &settings->value[i]);
  g_object_thaw_notify (object);
}

/* A sentence quotes what was written; that may be no text, or text that a
 * terminal acts on. Takes FAILED. */
static void
say (GError **error, GError *failed)
{
  gchar *valid = g_utf8_make_valid (failed->message, -1);
  GString *plain = g_string_new (NULL);
  const gchar *c;

  for (c = valid; *c != '\0'; c = g_utf8_next_char (c))
    if (g_unichar_isprint (g_utf8_get_char (c)))
      g_string_append_unichar (plain, g_utf8_get_char (c));
    else
      g_string_append_c (plain, '?');
  g_set_error_literal (error, failed->domain, failed->code, plain->str);
  g_string_free (plain, TRUE);
  g_error_free (failed);
  g_free (valid);
}

/* Whether each % begins a byte that is not 0. GStreamer 1.22's parser ends the
 * process at the key of a query where one does not. */
static gboolean
is_escaped (const gchar *text)
{
  for (; (text = strchr (text, '%')) != NULL; text++)
    if (!g_ascii_isxdigit (text[1]) || !g_ascii_isxdigit (text[2])
        || (text[1] == '0' && text[2] == '0'))
      return FALSE;
  return TRUE;
}

static gboolean
set_uri (GstFcSrc *self, const gchar *text, GError **error)
{
  GstUri *uri = is_escaped (text) ? gst_uri_from_string (text) : NULL;
  gchar *slot = NULL;
  Settings settings;

  if (uri == NULL)
    {
      g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                   "\"%s\" is not a URI: " EXAMPLE ".", text);
      return FALSE;
    }
  settings_init (&settings, self);
  slot = parse_slot (uri, text, error);
  if (slot != NULL
      && (!settings_read (&settings, self, uri, error)
          || !gst_fc_src_may_change (self, error)))
    g_clear_pointer (&slot, g_free);
  if (slot != NULL)
    gst_fc_src_apply (self, slot, &settings);
  settings_clear (&settings);
  gst_uri_unref (uri);
  g_free (slot);
  return slot != NULL;
}

static gboolean
gst_fc_src_set_uri (GstURIHandler *handler, const gchar *text, GError **error)
{
  GError *failed = NULL;

  if (set_uri (GST_FC_SRC (handler), text, &failed))
    return TRUE;
  say (error, failed);
  return FALSE;
}

static gchar *
value_to_text (GParamSpec *pspec, const GValue *value)
{
  const GEnumValue *found;

  if (!G_IS_PARAM_SPEC_ENUM (pspec))
    return gst_value_serialize (value);
  found = g_enum_get_value (G_PARAM_SPEC_ENUM (pspec)->enum_class,
                            g_value_get_enum (value));
  return found != NULL ? g_strdup (found->value_nick) : NULL;
}

static void
append_setting (GString *uri, GstFcSrc *self, guint i)
{
  GParamSpec *pspec = gst_fc_src_find_key (self, i);
  GValue value = G_VALUE_INIT;
  gchar *text = NULL;

  if (pspec == NULL)
    return;
  g_value_init (&value, pspec->value_type);
  g_object_get_property (G_OBJECT (self), keys[i], &value);
  if (!g_param_value_defaults (pspec, &value))
    text = value_to_text (pspec, &value);
  if (text != NULL)
    {
      g_string_append_c (uri, strchr (uri->str, '?') == NULL ? '?' : '&');
      g_string_append_printf (uri, "%s=", keys[i]);
      g_string_append_uri_escaped (uri, text, NULL, FALSE);
    }
  g_free (text);
  g_value_unset (&value);
}

static gchar *
gst_fc_src_get_uri (GstURIHandler *handler)
{
  GstFcSrc *self = GST_FC_SRC (handler);
  GString *uri;
  gchar *slot;
  guint i;

  g_object_get (self, "slot", &slot, NULL);
  if (slot == NULL)
    return NULL;
  uri = g_string_new ("fc:///");
  g_string_append_uri_escaped (uri, slot, NULL, FALSE);
  for (i = 0; i < N_KEYS; i++)
    append_setting (uri, self, i);
  g_free (slot);
  return g_string_free (uri, FALSE);
}

static GstURIType
gst_fc_src_get_uri_type (GType type)
{
  return GST_URI_SRC;
}

static const gchar *const *
gst_fc_src_get_protocols (GType type)
{
  static const gchar *const protocols[] = { "fc", NULL };

  return protocols;
}

void
gst_fc_src_uri_handler_init (gpointer g_iface, gpointer iface_data)
{
  GstURIHandlerInterface *iface = g_iface;

  iface->get_type = gst_fc_src_get_uri_type;
  iface->get_protocols = gst_fc_src_get_protocols;
  iface->get_uri = gst_fc_src_get_uri;
  iface->set_uri = gst_fc_src_set_uri;
}
