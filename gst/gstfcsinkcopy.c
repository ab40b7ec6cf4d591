/* framecache: a buffer's bytes on their way into a cell
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcsinkcopy.h"

void
gst_fc_copy_set_caps (GstFcCopy *self, const GstCaps *caps)
{
  const gchar *name = gst_structure_get_name (gst_caps_get_structure (caps, 0));

  self->is_raw = g_str_has_suffix (name, "/x-raw");
  self->has_info = g_str_equal (name, "video/x-raw")
                   && gst_video_info_from_caps (&self->info, caps);
}

gboolean
gst_fc_copy_is_needed (const GstFcCopy *self, GstBuffer *buffer)
{
  const GstVideoMeta *meta;
  guint i;

  if (!self->has_info)
    return FALSE;
  meta = gst_buffer_get_video_meta (buffer);
  if (meta == NULL || meta->format != GST_VIDEO_INFO_FORMAT (&self->info)
      || meta->width != (guint) GST_VIDEO_INFO_WIDTH (&self->info)
      || meta->height != (guint) GST_VIDEO_INFO_HEIGHT (&self->info))
    return FALSE;
  for (i = 0; i < meta->n_planes; i++)
    if (meta->stride[i] != GST_VIDEO_INFO_PLANE_STRIDE (&self->info, i)
        || meta->offset[i] != GST_VIDEO_INFO_PLANE_OFFSET (&self->info, i))
      return TRUE;
  return FALSE;
}

gsize
gst_fc_copy_size (const GstFcCopy *self, GstBuffer *buffer)
{
  if (gst_fc_copy_is_needed (self, buffer))
    return GST_VIDEO_INFO_SIZE (&self->info);
  return gst_buffer_get_size (buffer);
}

static gboolean
gst_fc_copy_video (GstFcCopy *self, GstBuffer *buffer, gpointer dest,
                   gsize size)
{
  GstVideoFrame from, to;
  GstBuffer *cell;
  gboolean ok = FALSE;

  cell = gst_buffer_new_wrapped_full ((GstMemoryFlags) 0, dest, size, 0, size,
                                      NULL, NULL);
  if (gst_video_frame_map (&from, &self->info, buffer, GST_MAP_READ))
    {
      if (gst_video_frame_map (&to, &self->info, cell, GST_MAP_WRITE))
        {
          ok = gst_video_frame_copy (&to, &from);
          gst_video_frame_unmap (&to);
        }
      gst_video_frame_unmap (&from);
    }
  gst_buffer_unref (cell);
  return ok;
}

gboolean
gst_fc_copy_into (GstFcCopy *self, GstBuffer *buffer, gpointer dest, gsize size)
{
  if (gst_fc_copy_is_needed (self, buffer))
    return gst_fc_copy_video (self, buffer, dest, size);
  return gst_buffer_extract (buffer, 0, dest, size) == size;
}
