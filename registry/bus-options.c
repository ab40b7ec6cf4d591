/* framecache: options from the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bus-options.h"

#include <math.h>
#include <string.h>

#include "sizes-private.h"

/* One option: how its value gets into its field of FcrSlotOptions. */
typedef struct _Option Option;
struct _Option
{
  const gchar *name;
  gboolean (*take) (const Option *option, GVariant *value,
                    FcrSlotOptions *parsed, GError **error);
  gsize offset;
  guint64 max; /* of a number */
};

/* A number itself; of all else, which may be long, its type. */
static gboolean
refuse (const Option *option, GVariant *value, const gchar *wanted,
        GError **error)
{
  g_autofree gchar *given = NULL;

  if (strchr ("ynqiuxtdb", *g_variant_get_type_string (value)))
    given = g_variant_print (value, FALSE);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    given = g_strdup ("that text");
  else
    given = g_strdup_printf ("a value of type %s",
                             g_variant_get_type_string (value));
  return fcr_sizes_bad (error, "the option %s takes %s, not %s", option->name,
                        wanted, given);
}

/* People and programs write a number in whatever integer type comes first:
 * gdbus makes <5> an i, Python what it is told. FALSE also for negatives. */
static gboolean
get_integer (GVariant *value, guint64 *number)
{
  gint64 n;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BYTE:
      *number = g_variant_get_byte (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT16:
      *number = g_variant_get_uint16 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT32:
      *number = g_variant_get_uint32 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT64:
      *number = g_variant_get_uint64 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT16:
      n = g_variant_get_int16 (value);
      break;
    case G_VARIANT_CLASS_INT32:
      n = g_variant_get_int32 (value);
      break;
    case G_VARIANT_CLASS_INT64:
      n = g_variant_get_int64 (value);
      break;
    default:
      return FALSE;
    }
  *number = (guint64) n;
  return n >= 0;
}

static gboolean
take_integer (const Option *option, GVariant *value, guint64 min,
              guint64 *number, GError **error)
{
  g_autofree gchar *wanted = NULL;

  if (get_integer (value, number) && *number >= min && *number <= option->max)
    return TRUE;
  wanted = g_strdup_printf ("a whole number from %" G_GUINT64_FORMAT
                            " to %" G_GUINT64_FORMAT,
                            min, option->max);
  return refuse (option, value, wanted, error);
}

static gboolean
take_uint (const Option *option, GVariant *value, FcrSlotOptions *parsed,
           GError **error)
{
  guint64 number = 0;

  if (!take_integer (option, value, 1, &number, error))
    return FALSE;
  G_STRUCT_MEMBER (guint, parsed, option->offset) = (guint) number;
  return TRUE;
}

static gboolean
take_uint64 (const Option *option, GVariant *value, FcrSlotOptions *parsed,
             GError **error)
{
  return take_integer (option, value, 1,
                       &G_STRUCT_MEMBER (guint64, parsed, option->offset),
                       error);
}

static gboolean
take_owner (const Option *option, GVariant *value, FcrSlotOptions *parsed,
            GError **error)
{
  guint64 number = 0;

  if (!take_integer (option, value, 0, &number, error))
    return FALSE;
  parsed->owner = (guint) number;
  parsed->owner_set = TRUE;
  return TRUE;
}

static gboolean
take_seconds (const Option *option, GVariant *value, FcrSlotOptions *parsed,
              GError **error)
{
  gdouble seconds = 0;
  guint64 whole;

  if (get_integer (value, &whole))
    seconds = (gdouble) whole;
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    seconds = g_variant_get_double (value);
  if (!isfinite (seconds) || seconds <= 0)
    return refuse (option, value,
                   "a time in seconds above 0, such as 10 or 0.5", error);
  parsed->sizes.seconds = seconds;
  return TRUE;
}

static gboolean
take_rate (const Option *option, GVariant *value, FcrSlotOptions *parsed,
           GError **error)
{
  g_autofree gchar *word = NULL;
  guint64 whole;

  /* Written as a person would, and read where that is read. */
  if (get_integer (value, &whole))
    word = g_strdup_printf ("@%" G_GUINT64_FORMAT, whole);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    {
      gchar number[G_ASCII_DTOSTR_BUF_SIZE];

      g_ascii_formatd (number, sizeof number, "%.10g",
                       g_variant_get_double (value));
      word = g_strconcat ("@", number, NULL);
    }
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    word = g_strconcat ("@", g_variant_get_string (value, NULL), NULL);
  parsed->sizes.fps_n = 0;
  if (word == NULL || !fcr_sizes_parse_word (&parsed->sizes, word, NULL))
    return refuse (option, value,
                   "frames a second, such as 30, 29.97 or '30000/1001'", error);
  return TRUE;
}

static gboolean
take_text (const Option *option, GVariant *value, FcrSlotOptions *parsed,
           GError **error)
{
  gchar **field = &G_STRUCT_MEMBER (gchar *, parsed, option->offset);
  g_autofree gchar *wanted = NULL;
  gsize size = 0;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    g_variant_get_string (value, &size);
  if (size == 0 || size > option->max)
    {
      wanted = g_strdup_printf ("text of 1 to %" G_GUINT64_FORMAT " bytes",
                                option->max);
      return refuse (option, value, wanted, error);
    }
  g_free (*field);
  *field = g_variant_dup_string (value, NULL);
  return TRUE;
}

static gboolean
take_share (const Option *option, GVariant *value, FcrSlotOptions *parsed,
            GError **error)
{
  fc_share_t *field = &G_STRUCT_MEMBER (fc_share_t, parsed, option->offset);
  const gchar *text = "";

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    text = g_variant_get_string (value, NULL);
  if (g_str_equal (text, "user"))
    *field = FC_SHARE_USER;
  else if (g_str_equal (text, "group"))
    *field = FC_SHARE_GROUP;
  else if (g_str_equal (text, "all"))
    *field = FC_SHARE_ALL;
  else
    return refuse (option, value, "'user', 'group' or 'all'", error);
  return TRUE;
}

#define FIELD(name) G_STRUCT_OFFSET (FcrSlotOptions, name)

static const Option options_of_a_slot[] = {
  { "frame-size", take_uint64, FIELD (sizes.frame_size), G_MAXINT64 },
  { "width", take_uint, FIELD (sizes.width), SIDE_MAX },
  { "height", take_uint, FIELD (sizes.height), SIDE_MAX },
  { "pixel-format", take_text, FIELD (sizes.pixels), 32 },
  { "ring-depth", take_uint, FIELD (sizes.ring_depth), FC_CELLS_MAX },
  { "seconds", take_seconds, 0, 0 },
  { "framerate", take_rate, 0, 0 },
  { "format", take_text, FIELD (sizes.format), FC_FORMAT_MAX },
  { "access", take_share, FIELD (sizes.access), 0 },
  { "trust", take_share, FIELD (sizes.trust), 0 },
  /* The largest number is no user's: it means that none is asked for. */
  { "owner", take_owner, 0, G_MAXUINT32 - 1 },
  { "max-consumers", take_uint, FIELD (sizes.max_consumers), FC_CELLS_MAX },
  { "leases", take_uint, FIELD (sizes.leases), FC_CELLS_MAX },
  { "writer-cells", take_uint, FIELD (sizes.writer_cells), FC_CELLS_MAX },
};

static gboolean
refuse_unknown (const gchar *name, const gchar *known, GError **error)
{
  g_autofree gchar *quoted = fcr_sizes_quote (name);

  return fcr_sizes_bad (error, "there is no option %s; there is %s", quoted,
                        known);
}

static const Option *
find_option (const gchar *name, GError **error)
{
  const gchar *names[G_N_ELEMENTS (options_of_a_slot) + 1] = { NULL };
  g_autofree gchar *known = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (options_of_a_slot); i++)
    {
      names[i] = options_of_a_slot[i].name;
      if (g_str_equal (names[i], name))
        return &options_of_a_slot[i];
    }
  known = g_strjoinv (", ", (gchar **) names);
  refuse_unknown (name, known, error);
  return NULL;
}

/* Caps begin with a media type; who writes a raw picture's format there means
 * the other option. */
static gboolean
check_format (const FcrSizes *sizes, GError **error)
{
  if (sizes->format == NULL || fcr_sizes_format (sizes->format) == NULL)
    return TRUE;
  return fcr_sizes_bad (error,
                        "the option format takes caps, such as "
                        "'video/x-raw,format=%s'; a picture's format alone is "
                        "the option pixel-format",
                        sizes->format);
}

gboolean
fcr_slot_options_parse (FcrSlotOptions *parsed, GVariant *options,
                        GError **error)
{
  g_auto (FcrSlotOptions) result = FCR_SLOT_OPTIONS_INIT;

  *parsed = result;
  for (gsize i = 0; i < g_variant_n_children (options); i++)
    {
      g_autoptr (GVariant) value = NULL;
      const Option *option;
      const gchar *name;

      g_variant_get_child (options, i, "{&sv}", &name, &value);
      option = find_option (name, error);
      if (option == NULL || !option->take (option, value, &result, error))
        return FALSE;
    }
  if (!check_format (&result.sizes, error))
    return FALSE;
  *parsed = result;
  result = (FcrSlotOptions) FCR_SLOT_OPTIONS_INIT;
  return TRUE;
}

void
fcr_slot_options_clear (FcrSlotOptions *parsed)
{
  fcr_sizes_clear (&parsed->sizes);
}

gboolean
fcr_flag_option_parse (GVariant *options, const gchar *name, gboolean *value,
                       GError **error)
{
  const Option option = { name, NULL, 0, 0 };

  *value = FALSE;
  for (gsize i = 0; i < g_variant_n_children (options); i++)
    {
      g_autoptr (GVariant) given = NULL;
      const gchar *key;

      g_variant_get_child (options, i, "{&sv}", &key, &given);
      if (!g_str_equal (key, name))
        return refuse_unknown (key, name, error);
      if (!g_variant_is_of_type (given, G_VARIANT_TYPE_BOOLEAN))
        return refuse (&option, given, "true or false", error);
      *value = g_variant_get_boolean (given);
    }
  return TRUE;
}
