/* framecache: a reserved slot, as it was asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <unistd.h>

#include "entry-json.h"
#include "store.h"

static const gchar *const shares[] = { "user", "group", "all" };

/* A number of an entry in JSON: what is 0 is left out. */
typedef struct
{
  const gchar *member;
  guint64 max;
  gsize offset;
  gboolean wide; /* guint64, not guint32 */
} Number;

#define NUMBER(member, max, field)                                             \
  {                                                                            \
    member, max, offsetof (FcrEntry, field),                                   \
        sizeof ((FcrEntry *) NULL)->field == sizeof (guint64)                  \
  }

static const Number numbers[] = {
  NUMBER ("frame-size", G_MAXINT64, frame_size),
  NUMBER ("ring-depth", G_MAXUINT32, ring_depth),
  NUMBER ("max-consumers", G_MAXUINT32, max_consumers),
  NUMBER ("leases", G_MAXUINT32, leases),
  NUMBER ("writer-cells", G_MAXUINT32, writer_cells),
  NUMBER ("observers", 1, observers),
};

FcrEntry *
fcr_entry_new (const gchar *name, const fc_writer_options_t *options,
               uid_t owner)
{
  FcrEntry *entry = g_new0 (FcrEntry, 1);

  entry->name = g_strdup (name);
  entry->frame_size = options->frame_size;
  entry->ring_depth = options->ring_depth;
  entry->max_consumers = options->max_consumers;
  entry->leases = options->leases;
  entry->writer_cells = options->writer_cells;
  entry->observers = options->observers;
  entry->access = options->access;
  entry->trust = options->trust;
  entry->owner_set = owner != geteuid ();
  entry->owner = entry->owner_set ? owner : 0;
  if (options->format_size > 0)
    entry->format = g_bytes_new (options->format, options->format_size);
  return entry;
}

FcrEntry *
fcr_entry_copy (const FcrEntry *entry)
{
  FcrEntry *copy = g_new (FcrEntry, 1);

  *copy = *entry;
  copy->name = g_strdup (entry->name);
  if (entry->format != NULL)
    copy->format = g_bytes_ref (entry->format);
  return copy;
}

void
fcr_entry_free (FcrEntry *entry)
{
  if (entry == NULL)
    return;
  g_clear_pointer (&entry->format, g_bytes_unref);
  g_free (entry->name);
  g_free (entry);
}

void
fcr_entry_options (const FcrEntry *entry, const gchar *dir,
                   fc_writer_options_t *options)
{
  *options = (fc_writer_options_t) FC_WRITER_OPTIONS_INIT;
  options->dir = dir;
  options->frame_size = entry->frame_size;
  options->ring_depth = entry->ring_depth;
  options->max_consumers = entry->max_consumers;
  options->leases = entry->leases;
  options->writer_cells = entry->writer_cells;
  options->observers = entry->observers;
  options->access = entry->access;
  options->trust = entry->trust;
  options->owner_set = entry->owner_set;
  options->owner = entry->owner;
  if (entry->format != NULL)
    {
      gsize size;

      options->format = g_bytes_get_data (entry->format, &size);
      options->format_size = (guint32) size;
    }
}

int
fcr_entry_plan (const FcrEntry *entry, const gchar *dir, fc_plan_t *plan)
{
  fc_writer_options_t options;

  fcr_entry_options (entry, dir, &options);
  if (options.format_size == 0)
    options.format_size = FC_FORMAT_MAX;
  *plan = (fc_plan_t){ .struct_size = sizeof *plan };
  return fc_plan (&options, plan);
}

static gboolean
is_as_asked (guint64 asked, guint64 got)
{
  return asked == 0 || asked == got;
}

gboolean
fcr_entry_is (const FcrEntry *entry, const fc_slot_stat_t *stat)
{
  return is_as_asked (entry->frame_size, stat->frame_size)
         && is_as_asked (entry->ring_depth, stat->ring_depth)
         && is_as_asked (entry->max_consumers, stat->max_consumers)
         && is_as_asked (entry->leases, stat->leases)
         && is_as_asked (entry->writer_cells, stat->writer_cells)
         && entry->access == stat->access && entry->trust == stat->trust
         && stat->owner == (entry->owner_set ? entry->owner : geteuid ());
}

/* JSON --------------------------------------------------------------------- */

static void
format_to_json (GBytes *format, JsonBuilder *builder)
{
  gsize size;
  const gchar *data = g_bytes_get_data (format, &size);

  if (g_utf8_validate_len (data, size, NULL))
    {
      g_autofree gchar *text = g_strndup (data, size);

      json_builder_set_member_name (builder, "format");
      json_builder_add_string_value (builder, text);
    }
  else
    {
      g_autofree gchar *text = g_base64_encode ((const guchar *) data, size);

      json_builder_set_member_name (builder, "format-base64");
      json_builder_add_string_value (builder, text);
    }
}

static guint64
get_number (const FcrEntry *entry, const Number *number)
{
  gconstpointer at = (const gchar *) entry + number->offset;

  return number->wide ? *(const guint64 *) at : *(const guint32 *) at;
}

void
fcr_entry_to_json (const FcrEntry *entry, JsonBuilder *builder)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "name");
  json_builder_add_string_value (builder, entry->name);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (get_number (entry, &numbers[i]) != 0)
      {
        json_builder_set_member_name (builder, numbers[i].member);
        json_builder_add_int_value (builder,
                                    (gint64) get_number (entry, &numbers[i]));
      }
  json_builder_set_member_name (builder, "access");
  json_builder_add_string_value (builder, shares[entry->access]);
  json_builder_set_member_name (builder, "trust");
  json_builder_add_string_value (builder, shares[entry->trust]);
  if (entry->owner_set)
    {
      json_builder_set_member_name (builder, "owner");
      json_builder_add_int_value (builder, entry->owner);
    }
  if (entry->format != NULL)
    format_to_json (entry->format, builder);
  if (entry->removing)
    {
      json_builder_set_member_name (builder, "removing");
      json_builder_add_boolean_value (builder, TRUE);
    }
  json_builder_end_object (builder);
}

/* FALSE where OBJECT's MEMBER is there and is something else. */
static gboolean
take_number (JsonObject *object, const gchar *member, guint64 max,
             guint64 *value)
{
  JsonNode *node = json_object_get_member (object, member);
  gint64 number;

  *value = 0;
  if (node == NULL)
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_INT64)
    return FALSE;
  number = json_node_get_int (node);
  *value = (guint64) number;
  return number >= 0 && (guint64) number <= max;
}

static gboolean
take_text (JsonObject *object, const gchar *member, const gchar **text)
{
  JsonNode *node = json_object_get_member (object, member);

  *text = NULL;
  if (node == NULL)
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_STRING)
    return FALSE;
  *text = json_node_get_string (node);
  return TRUE;
}

static gboolean
take_share (JsonObject *object, const gchar *member, fc_share_t *share)
{
  const gchar *text;

  if (!take_text (object, member, &text))
    return FALSE;
  *share = FC_SHARE_USER;
  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (shares); i++)
    if (strcmp (text, shares[i]) == 0)
      {
        *share = (fc_share_t) i;
        return TRUE;
      }
  return text == NULL;
}

static gboolean
take_numbers (JsonObject *object, FcrEntry *entry)
{
  guint64 owner;

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      gpointer at = (gchar *) entry + numbers[i].offset;
      guint64 value;

      if (!take_number (object, numbers[i].member, numbers[i].max, &value))
        return FALSE;
      if (numbers[i].wide)
        *(guint64 *) at = value;
      else
        *(guint32 *) at = (guint32) value;
    }
  /* The last number is nobody: chown () leaves the owner as it is for it. */
  if (!take_number (object, "owner", G_MAXUINT32 - 1, &owner))
    return FALSE;
  entry->owner = (guint32) owner;
  entry->owner_set = json_object_has_member (object, "owner");
  return entry->frame_size > 0;
}

static gboolean
take_format (JsonObject *object, FcrEntry *entry)
{
  const gchar *text, *base64;
  gsize size;

  if (!take_text (object, "format", &text)
      || !take_text (object, "format-base64", &base64))
    return FALSE;
  if (text != NULL && text[0] != '\0')
    entry->format = g_bytes_new (text, strlen (text));
  else if (base64 != NULL && base64[0] != '\0')
    {
      guchar *data = g_base64_decode (base64, &size);

      entry->format = g_bytes_new_take (data, size);
    }
  return entry->format == NULL
         || (g_bytes_get_size (entry->format) > 0
             && g_bytes_get_size (entry->format) <= FC_FORMAT_MAX);
}

static gboolean
take_removing (JsonObject *object, FcrEntry *entry)
{
  JsonNode *node = json_object_get_member (object, "removing");

  if (node == NULL)
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return FALSE;
  entry->removing = json_node_get_boolean (node);
  return TRUE;
}

FcrEntry *
fcr_entry_from_json (JsonNode *node, GError **error)
{
  g_autoptr (FcrEntry) entry = g_new0 (FcrEntry, 1);
  const gchar *name;
  JsonObject *object;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_FAILED, "a slot is no object");
      return NULL;
    }
  object = json_node_get_object (node);
  if (!take_text (object, "name", &name) || name == NULL || !fcr_is_name (name))
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_FAILED, "a slot has no name");
      return NULL;
    }
  entry->name = g_strdup (name);
  if (!take_numbers (object, entry)
      || !take_share (object, "access", &entry->access)
      || !take_share (object, "trust", &entry->trust)
      || entry->access < entry->trust || !take_format (object, entry)
      || !take_removing (object, entry))
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_FAILED,
                   "slot %s has a member that is out of its range", name);
      return NULL;
    }
  return g_steal_pointer (&entry);
}
