/* framecache: meta blocks and slots written by hand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include <gst/audio/audio.h>

#include "fc-gst-block.h"

void
fct_usual_info (GstVideoInfo *info)
{
  GstCaps *caps = gst_caps_from_string (FCT_PADDED_CAPS);

  fail_unless (gst_video_info_from_caps (info, caps));
  gst_caps_unref (caps);
}

void
fct_padded_info (GstVideoInfo *info, GstVideoAlignment *align)
{
  fct_usual_info (info);
  gst_video_alignment_reset (align);
  align->padding_left = 4;
  align->padding_right = 6;
  align->padding_top = 2;
  align->padding_bottom = 8;
  align->stride_align[0] = align->stride_align[1] = align->stride_align[2] = 63;
  fail_unless (gst_video_info_align (info, align));
}

GByteArray *
fct_block_new (void)
{
  static const guint8 header[] = { 'f', 'c', 'M', 'T', 1, 0 };

  return g_byte_array_append (g_byte_array_new (), header, sizeof (header));
}

void
fct_block_number (GByteArray *block, guint64 number, guint bytes)
{
  guint8 byte;

  for (; bytes > 0; bytes--, number >>= 8)
    {
      byte = (guint8) number;
      g_byte_array_append (block, &byte, 1);
    }
}

void
fct_block_text (GByteArray *block, const gchar *text)
{
  fct_block_number (block, strlen (text), 2);
  g_byte_array_append (block, (const guint8 *) text, (guint) strlen (text));
}

guint
fct_block_begin (GByteArray *block, guint type)
{
  fct_block_number (block, type, 2);
  fct_block_number (block, 0, 4);
  return block->len;
}

void
fct_block_end (GByteArray *block, guint begin)
{
  guint32 size = GUINT32_TO_LE (block->len - begin);

  memcpy (block->data + begin - 4, &size, 4);
}

void
fct_block_video (GByteArray *block, const GstVideoInfo *info,
                 const GstVideoAlignment *align)
{
  const gchar *format
      = gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info));
  guint begin = fct_block_begin (block, 1), i;

  fct_block_number (block, 0, 4);
  fct_block_number (block, 0, 4);
  fct_block_number (block, (guint64) info->width, 4);
  fct_block_number (block, (guint64) info->height, 4);
  fct_block_number (block, strlen (format), 1);
  g_byte_array_append (block, (const guint8 *) format, (guint) strlen (format));
  fct_block_number (block, GST_VIDEO_INFO_N_PLANES (info), 1);
  for (i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++)
    {
      fct_block_number (block, info->offset[i], 8);
      fct_block_number (block, (guint64) info->stride[i], 4);
    }
  fct_block_number (block, align->padding_top, 4);
  fct_block_number (block, align->padding_bottom, 4);
  fct_block_number (block, align->padding_left, 4);
  fct_block_number (block, align->padding_right, 4);
  for (i = 0; i < GST_VIDEO_MAX_PLANES; i++)
    fct_block_number (block, align->stride_align[i], 4);
  fct_block_end (block, begin);
}

fc_writer_t *
fct_raw_writer (const gchar *caps, guint64 frame_size)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer = NULL;

  options.frame_size = frame_size;
  options.ring_depth = 8;
  options.format = caps;
  options.format_size = (uint32_t) strlen (caps);
  fail_unless (fc_writer_open (&writer, "cam0", &options) >= 0, "%s",
               fc_error_detail ());
  return writer;
}

void
fct_raw_write (fc_writer_t *writer, const void *data, gsize size,
               const GByteArray *block)
{
  fc_info_t info = FC_INFO_INIT;

  info.pts = 0;
  if (block != NULL)
    {
      info.meta = block->data;
      info.meta_size = block->len;
    }
  fail_unless (fc_writer_write (writer, data, size, &info, NULL) >= 0, "%s",
               fc_error_detail ());
}

GstHarness *
fct_video_reader (gboolean takes_video_meta, gint memory)
{
  GstElement *src = fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, "memory",
                             memory, NULL);
  GstHarness *h = gst_harness_new_with_element (src, NULL, "src");

  gst_object_unref (src);
  gst_harness_use_systemclock (h);
  if (takes_video_meta)
    gst_harness_add_propose_allocation_meta (h, GST_VIDEO_META_API_TYPE, NULL);
  gst_harness_play (h);
  return h;
}

static void
check_video (GstBuffer *buffer, const GstVideoMeta *meta)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  guint i;

  gst_video_info_set_format (&info, meta->format, meta->width, meta->height);
  for (i = 0; i < meta->n_planes; i++)
    fail_unless (meta->offset[i] < gst_buffer_get_size (buffer));
  /* Every pixel is looked at: the sanitizers see what is beyond. */
  fail_unless (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  for (i = 0; i < meta->n_planes; i++)
    {
      guint8 *end = frame.map[i].data + frame.map[i].maxsize;

      fail_unless ((guint8 *) frame.data[i] < end);
    }
  gst_video_frame_unmap (&frame);
}

static void
check_audio (GstBuffer *buffer, const GstAudioMeta *meta)
{
  const gsize plane
      = meta->samples * (gsize) GST_AUDIO_INFO_WIDTH (&meta->info) / 8;
  gint i;

  if (meta->offsets == NULL)
    {
      fail_unless (meta->samples * (gsize) GST_AUDIO_INFO_BPF (&meta->info)
                   <= gst_buffer_get_size (buffer));
      return;
    }
  for (i = 0; i < GST_AUDIO_INFO_CHANNELS (&meta->info); i++)
    fail_unless (plane <= gst_buffer_get_size (buffer)
                 && meta->offsets[i] <= gst_buffer_get_size (buffer) - plane);
}

void
fct_check_layout (GstBuffer *buffer)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta (buffer, &state)) != NULL)
    {
      if (meta->info->api == GST_VIDEO_META_API_TYPE)
        check_video (buffer, (GstVideoMeta *) meta);
      if (meta->info->api == GST_AUDIO_META_API_TYPE)
        check_audio (buffer, (GstAudioMeta *) meta);
    }
}
