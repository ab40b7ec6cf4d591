/* framecache: a buffer's bytes on their way into a cell
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfclayout.h"
#include "gstfcsinkcopy.h"

void
gst_fc_copy_set_caps (GstFcCopy *self, const GstCaps *caps)
{
  const gchar *name = gst_structure_get_name (gst_caps_get_structure (caps, 0));

  self->is_raw = g_str_has_suffix (name, "/x-raw");
  self->has_info = g_str_equal (name, "video/x-raw")
                   && gst_video_info_from_caps (&self->info, caps);
}

/* Where the caps' picture begins in a buffer that has room for more: decoders
 * leave out the rows that fill up the last blocks this way. FALSE where it is
 * not inside, or not on a pixel that has an address of its own. */
static gboolean
gst_fc_copy_find_origin (const GstFcCopy *self, GstBuffer *buffer,
                         const GstVideoMeta *meta, guint *x, guint *y)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  const guint width = (guint) GST_VIDEO_INFO_WIDTH (&self->info);
  const guint height = (guint) GST_VIDEO_INFO_HEIGHT (&self->info);

  *x = *y = 0;
  if (meta->width < width || meta->height < height)
    return FALSE;
  if ((meta->width == width && meta->height == height) || crop == NULL)
    return TRUE;
  *x = crop->x;
  *y = crop->y;
  return crop->x <= meta->width - width && crop->y <= meta->height - height
         && ((crop->x == 0 && crop->y == 0)
             || !(GST_VIDEO_FORMAT_INFO_IS_COMPLEX (self->info.finfo)
                  || GST_VIDEO_FORMAT_INFO_IS_TILED (self->info.finfo)));
}

gboolean
gst_fc_copy_rearranges (const GstFcCopy *self, GstBuffer *buffer)
{
  const GstVideoMeta *meta;
  guint x, y;

  if (!self->has_info)
    return FALSE;
  meta = gst_buffer_get_video_meta (buffer);
  return meta != NULL && meta->format == GST_VIDEO_INFO_FORMAT (&self->info)
         && !gst_fc_video_buffer_is_default (buffer, &self->info)
         && gst_buffer_get_n_meta (buffer, GST_VIDEO_META_API_TYPE) == 1
         && gst_fc_copy_find_origin (self, buffer, meta, &x, &y);
}

/* A reader is told of planes and strides, but not of a larger picture. */
gboolean
gst_fc_copy_may_stay (const GstFcCopy *self, GstBuffer *buffer,
                      gboolean rearranges)
{
  const GstVideoMeta *meta;

  if (!rearranges)
    return TRUE;
  meta = gst_buffer_get_video_meta (buffer);
  return meta->width == (guint) GST_VIDEO_INFO_WIDTH (&self->info)
         && meta->height == (guint) GST_VIDEO_INFO_HEIGHT (&self->info);
}

gsize
gst_fc_copy_size (const GstFcCopy *self, GstBuffer *buffer, gboolean rearranges)
{
  if (rearranges)
    return GST_VIDEO_INFO_SIZE (&self->info);
  return gst_buffer_get_size (buffer);
}

static void
gst_fc_copy_go_to_origin (GstVideoFrame *frame, guint x, guint y)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  gboolean done[GST_VIDEO_MAX_PLANES] = { FALSE };
  guint i;

  /* The first component of a plane comes first in its pixels. */
  for (i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); i++)
    {
      const guint plane = GST_VIDEO_FORMAT_INFO_PLANE (format, i);

      if (done[plane])
        continue;
      done[plane] = TRUE;
      frame->data[plane]
          = (guint8 *) frame->data[plane]
            + (gsize) (y >> GST_VIDEO_FORMAT_INFO_H_SUB (format, i))
                  * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane)
            + (gsize) (x >> GST_VIDEO_FORMAT_INFO_W_SUB (format, i))
                  * (gsize) GST_VIDEO_FORMAT_INFO_PSTRIDE (format, i);
    }
}

static gboolean
gst_fc_copy_video (GstFcCopy *self, GstBuffer *buffer, gpointer dest,
                   gsize size)
{
  GstVideoFrame from, to;
  GstBuffer *cell;
  gboolean ok = FALSE;
  guint x, y;

  gst_fc_copy_find_origin (self, buffer, gst_buffer_get_video_meta (buffer), &x,
                           &y);
  cell = gst_buffer_new_wrapped_full ((GstMemoryFlags) 0, dest, size, 0, size,
                                      NULL, NULL);
  if (gst_video_frame_map (&from, &self->info, buffer, GST_MAP_READ))
    {
      if (x != 0 || y != 0)
        gst_fc_copy_go_to_origin (&from, x, y);
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
gst_fc_copy_into (GstFcCopy *self, GstBuffer *buffer, gboolean rearranges,
                  gpointer dest, gsize size)
{
  if (rearranges)
    return gst_fc_copy_video (self, buffer, dest, size);
  return gst_buffer_extract (buffer, 0, dest, size) == size;
}
