/* framecache: what fcsink and fcsrc share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "gstfccommon.h"

GType
gst_fc_share_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { FC_SHARE_USER, "The writer's user", "user" },
    { FC_SHARE_GROUP, "Also the group of the slot's directory", "group" },
    { FC_SHARE_ALL, "Everybody", "all" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstFcShare", values));
  return type;
}

guint64
gst_fc_monotonic (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return GST_TIMESPEC_TO_TIME (now);
}

void
gst_fc_log (fc_log_level_t level, const char *message, void *user_data)
{
  GstDebugLevel gst_level;

  switch (level)
    {
    case FC_LOG_ERROR:
      gst_level = GST_LEVEL_ERROR;
      break;
    case FC_LOG_WARNING:
      gst_level = GST_LEVEL_WARNING;
      break;
    case FC_LOG_INFO:
      gst_level = GST_LEVEL_INFO;
      break;
    default:
      gst_level = GST_LEVEL_DEBUG;
      break;
    }
  GST_CAT_LEVEL_LOG ((GstDebugCategory *) user_data, gst_level, NULL, "%s",
                     message);
}

static GstResourceError
gst_fc_resource_error (int err, GstResourceError fallback)
{
  switch (err)
    {
    case -EBUSY:
    case -EUSERS:
      return GST_RESOURCE_ERROR_BUSY;
    case -ENOSPC:
    case -EMSGSIZE:
      return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    case -ENOENT:
    case -ESTALE:
      return GST_RESOURCE_ERROR_NOT_FOUND;
    case -EACCES:
    case -EPERM:
      return GST_RESOURCE_ERROR_NOT_AUTHORIZED;
    case -EINVAL:
      return GST_RESOURCE_ERROR_SETTINGS;
    default:
      return fallback;
    }
}

void
gst_fc_element_error (GstElement *element, int err, GstResourceError fallback,
                      const gchar *what, const gchar *file,
                      const gchar *function, gint line)
{
  gchar *text = g_strdup (fc_error_detail ());
  gchar *debug = g_strdup_printf ("%s: %s (%d)", what, g_strerror (-err), err);

  gst_element_message_full (element, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR,
                            gst_fc_resource_error (err, fallback), text, debug,
                            file, function, line);
}

/* Every flag that says something about the bytes or their place in the
 * stream, the media libraries' own above GST_BUFFER_FLAG_LAST too; not those
 * of the object in memory. The numbers are part of GStreamer's ABI. */
#define BUFFER_FLAGS                                                           \
  (~((GST_MINI_OBJECT_FLAG_LAST - 1) | GST_BUFFER_FLAG_TAG_MEMORY              \
     | GST_BUFFER_FLAG_SYNC_AFTER))

void
gst_fc_info_set_flags (fc_info_t *info, GstBuffer *buffer)
{
  guint flags = GST_BUFFER_FLAGS (buffer) & BUFFER_FLAGS;

  info->user_flags = flags;
  if (flags & GST_BUFFER_FLAG_DELTA_UNIT)
    info->flags |= FC_FRAME_DELTA;
  if (flags & GST_BUFFER_FLAG_HEADER)
    info->flags |= FC_FRAME_HEADER;
  if (flags & GST_BUFFER_FLAG_DISCONT)
    info->flags |= FC_FRAME_DISCONT;
}

GstBufferFlags
gst_fc_info_get_flags (const fc_info_t *info)
{
  guint flags = (guint) info->user_flags & BUFFER_FLAGS;

  if (info->flags & FC_FRAME_DELTA)
    flags |= GST_BUFFER_FLAG_DELTA_UNIT;
  if (info->flags & FC_FRAME_HEADER)
    flags |= GST_BUFFER_FLAG_HEADER;
  if (info->flags & (FC_FRAME_DISCONT | FC_FRAME_EPOCH))
    flags |= GST_BUFFER_FLAG_DISCONT;
  return (GstBufferFlags) flags;
}

gboolean
gst_fc_caps_framerate (const GstCaps *caps, gint *num, gint *denom)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);

  return gst_structure_get_fraction (s, "framerate", num, denom) && *num > 0
         && *denom > 0;
}

GstClockTime
gst_fc_caps_frame_duration (const GstCaps *caps)
{
  gint num, denom;

  if (!gst_fc_caps_framerate (caps, &num, &denom))
    return GST_CLOCK_TIME_NONE;
  return gst_util_uint64_scale_int (GST_SECOND, denom, num);
}

#define NESTING_MAX 128

gboolean
gst_fc_text_is_deep (const gchar *text)
{
  guint depth = 0;

  for (; *text != '\0'; text++)
    {
      if (strchr ("<{[", *text) != NULL && ++depth > NESTING_MAX)
        return TRUE;
      if (strchr (">}]", *text) != NULL && depth > 0)
        depth--;
    }
  return FALSE;
}

GstCaps *
gst_fc_caps_from_format (const void *format, gsize size)
{
  gchar *text = g_utf8_make_valid (format, (gssize) size);
  GstCaps *caps = NULL;

  if (!gst_fc_text_is_deep (text))
    caps = gst_caps_from_string (text);
  if (caps != NULL && !gst_caps_is_fixed (caps))
    gst_clear_caps (&caps);
  g_free (text);
  return caps;
}
