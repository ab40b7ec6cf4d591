/* framecache: what a late joiner of a stream is told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The block is text. Its first line names the layout; every other line is a
 * GstStructure: one "stream", one "segment", and a "tags" for either scope.
 * Readers pass over structures and fields that they do not know.
 */
#include <string.h>

#include "gstfccommon.h"
#include "gstfcsticky.h"

#define LAYOUT "framecache-gst 1\n"
/* The longest value of a tag that travels, in bytes of its text. */
#define TAG_MAX 4096

void
gst_fc_sticky_clear (GstFcSticky *self)
{
  g_clear_pointer (&self->stream_id, g_free);
  gst_clear_tag_list (&self->tags[0]);
  gst_clear_tag_list (&self->tags[1]);
  self->stream_flags = 0;
  self->has_segment = FALSE;
}

static gboolean
gst_fc_sticky_take_stream_start (GstFcSticky *self, GstEvent *event)
{
  const gchar *id;
  GstStreamFlags flags;

  gst_event_parse_stream_start (event, &id);
  gst_event_parse_stream_flags (event, &flags);
  if (g_strcmp0 (id, self->stream_id) == 0 && flags == self->stream_flags)
    return FALSE;
  gst_fc_sticky_clear (self);
  self->stream_id = g_strdup (id);
  self->stream_flags = flags;
  return TRUE;
}

gboolean
gst_fc_sticky_take (GstFcSticky *self, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event))
    {
    case GST_EVENT_STREAM_START:
      return gst_fc_sticky_take_stream_start (self, event);
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, &self->segment);
      self->has_segment = TRUE;
      return TRUE;
    case GST_EVENT_TAG:
      {
        GstTagList *tags;
        guint scope;

        gst_event_parse_tag (event, &tags);
        scope = gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL;
        if (self->tags[scope] != NULL
            && gst_tag_list_is_equal (self->tags[scope], tags))
          return FALSE;
        gst_tag_list_replace (&self->tags[scope], tags);
        return TRUE;
      }
    default:
      return FALSE;
    }
}

static void
append_structure (GString *block, GstStructure *s)
{
  gchar *line = gst_structure_to_string (s);

  g_string_append (block, line);
  g_string_append_c (block, '\n');
  g_free (line);
  gst_structure_free (s);
}

static void
append_segment (GString *block, const GstSegment *segment)
{
  append_structure (
      block,
      gst_structure_new (
          "segment", "flags", G_TYPE_UINT, (guint) segment->flags, "rate",
          G_TYPE_DOUBLE, segment->rate, "applied-rate", G_TYPE_DOUBLE,
          segment->applied_rate, "format", GST_TYPE_FORMAT, segment->format,
          "base", G_TYPE_UINT64, segment->base, "offset", G_TYPE_UINT64,
          segment->offset, "start", G_TYPE_UINT64, segment->start, "stop",
          G_TYPE_UINT64, segment->stop, "time", G_TYPE_UINT64, segment->time,
          "position", G_TYPE_UINT64, segment->position, "duration",
          G_TYPE_UINT64, segment->duration, NULL));
}

/* Pictures and what else comes as a buffer are left out, and so is what is
 * over-long. */
static gboolean
tag_travels (const GValue *value)
{
  gchar *text;
  gboolean travels;

  if (value == NULL || G_VALUE_HOLDS (value, GST_TYPE_SAMPLE)
      || G_VALUE_HOLDS (value, GST_TYPE_BUFFER))
    return FALSE;
  text = gst_value_serialize (value);
  travels = text != NULL && strlen (text) <= TAG_MAX;
  g_free (text);
  return travels;
}

static void
append_tags (GString *block, const GstTagList *tags, GString *left_out)
{
  GstTagList *copy = gst_tag_list_copy (tags);
  gsize before = block->len;
  gint i;

  for (i = 0; i < gst_tag_list_n_tags (tags); i++)
    {
      const gchar *name = gst_tag_list_nth_tag_name (tags, i);

      if (!tag_travels (gst_tag_list_get_value_index (tags, name, 0)))
        {
          gst_tag_list_remove_tag (copy, name);
          g_string_append_printf (left_out, "%s ", name);
        }
    }
  if (!gst_tag_list_is_empty (copy))
    append_structure (
        block, gst_structure_new ("tags", "scope", G_TYPE_UINT,
                                  (guint) gst_tag_list_get_scope (tags), "list",
                                  GST_TYPE_TAG_LIST, copy, NULL));
  if (block->len > FC_STICKY_MAX)
    {
      g_string_truncate (block, before);
      g_string_append (left_out, "(all, they are too many) ");
    }
  gst_tag_list_unref (copy);
}

GString *
gst_fc_sticky_serialize (const GstFcSticky *self, gchar **left_out)
{
  GString *block = g_string_new (LAYOUT);
  GString *names = g_string_new (NULL);
  guint i;

  if (self->stream_id != NULL)
    append_structure (block,
                      gst_structure_new ("stream", "id", G_TYPE_STRING,
                                         self->stream_id, "flags", G_TYPE_UINT,
                                         self->stream_flags, NULL));
  if (self->has_segment)
    append_segment (block, &self->segment);
  for (i = 0; i < G_N_ELEMENTS (self->tags); i++)
    if (self->tags[i] != NULL)
      append_tags (block, self->tags[i], names);

  if (block->len > FC_STICKY_MAX)
    g_string_assign (block, LAYOUT);
  *left_out = g_string_free (names, names->len == 0);
  return block;
}

/* A stream that is not one to count in any way is not worth a segment. */
static gboolean
parse_segment (GstSegment *segment, const GstStructure *s)
{
  guint flags;

  gst_segment_init (segment, GST_FORMAT_TIME);
  if (!gst_structure_get (
          s, "flags", G_TYPE_UINT, &flags, "rate", G_TYPE_DOUBLE,
          &segment->rate, "applied-rate", G_TYPE_DOUBLE, &segment->applied_rate,
          "format", GST_TYPE_FORMAT, &segment->format, "base", G_TYPE_UINT64,
          &segment->base, "offset", G_TYPE_UINT64, &segment->offset, "start",
          G_TYPE_UINT64, &segment->start, "stop", G_TYPE_UINT64, &segment->stop,
          "time", G_TYPE_UINT64, &segment->time, "position", G_TYPE_UINT64,
          &segment->position, "duration", G_TYPE_UINT64, &segment->duration,
          NULL))
    return FALSE;
  segment->flags = (GstSegmentFlags) flags;
  return segment->rate != 0.0 && segment->applied_rate != 0.0
         && segment->format != GST_FORMAT_UNDEFINED;
}

static void
parse_line (GstFcSticky *self, const gchar *line)
{
  GstStructure *s = NULL;
  GstTagList *tags;
  guint scope = 0;

  if (!gst_fc_text_is_deep (line))
    s = gst_structure_from_string (line, NULL);
  if (s == NULL)
    return;
  if (gst_structure_has_name (s, "stream"))
    {
      g_free (self->stream_id);
      self->stream_id = g_strdup (gst_structure_get_string (s, "id"));
      gst_structure_get_uint (s, "flags", &self->stream_flags);
    }
  else if (gst_structure_has_name (s, "segment"))
    {
      self->has_segment = parse_segment (&self->segment, s);
    }
  else if (gst_structure_has_name (s, "tags")
           && gst_structure_get (s, "list", GST_TYPE_TAG_LIST, &tags, NULL))
    {
      gst_structure_get_uint (s, "scope", &scope);
      scope = scope == GST_TAG_SCOPE_GLOBAL;
      tags = gst_tag_list_make_writable (tags);
      gst_tag_list_set_scope (tags, (GstTagScope) scope);
      gst_tag_list_replace (&self->tags[scope], tags);
      gst_tag_list_unref (tags);
    }
  gst_structure_free (s);
}

gboolean
gst_fc_sticky_parse (GstFcSticky *self, const gchar *data, gsize size)
{
  gchar *text, **lines;
  guint i;

  gst_fc_sticky_clear (self);
  if (size < strlen (LAYOUT) || memcmp (data, LAYOUT, strlen (LAYOUT)) != 0)
    return FALSE;
  text = g_strndup (data + strlen (LAYOUT), size - strlen (LAYOUT));
  lines = g_strsplit (text, "\n", -1);
  for (i = 0; lines[i] != NULL; i++)
    if (lines[i][0] != '\0')
      parse_line (self, lines[i]);
  g_strfreev (lines);
  g_free (text);
  return TRUE;
}
