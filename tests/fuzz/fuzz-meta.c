/* What comes with a frame: its block of metas, for frames of any caps.
 *
 * The input is a byte that chooses the caps, one for the size of the frame, and
 * the block.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/video/video.h>
#include <stdlib.h>

#include "fuzz.h"
#include "gstfcmeta.h"

static const gchar *const texts[] = {
  "video/x-raw, format=NV12, width=64, height=48, framerate=30/1",
  "video/x-raw, format=I420, width=33, height=17",
  "video/x-raw, format=RGB, width=1, height=1",
  "video/x-raw, format=v210, width=50, height=2, interlace-mode=interleaved",
  "audio/x-raw, format=S16LE, rate=48000, channels=2, layout=non-interleaved",
  "audio/x-raw, format=F32LE, rate=8000, channels=1, layout=interleaved",
  "video/x-h264, stream-format=byte-stream, alignment=au",
};

static GstCaps *caps[G_N_ELEMENTS (texts)];
static GstElement *element;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  gst_debug_set_active (FALSE);
  element = gst_object_ref_sink (gst_bin_new ("fuzz"));
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    caps[i] = gst_caps_from_string (texts[i]);
  return 0;
}

/* A frame of SIZE bytes with the metas that the block of INFO holds. */
static GstBuffer *
read_block (const GstCaps *of, const fc_info_t *info, gsize size)
{
  g_autofree GstFcMetaReader *reader = g_new0 (GstFcMetaReader, 1);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  gst_fc_meta_reader_init (reader, element);
  gst_fc_meta_reader_set_caps (reader, of);
  gst_fc_meta_reader_take (reader, info);
  (void) gst_fc_meta_reader_is_padded (reader, size);
  gst_fc_meta_reader_add (reader, buffer);
  return buffer;
}

/* Wherever its planes lie, they lie within the frame. */
static void
touch_planes (const GstCaps *of, GstBuffer *buffer)
{
  GstVideoInfo info;
  GstVideoFrame frame;

  if (!gst_video_info_from_caps (&info, of)
      || gst_buffer_get_video_meta (buffer) == NULL
      || !gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ))
    return;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (&frame); i++)
    {
      const volatile guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (&frame, i);
      /* In these formats a plane's first component has its number. */
      gint lines = GST_VIDEO_FRAME_COMP_HEIGHT (&frame, i);

      (void) data[(lines - 1) * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, i)];
    }
  gst_video_frame_unmap (&frame);
}

/* What was understood is understood again after it was written: the same block
 * comes of it. */
static void
check_again (const GstCaps *of, GstBuffer *buffer)
{
  g_autofree GstFcMetaWriter *writer = g_new0 (GstFcMetaWriter, 1);
  g_autofree guint8 *first = NULL;
  fc_info_t info = FC_INFO_INIT;
  gconstpointer second;
  guint32 again;
  GstBuffer *read;

  gst_fc_meta_writer_init (writer, element);
  gst_fc_meta_writer_set_caps (writer, of);
  info.meta = gst_fc_meta_write (writer, buffer, FALSE, &info.meta_size);
  if (info.meta_size > FC_META_MAX)
    abort ();
  info.meta = first = g_memdup2 (info.meta, info.meta_size);
  read = read_block (of, &info, gst_buffer_get_size (buffer));
  second = gst_fc_meta_write (writer, read, FALSE, &again);
  if (again != info.meta_size || (again > 0 && memcmp (second, first, again)))
    abort ();
  gst_fc_meta_writer_reset (writer);
  gst_buffer_unref (read);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  fc_info_t info = FC_INFO_INIT;
  const GstCaps *chosen = caps[fuzz_byte (&in) % G_N_ELEMENTS (caps)];
  gsize frame = (gsize) fuzz_byte (&in) * 64;
  GstBuffer *buffer;

  info.meta = in.data;
  info.meta_size = (guint32) MIN (in.size, FC_META_MAX);
  buffer = read_block (chosen, &info, frame);
  touch_planes (chosen, buffer);
  check_again (chosen, buffer);
  gst_buffer_unref (buffer);
  return 0;
}
