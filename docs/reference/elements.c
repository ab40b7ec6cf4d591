/* The reference of the elements, from what they say of themselves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   elements TEMPLATE > elements.md
 *
 * A line of the template that begins with an @ asks for something:
 *
 *   @about ELEMENT        what it is, as its factory says
 *   @pads ELEMENT         its pad templates
 *   @properties ELEMENT   those of its own, and the values of its enumerations
 *   @inherited ELEMENT    those of its base classes that begin otherwise here
 *   @presets, @keys       what a URI may say
 *   @fields ELEMENT       its stats; or @fields device, the properties of a
 *                         device. "name: what it is" for each follows, then
 *                         @end. One that is missing or not there is an error.
 *
 * All others stay as they are. Only what the elements themselves bring is
 * printed, so that the page is the same whatever GStreamer's version is.
 */
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <string.h>

#include "fc.h"

static void G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN die (const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  g_vfprintf (stderr, format, args);
  va_end (args);
  g_fprintf (stderr, "\n");
  exit (1);
}

static GstElement *
make (const gchar *name)
{
  GstElement *element = gst_element_factory_make (name, NULL);

  if (element == NULL)
    die ("%s: no such element; GST_PLUGIN_PATH_1_0 has to lead to it", name);
  return gst_object_ref_sink (element);
}

/* Numbers ----------------------------------------------------------------- */

/* 18446744073709551615 says less than 2^64 - 1. */
static gchar *
number_to_text (gboolean negative, guint64 size)
{
  const gchar *sign = negative ? "-" : "";
  guint bits = 31;

  for (; bits < 64; bits++)
    if (size == G_GUINT64_CONSTANT (1) << bits)
      return g_strdup_printf ("%s2^%u", sign, bits);
    else if (size == (G_GUINT64_CONSTANT (1) << bits) - 1)
      return g_strdup_printf ("%s2^%u - 1", sign, bits);
  if (size == G_MAXUINT64)
    return g_strdup ("2^64 - 1");
  return g_strdup_printf ("%s%" G_GUINT64_FORMAT, sign, size);
}

static gchar *
integer_to_text (const GValue *value)
{
  GValue wide = G_VALUE_INIT;
  gboolean is_unsigned
      = G_VALUE_HOLDS_UINT (value) || G_VALUE_HOLDS_UINT64 (value);
  gchar *text;
  gint64 n;

  g_value_init (&wide, is_unsigned ? G_TYPE_UINT64 : G_TYPE_INT64);
  g_value_transform (value, &wide);
  if (is_unsigned)
    text = number_to_text (FALSE, g_value_get_uint64 (&wide));
  else
    {
      n = g_value_get_int64 (&wide);
      text = number_to_text (n < 0, n < 0 ? -(guint64) n : (guint64) n);
    }
  g_value_unset (&wide);
  return text;
}

static gchar *
value_to_text (const GValue *value)
{
  if (G_VALUE_HOLDS_ENUM (value))
    {
      GEnumClass *klass = g_type_class_peek (G_VALUE_TYPE (value));
      const GEnumValue *found
          = g_enum_get_value (klass, g_value_get_enum (value));

      return g_strdup_printf ("`%s`", found->value_nick);
    }
  if (G_VALUE_HOLDS_BOOLEAN (value))
    return g_strdup (g_value_get_boolean (value) ? "true" : "false");
  if (G_VALUE_HOLDS_STRING (value) || G_VALUE_HOLDS_BOXED (value))
    return g_strdup ("");
  return integer_to_text (value);
}

/* Properties -------------------------------------------------------------- */

static gchar *
range_to_text (GParamSpec *pspec)
{
  GValue lowest = G_VALUE_INIT, highest = G_VALUE_INIT;
  gchar *from, *to, *text;

#define RANGE(type, get)                                                       \
  if (G_IS_PARAM_SPEC_##type (pspec))                                          \
    {                                                                          \
      g_value_init (&lowest, pspec->value_type);                               \
      g_value_init (&highest, pspec->value_type);                              \
      g_value_set_##get (&lowest, G_PARAM_SPEC_##type (pspec)->minimum);       \
      g_value_set_##get (&highest, G_PARAM_SPEC_##type (pspec)->maximum);      \
    }
  RANGE (INT, int)
  RANGE (UINT, uint)
  RANGE (INT64, int64)
  RANGE (UINT64, uint64)
#undef RANGE
  if (!G_IS_VALUE (&lowest) || (pspec->flags & G_PARAM_WRITABLE) == 0)
    return g_strdup ("");
  from = integer_to_text (&lowest);
  to = integer_to_text (&highest);
  text = g_strdup_printf (", %s to %s", from, to);
  g_free (from);
  g_free (to);
  return text;
}

static const gchar *
type_to_text (GType type)
{
  if (g_type_is_a (type, G_TYPE_ENUM))
    return "enum";
  if (type == G_TYPE_STRING)
    return "string";
  if (type == GST_TYPE_STRUCTURE)
    return "structure";
  if (type == GST_TYPE_LIST)
    return "list";
  if (type == G_TYPE_BOOLEAN)
    return "boolean";
  return g_type_name (type) + (g_str_has_prefix (g_type_name (type), "g"));
}

static const gchar *
changeable (GParamSpec *pspec)
{
  if ((pspec->flags & G_PARAM_WRITABLE) == 0)
    return "read only";
  if ((pspec->flags & GST_PARAM_MUTABLE_PLAYING) != 0)
    return "at any time";
  if ((pspec->flags & GST_PARAM_MUTABLE_READY) != 0)
    return "in NULL, READY";
  die ("%s: it is not said when it can be changed", pspec->name);
}

static void
print_property (const gchar *name, GParamSpec *pspec)
{
  gchar *range = range_to_text (pspec);
  gchar *initial = value_to_text (g_param_spec_get_default_value (pspec));

  g_print ("| <a id=\"%s-%s\"></a>`%s` | %s%s | %s | %s | %s |\n", name,
           pspec->name, pspec->name, type_to_text (pspec->value_type), range,
           (pspec->flags & G_PARAM_WRITABLE) != 0 ? initial : "",
           changeable (pspec), g_param_spec_get_blurb (pspec));
  g_free (range);
  g_free (initial);
}

static void
print_enum (GParamSpec *pspec)
{
  GEnumClass *klass = G_PARAM_SPEC_ENUM (pspec)->enum_class;
  guint i;

  g_print ("\n| `%s` | meaning |\n| --- | --- |\n", pspec->name);
  for (i = 0; i < klass->n_values; i++)
    g_print ("| `%s` | %s |\n", klass->values[i].value_nick,
             klass->values[i].value_name);
}

typedef void (*PropertyFunc) (GstElement *element, const gchar *name,
                              GParamSpec *pspec);

static void
for_each_property (const gchar *name, gboolean own, PropertyFunc func)
{
  GstElement *element = make (name);
  GParamSpec **pspecs;
  guint n, i;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (i = 0; i < n; i++)
    if ((pspecs[i]->owner_type == G_OBJECT_TYPE (element)) == own)
      func (element, name, pspecs[i]);
  g_free (pspecs);
  gst_object_unref (element);
}

static void
property_row (GstElement *element, const gchar *name, GParamSpec *pspec)
{
  print_property (name, pspec);
}

static void
property_values (GstElement *element, const gchar *name, GParamSpec *pspec)
{
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    print_enum (pspec);
}

static void
print_properties (const gchar *name)
{
  g_print ("| property | type | default | can be set | meaning |\n"
           "| --- | --- | --- | --- | --- |\n");
  for_each_property (name, TRUE, property_row);
  for_each_property (name, TRUE, property_values);
}

/* Where the class begins otherwise than the base class says. */
static void
inherited_row (GstElement *element, const gchar *name, GParamSpec *pspec)
{
  GValue value = G_VALUE_INIT;
  gchar *text, *usual;

  if (!G_IS_PARAM_SPEC_BOOLEAN (pspec) && !G_IS_PARAM_SPEC_UINT64 (pspec)
      && !G_IS_PARAM_SPEC_INT64 (pspec) && !G_IS_PARAM_SPEC_INT (pspec)
      && !G_IS_PARAM_SPEC_UINT (pspec))
    return;
  g_value_init (&value, pspec->value_type);
  g_object_get_property (G_OBJECT (element), pspec->name, &value);
  if (!g_param_value_defaults (pspec, &value))
    {
      text = value_to_text (&value);
      usual = value_to_text (g_param_spec_get_default_value (pspec));
      g_print ("| `%s` | %s | %s |\n", pspec->name, text, usual);
      g_free (text);
      g_free (usual);
    }
  g_value_unset (&value);
}

static void
print_inherited (const gchar *name)
{
  g_print ("| property | here | elsewhere |\n| --- | --- | --- |\n");
  for_each_property (name, FALSE, inherited_row);
}

/* Elements ---------------------------------------------------------------- */

static void
print_about (const gchar *name)
{
  GstElement *element = make (name);
  GstElementFactory *factory = gst_element_get_factory (element);

  g_print (
      "%s. Class `%s`.\n",
      gst_element_factory_get_metadata (factory,
                                        GST_ELEMENT_METADATA_DESCRIPTION),
      gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS));
  gst_object_unref (element);
}

static void
print_pads (const gchar *name)
{
  GstElement *element = make (name);
  const GList *item;

  g_print ("| pad | direction | there | caps |\n"
           "| --- | --- | --- | --- |\n");
  item = gst_element_factory_get_static_pad_templates (
      gst_element_get_factory (element));
  for (; item != NULL; item = item->next)
    {
      const GstStaticPadTemplate *pad = item->data;

      g_print ("| `%s` | %s | %s | %s |\n", pad->name_template,
               pad->direction == GST_PAD_SRC ? "out" : "in",
               pad->presence == GST_PAD_ALWAYS ? "always" : "sometimes",
               pad->static_caps.string);
    }
  gst_object_unref (element);
}

/* URIs -------------------------------------------------------------------- */

/* What an impossible URI is answered with ends with what is possible. */
static gchar **
allowed (GstElement *source, const gchar *uri, const gchar *before)
{
  GError *error = NULL;
  const gchar *list;
  gchar **words;

  if (gst_uri_handler_set_uri (GST_URI_HANDLER (source), uri, &error))
    die ("%s: this should not be possible", uri);
  list = strstr (error->message, before);
  if (list == NULL)
    die ("%s: \"%s\" does not say what is possible", uri, error->message);
  words = g_strsplit (list + strlen (before), ", ", -1);
  /* The full stop. */
  words[g_strv_length (words) - 1]
       [strlen (words[g_strv_length (words) - 1]) - 1]
      = '\0';
  g_error_free (error);
  return words;
}

static void
print_keys (void)
{
  GstElement *source = make ("fcsrc");
  gchar **keys = allowed (source, "fc:///a?nothing=0", "it can set: ");
  guint i;

  for (i = 0; keys[i] != NULL; i++)
    g_print ("%s`%s`", i == 0 ? "" : ", ", keys[i]);
  g_print (".\n");
  g_strfreev (keys);
  gst_object_unref (source);
}

static void
print_presets (void)
{
  GstElement *source = make ("fcsrc");
  gchar **presets = allowed (source, "fc:///a?preset=nothing", "preset takes ");
  guint i;

  g_print ("| preset | is the same as |\n| --- | --- |\n");
  for (i = 0; presets[i] != NULL; i++)
    {
      gchar *uri = g_strconcat ("fc:///cam0?preset=", presets[i], NULL), *full;

      if (!gst_uri_handler_set_uri (GST_URI_HANDLER (source), uri, NULL))
        die ("%s: can not be set", uri);
      full = gst_uri_handler_get_uri (GST_URI_HANDLER (source));
      g_print ("| `%s` | `%s` |\n", presets[i], full);
      g_free (uri);
      g_free (full);
    }
  g_strfreev (presets);
  gst_object_unref (source);
}

/* Structures -------------------------------------------------------------- */

/* Of a slot that is only reserved, in a directory of its own. */
static GstStructure *
device_properties (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  gchar *dir = g_strdup ("/dev/shm/fc-reference-XXXXXX"), *lock;
  GstDeviceProvider *provider;
  GstStructure *properties;
  GList *devices;

  if (g_mkdtemp (dir) == NULL)
    die ("%s: can not be made", dir);
  g_setenv ("FC_DIR", dir, TRUE);
  options.frame_size = 1;
  if (fc_slot_reserve ("cam0", &options) < 0)
    die ("%s", fc_error_detail ());
  provider = gst_device_provider_factory_get_by_name ("fcdeviceprovider");
  devices
      = provider != NULL ? gst_device_provider_get_devices (provider) : NULL;
  properties
      = devices != NULL ? gst_device_get_properties (devices->data) : NULL;
  g_list_free_full (devices, gst_object_unref);
  gst_clear_object (&provider);
  (void) fc_slot_remove (dir, "cam0", 1);
  (void) fc_slot_gc (dir, NULL, 0);
  lock = g_build_filename (dir, "cam0.lock", NULL);
  (void) g_unlink (lock);
  (void) g_rmdir (dir);
  g_free (lock);
  g_free (dir);
  if (properties == NULL)
    die ("fcdeviceprovider does not show a slot");
  return properties;
}

static GstStructure *
structure_of (const gchar *name)
{
  GstStructure *structure = NULL;
  GstElement *element;

  if (g_str_equal (name, "device"))
    return device_properties ();
  element = make (name);
  g_object_get (element, "stats", &structure, NULL);
  gst_object_unref (element);
  return structure;
}

/* LINES: what is said of the fields, from the one after @fields on. Returns
 * how many there were, with the @end. */
static guint
print_fields (const gchar *name, gchar **lines)
{
  GstStructure *structure = structure_of (name);
  guint n = 0;

  g_print ("| field | type | meaning |\n| --- | --- | --- |\n");
  for (; lines[n] != NULL && !g_str_equal (lines[n], "@end"); n++)
    {
      gchar **words = g_strsplit (lines[n], ": ", 2);

      if (words[0] == NULL || words[1] == NULL)
        die ("%s: \"%s\" is no name and words", name, lines[n]);
      if (!gst_structure_has_field (structure, words[0]))
        die ("%s has no field %s", name, words[0]);
      g_print (
          "| `%s` | %s | %s |\n", words[0],
          type_to_text (gst_structure_get_field_type (structure, words[0])),
          words[1]);
      gst_structure_remove_field (structure, words[0]);
      g_strfreev (words);
    }
  if (lines[n] == NULL)
    die ("@fields %s: no @end", name);
  if (gst_structure_n_fields (structure) > 0)
    die ("%s: nothing is said of %s", name,
         gst_structure_nth_field_name (structure, 0));
  gst_structure_free (structure);
  return n + 1;
}

/* The page ---------------------------------------------------------------- */

/* Returns how many of the lines after AT were taken. */
static guint
print_line (gchar **at)
{
  const gchar *line = *at, *name = strchr (line, ' ');

  name = name != NULL ? name + 1 : "";
  if (line[0] != '@')
    g_print ("%s\n", line);
  else if (g_str_has_prefix (line, "@about "))
    print_about (name);
  else if (g_str_has_prefix (line, "@pads "))
    print_pads (name);
  else if (g_str_has_prefix (line, "@properties "))
    print_properties (name);
  else if (g_str_has_prefix (line, "@inherited "))
    print_inherited (name);
  else if (g_str_equal (line, "@presets"))
    print_presets ();
  else if (g_str_equal (line, "@keys"))
    print_keys ();
  else if (g_str_has_prefix (line, "@fields "))
    return print_fields (name, at + 1);
  else
    die ("%s: unknown", line);
  return 0;
}

int
main (int argc, char **argv)
{
  gchar *text, **lines, **at;
  GError *error = NULL;

  gst_init (&argc, &argv);
  if (argc != 2)
    die ("usage: elements TEMPLATE > elements.md");
  if (!g_file_get_contents (argv[1], &text, NULL, &error))
    die ("%s", error->message);
  g_strchomp (text);
  lines = g_strsplit (text, "\n", -1);
  for (at = lines; *at != NULL; at++)
    at += print_line (at);
  g_strfreev (lines);
  g_free (text);
  return 0;
}
