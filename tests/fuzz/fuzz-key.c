/* An encoded stream's buffers, for what fcsink takes to be the start of a key
 * frame.
 *
 * The input is a byte that chooses the caps, the bytes of their codec_data (a
 * byte says how many), and buffers: a byte of flags, one of times, one that
 * says how many bytes follow, and those.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "gstfcsink.h"
#include "gstfcsinkkey.h"

static const gchar *const texts[] = {
  "video/x-h264, stream-format=byte-stream, alignment=nal",
  "video/x-h264, stream-format=avc, alignment=nal",
  "video/x-h265, stream-format=byte-stream, alignment=nal",
  "video/x-h265, stream-format=hvc1, alignment=nal",
  "video/x-h264, stream-format=byte-stream, alignment=au",
  "video/x-av1, stream-format=obu-stream, alignment=obu",
  "image/jpeg",
};

static char dir[] = "/dev/shm/fc-fuzz-XXXXXX";
static fc_writer_t *writer;
static fc_consumer_t *consumer;
static GstPad *pad;

static void
clean_up (void)
{
  gchar *lock = g_build_filename (dir, "cam0.lock", NULL);

  fc_consumer_close (consumer);
  fc_writer_close (writer);
  unlink (lock);
  rmdir (dir);
  g_free (lock);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_consumer_options_t from = FC_CONSUMER_OPTIONS_INIT;

  gst_init (NULL, NULL);
  gst_debug_set_active (FALSE);
  if (mkdtemp (dir) == NULL)
    abort ();
  atexit (clean_up);
  options.dir = from.dir = dir;
  options.frame_size = 64;
  options.ring_depth = 2;
  if (fc_writer_open (&writer, "cam0", &options) < 0
      || fc_consumer_open (&consumer, "cam0", &from) < 0)
    abort ();
  pad = gst_object_ref_sink (gst_pad_new ("sink", GST_PAD_SINK));
  /* Its class has the log. */
  g_type_class_ref (GST_TYPE_FC_SINK);
  return 0;
}

static GstBuffer *
take_bytes (fuzz_t *in)
{
  guint8 bytes[32];
  gsize size = fuzz_bytes (in, bytes, fuzz_byte (in) % sizeof (bytes));
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  gst_buffer_fill (buffer, 0, bytes, size);
  return buffer;
}

static GstCaps *
take_caps (fuzz_t *in)
{
  GstCaps *caps
      = gst_caps_from_string (texts[fuzz_byte (in) % G_N_ELEMENTS (texts)]);
  GstBuffer *codec_data = take_bytes (in);

  if (gst_buffer_get_size (codec_data) > 0)
    gst_caps_set_simple (caps, "codec_data", GST_TYPE_BUFFER, codec_data, NULL);
  gst_buffer_unref (codec_data);
  return caps;
}

static void
take_buffer (fuzz_t *in, GstFcSinkKey *key)
{
  guint flags = fuzz_byte (in), times = fuzz_byte (in);
  GstBuffer *buffer = take_bytes (in);
  fc_info_t info = FC_INFO_INIT;

  if ((flags & 1) != 0)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if ((flags & 2) != 0)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_HEADER);
  if ((flags & 4) != 0)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_MARKER);
  if ((flags & 8) != 0)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  if ((flags & 16) != 0)
    info.flags |= FC_FRAME_HEADER;
  if ((flags & 32) != 0)
    fc_consumer_request_key_frame (consumer);
  if ((times & 1) != 0)
    GST_BUFFER_PTS (buffer) = (times >> 2) * GST_SECOND / 4;
  if ((times & 2) != 0)
    info.running_time = (times >> 2) * GST_SECOND / 4;
  gst_fc_sink_key_frame (key, writer, pad, buffer, &info);
  /* Where a buffer is a whole picture, none that is a delta begins anything. */
  if (key->nal_header == 0 && (flags & 1) != 0
      && (info.flags & FC_FRAME_KEY) != 0)
    abort ();
  gst_buffer_unref (buffer);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  GstCaps *caps = take_caps (&in);
  GstFcSinkKey key = { 0 };

  gst_fc_sink_key_set_caps (&key, caps);
  while (in.size > 0)
    take_buffer (&in, &key);
  gst_caps_unref (caps);
  return 0;
}
