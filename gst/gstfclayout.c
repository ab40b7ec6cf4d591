/* framecache: how the bytes of a frame lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfclayout.h"

/* Padding of a frame, pixels on a side, that is believed. */
#define PADDING_MAX 65536u
#define STRIDE_ALIGN_MAX 65536u

void
gst_fc_layout_set_caps (GstFcLayout *self, const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);

  memset (self, 0, sizeof (*self));
  if (gst_structure_has_name (s, "video/x-raw"))
    self->has_video = gst_video_info_from_caps (&self->video, caps)
                      && GST_VIDEO_INFO_SIZE (&self->video) > 0;
  else if (gst_structure_has_name (s, "audio/x-raw"))
    self->has_audio = gst_audio_info_from_caps (&self->audio, caps);
}

/* Video ---------------------------------------------------------------- */

static gboolean
gst_fc_planes_are_default (const GstVideoInfo *info, guint width, guint height,
                           guint n_planes, const gsize *offset,
                           const gint *stride)
{
  guint i;

  if (width != (guint) GST_VIDEO_INFO_WIDTH (info)
      || height != (guint) GST_VIDEO_INFO_HEIGHT (info)
      || n_planes != GST_VIDEO_INFO_N_PLANES (info))
    return FALSE;
  for (i = 0; i < n_planes; i++)
    if (stride[i] != GST_VIDEO_INFO_PLANE_STRIDE (info, i)
        || offset[i] != GST_VIDEO_INFO_PLANE_OFFSET (info, i))
      return FALSE;
  return TRUE;
}

gboolean
gst_fc_video_layout_is_default (const GstFcVideoLayout *self,
                                const GstVideoInfo *info)
{
  return gst_fc_planes_are_default (info, self->width, self->height,
                                    self->n_planes, self->offset, self->stride);
}

/* Bytes of a line that its pixels take up. Where a pixel has no size of its
 * own that can be told, only the stride that such lines always have will do.
 */
static guint64
gst_fc_line_bytes (const GstVideoInfo *info, guint plane)
{
  const GstVideoFormatInfo *format = info->finfo;
  guint64 bytes = 0;
  guint i;

  for (i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); i++)
    {
      guint64 width, pixel;

      if (GST_VIDEO_FORMAT_INFO_PLANE (format, i) != plane)
        continue;
      pixel = (guint64) GST_VIDEO_FORMAT_INFO_PSTRIDE (format, i);
      if (pixel == 0 || GST_VIDEO_FORMAT_INFO_IS_COMPLEX (format))
        return (guint64) GST_VIDEO_INFO_PLANE_STRIDE (info, plane);
      width = (guint64) GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (
          format, i, GST_VIDEO_INFO_WIDTH (info));
      bytes = MAX (bytes, width * pixel);
    }
  return bytes;
}

static guint64
gst_fc_plane_lines (const GstVideoInfo *info, guint plane)
{
  const GstVideoFormatInfo *format = info->finfo;
  guint i;

  for (i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); i++)
    if (GST_VIDEO_FORMAT_INFO_PLANE (format, i) == plane)
      return (guint64) GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (
          format, i, GST_VIDEO_INFO_FIELD_HEIGHT (info));
  return 0;
}

/* Bytes from a plane's first to its last, or G_MAXUINT64 where STRIDE is none
 * for it. */
static guint64
gst_fc_plane_bytes (const GstVideoInfo *info, guint plane, gint stride)
{
  const gint usual = GST_VIDEO_INFO_PLANE_STRIDE (info, plane);
  guint64 line, lines, x, y;

  if (stride <= 0)
    return G_MAXUINT64;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo) && plane == 1)
    return stride == usual ? 256 * 4 : G_MAXUINT64;
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo))
    {
      x = (guint64) GST_VIDEO_TILE_X_TILES (stride);
      y = (guint64) GST_VIDEO_TILE_Y_TILES (stride);
      if (x < (guint64) GST_VIDEO_TILE_X_TILES (usual)
          || y < (guint64) GST_VIDEO_TILE_Y_TILES (usual))
        return G_MAXUINT64;
      return x * y * GST_VIDEO_FORMAT_INFO_TILE_SIZE (info->finfo, plane);
    }
  line = gst_fc_line_bytes (info, plane);
  lines = gst_fc_plane_lines (info, plane);
  if (line == 0 || lines == 0 || (guint64) stride < line)
    return G_MAXUINT64;
  return (guint64) stride * (lines - 1) + line;
}

gboolean
gst_fc_video_layout_is_sound (const GstFcVideoLayout *self,
                              const GstVideoInfo *info, gsize size)
{
  guint i;

  if (self->width != (guint) GST_VIDEO_INFO_WIDTH (info)
      || self->height != (guint) GST_VIDEO_INFO_HEIGHT (info)
      || self->n_planes != GST_VIDEO_INFO_N_PLANES (info))
    return FALSE;
  for (i = 0; i < self->n_planes; i++)
    {
      guint64 bytes = gst_fc_plane_bytes (info, i, self->stride[i]);

      if (bytes > size || self->offset[i] > size - bytes)
        return FALSE;
    }
  return TRUE;
}

/* The library works the planes out from it, with numbers that may overflow. */
static gboolean
gst_fc_alignment_is_sound (const GstVideoAlignment *align)
{
  guint i;

  if (align->padding_top > PADDING_MAX || align->padding_bottom > PADDING_MAX
      || align->padding_left > PADDING_MAX
      || align->padding_right > PADDING_MAX)
    return FALSE;
  for (i = 0; i < GST_VIDEO_MAX_PLANES; i++)
    if (align->stride_align[i] >= STRIDE_ALIGN_MAX
        || (align->stride_align[i] & (align->stride_align[i] + 1)) != 0)
      return FALSE;
  return TRUE;
}

GstVideoMeta *
gst_fc_video_layout_add (const GstFcVideoLayout *self, const GstVideoInfo *info,
                         GstBuffer *buffer)
{
  static const GstVideoAlignment none = { 0 };
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];
  GstVideoMeta *meta;

  memcpy (offset, self->offset, sizeof (offset));
  memcpy (stride, self->stride, sizeof (stride));
  meta = gst_buffer_add_video_meta_full (
      buffer, self->flags, GST_VIDEO_INFO_FORMAT (info), self->width,
      self->height, self->n_planes, offset, stride);
  if (meta == NULL)
    return NULL;
  meta->id = self->id;
  if (memcmp (&self->alignment, &none, sizeof (none)) != 0
      && gst_fc_alignment_is_sound (&self->alignment))
    gst_video_meta_set_alignment (meta, self->alignment);
  return meta;
}

gboolean
gst_fc_video_buffer_is_default (GstBuffer *buffer, const GstVideoInfo *info)
{
  gpointer state = NULL;
  const GstVideoMeta *meta
      = (const GstVideoMeta *) gst_buffer_iterate_meta_filtered (
          buffer, &state, GST_VIDEO_META_API_TYPE);

  if (meta == NULL)
    return TRUE;
  return meta->format == GST_VIDEO_INFO_FORMAT (info)
         && gst_fc_planes_are_default (info, meta->width, meta->height,
                                       meta->n_planes, meta->offset,
                                       meta->stride)
         && gst_buffer_iterate_meta_filtered (buffer, &state,
                                              GST_VIDEO_META_API_TYPE)
                == NULL;
}

/* Audio ---------------------------------------------------------------- */

gboolean
gst_fc_audio_planes_are_sound (const GstAudioInfo *info, gsize samples,
                               const gsize *offsets, gsize size)
{
  const guint channels = (guint) GST_AUDIO_INFO_CHANNELS (info);
  const gsize sample = (gsize) GST_AUDIO_FORMAT_INFO_WIDTH (info->finfo) / 8;
  gsize plane;
  guint i, j;

  if (sample == 0 || samples > size / sample)
    return FALSE;
  plane = samples * sample;
  for (i = 0; i < channels; i++)
    {
      if (offsets[i] > size - plane)
        return FALSE;
      for (j = 0; j < i; j++)
        if (MAX (offsets[i], offsets[j]) - MIN (offsets[i], offsets[j]) < plane)
          return FALSE;
    }
  return TRUE;
}
