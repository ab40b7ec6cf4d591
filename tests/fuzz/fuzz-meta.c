/* What comes with a frame: its block of metas, for frames of any caps.
 *
 * The input is a byte that chooses the caps, one for the size of the frame, and
 * the block.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>

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

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  fc_info_t info = FC_INFO_INIT;
  const GstCaps *chosen = caps[fuzz_byte (&in) % G_N_ELEMENTS (caps)];
  gsize frame = (gsize) fuzz_byte (&in) * 64;
  g_autofree GstFcMetaReader *reader = g_new0 (GstFcMetaReader, 1);
  GstBuffer *buffer;

  info.meta = in.data;
  info.meta_size = (guint32) MIN (in.size, FC_META_MAX);
  gst_fc_meta_reader_init (reader, element);
  gst_fc_meta_reader_set_caps (reader, chosen);
  gst_fc_meta_reader_take (reader, &info);
  (void) gst_fc_meta_reader_is_padded (reader, frame);
  buffer = gst_buffer_new_allocate (NULL, frame, NULL);
  gst_fc_meta_reader_add (reader, buffer);
  gst_buffer_unref (buffer);
  return 0;
}
