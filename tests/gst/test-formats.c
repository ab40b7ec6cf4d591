/* framecache: every raw format, as each reader gets it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include <gst/audio/audio.h>

#include "fc-gst-block.h"

/* fcsink with room for few frames, and one reader for each way to get one. */
typedef struct
{
  GstHarness *sink;
  GstHarness *readers[3]; /* leased, copied, and copied into the caps' layout */
} Slot;

static void
open_readers (Slot *slot)
{
  slot->readers[0] = fct_video_reader (TRUE, 1);
  slot->readers[1] = fct_video_reader (TRUE, 2);
  slot->readers[2] = fct_video_reader (FALSE, 0);
}

static void
open_slot (Slot *slot, const gchar *caps)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", "ring-depth", 4, NULL);

  slot->sink = fct_sink_harness (sink, NULL);
  open_readers (slot);
  gst_harness_set_src_caps_str (slot->sink, caps);
  FCT_WAIT (fct_waiting ("cam0") == 3);
}

static void
close_slot (Slot *slot)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (slot->readers); i++)
    fct_stop (slot->readers[i]);
  if (slot->sink != NULL)
    fct_stop (slot->sink);
}

/* Pictures ------------------------------------------------------------ */

static const gint sizes[][2] = { { 1, 1 }, { 3, 5 }, { 17, 33 }, { 64, 48 } };

static GstBuffer *
noise (gsize size, guint32 seed)
{
  GRand *rand = g_rand_new_with_seed (seed);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  GstMapInfo map;
  gsize i;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (i = 0; i < size; i++)
    map.data[i] = (guint8) g_rand_int (rand);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = 0;
  g_rand_free (rand);
  return buffer;
}

/* The pixels of FROM, whose layout is its GstVideoMeta's or that of INFO, in a
 * buffer as TO has it, with nothing between them. */
static GstBuffer *
laid_out (const GstVideoInfo *info, GstBuffer *from, const GstVideoInfo *to)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, to->size, NULL);
  GstVideoFrame in, out;

  gst_buffer_memset (buffer, 0, 0, to->size);
  if (to != info)
    gst_buffer_add_video_meta_full (
        buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (to),
        (guint) to->width, (guint) to->height, GST_VIDEO_INFO_N_PLANES (to),
        (gsize *) to->offset, (gint *) to->stride);
  fail_unless (gst_video_frame_map (&in, info, from, GST_MAP_READ));
  fail_unless (gst_video_frame_map (&out, info, buffer, GST_MAP_WRITE));
  fail_unless (gst_video_frame_copy (&out, &in));
  gst_video_frame_unmap (&out);
  gst_video_frame_unmap (&in);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

/* Lines with room beside them, and other lines around the picture. */
static gboolean
pad (const GstVideoInfo *info, GstVideoInfo *padded)
{
  GstVideoAlignment align;
  guint i;

  gst_video_alignment_reset (&align);
  align.padding_right = 16;
  align.padding_bottom = 8;
  for (i = 0; i < GST_VIDEO_MAX_PLANES; i++)
    align.stride_align[i] = 127;
  *padded = *info;
  return gst_video_info_align (padded, &align)
         && memcmp (padded->stride, info->stride, sizeof (info->stride)) != 0;
}

/* BUFFER's pixels alone. Later GStreamers copy what is between the lines too
 * where these are as long there as here, so they are made longer first. */
static GstBuffer *
pixels_of (const GstVideoInfo *info, GstBuffer *buffer)
{
  GstVideoInfo padded;
  GstBuffer *wide, *pixels;

  if (!pad (info, &padded))
    return laid_out (info, buffer, info);
  wide = laid_out (info, buffer, &padded);
  pixels = laid_out (info, wide, info);
  gst_buffer_unref (wide);
  return pixels;
}

/* Every pixel of GOT is that of EXPECTED. */
static void
check_pixels (const GstVideoInfo *info, GstBuffer *got, GstBuffer *expected,
              const gchar *caps)
{
  GstBuffer *a = pixels_of (info, got);
  GstBuffer *b = pixels_of (info, expected);
  GstMapInfo map;

  gst_buffer_map (b, &map, GST_MAP_READ);
  fail_unless (gst_buffer_memcmp (a, 0, map.data, map.size) == 0, "%s", caps);
  gst_buffer_unmap (b, &map);
  gst_buffer_unref (a);
  gst_buffer_unref (b);
}

static void
check_readers (Slot *slot, const GstVideoInfo *info, GstBuffer *expected,
               GstBuffer *pushed, const gchar *caps)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (slot->readers); i++)
    {
      GstBuffer *got = gst_harness_pull (slot->readers[i]);

      fail_unless (got != NULL, "%s", caps);
      check_pixels (info, got, expected, caps);
      fail_unless_equals_int (
          GST_MEMORY_IS_READONLY (gst_buffer_peek_memory (got, 0)),
          i != 1 && !(i == 2 && slot->sink == NULL));
      if (i == 2)
        fail_unless (gst_buffer_get_video_meta (got) == NULL);
      if (pushed != NULL)
        fail_unless_equals_int (GST_BUFFER_FLAGS (got) >> 20,
                                GST_BUFFER_FLAGS (pushed) >> 20);
      gst_buffer_unref (got);
    }
}

static gchar *
caps_of (GstVideoInfo *info, GstVideoFormat format, const gint *size)
{
  GstCaps *caps;
  gchar *text;

  fail_unless (gst_video_info_set_format (info, format, (guint) size[0],
                                          (guint) size[1]));
  GST_VIDEO_INFO_FPS_N (info) = 25;
  GST_VIDEO_INFO_FPS_D (info) = 1;
  caps = gst_video_info_to_caps (info);
  fail_unless (gst_video_info_from_caps (info, caps));
  text = gst_caps_to_string (caps);
  gst_caps_unref (caps);
  return text;
}

static void
check_format (Slot *slot, GstVideoFormat format, const gint *size,
              guint *n_padded)
{
  GstVideoInfo info, padded;
  gchar *caps = caps_of (&info, format, size);
  GstBuffer *expected = noise (info.size, format);

  fct_push_caps (slot->sink, caps);
  gst_harness_push (slot->sink, gst_buffer_ref (expected));
  check_readers (slot, &info, expected, NULL, caps);
  if (pad (&info, &padded))
    {
      gst_harness_push (slot->sink, laid_out (&info, expected, &padded));
      check_readers (slot, &info, expected, NULL, caps);
      (*n_padded)++;
    }
  gst_buffer_unref (expected);
  g_free (caps);
}

static void
check_formats (guint i)
{
  Slot slot;
  const GstVideoFormat *formats;
  guint n, j, n_padded = 0;

  open_slot (&slot, FCT_DATA);
  formats = gst_video_formats_raw (&n);
  fail_unless (n > 100);
  for (j = 0; j < n; j++)
    check_format (&slot, formats[j], sizes[i], &n_padded);
  fail_unless (n_padded > 100);
  close_slot (&slot);
}

GST_START_TEST (every_video_format_1x1) { check_formats (0); }
GST_END_TEST

GST_START_TEST (every_video_format_3x5) { check_formats (1); }
GST_END_TEST

GST_START_TEST (every_video_format_17x33) { check_formats (2); }
GST_END_TEST

GST_START_TEST (every_video_format_64x48) { check_formats (3); }
GST_END_TEST

/* A writer that does not copy leaves the lines as wide as they are. */
static void
check_padded_cell (GstVideoFormat format, const gint *size, guint *n_padded)
{
  static const GstVideoAlignment none = { 0 };
  GstVideoInfo info, padded;
  gchar *caps = caps_of (&info, format, size);
  GstBuffer *expected, *buffer;
  GByteArray *block;
  fc_writer_t *writer;
  GstMapInfo map;
  Slot slot;

  if (pad (&info, &padded))
    {
      writer = fct_raw_writer (caps, padded.size);
      slot.sink = NULL;
      open_readers (&slot);
      FCT_WAIT (fct_waiting ("cam0") == 3);
      expected = noise (info.size, format);
      buffer = laid_out (&info, expected, &padded);
      block = fct_block_new ();
      fct_block_video (block, &padded, &none);
      gst_buffer_map (buffer, &map, GST_MAP_READ);
      fct_raw_write (writer, map.data, map.size, block);
      gst_buffer_unmap (buffer, &map);
      check_readers (&slot, &info, expected, NULL, caps);
      g_byte_array_unref (block);
      gst_buffer_unref (buffer);
      gst_buffer_unref (expected);
      close_slot (&slot);
      fc_writer_close (writer);
      (*n_padded)++;
    }
  g_free (caps);
}

GST_START_TEST (padded_cells_of_every_format)
{
  const GstVideoFormat *formats;
  guint n, i, n_padded = 0;

  formats = gst_video_formats_raw (&n);
  for (i = 0; i < n; i++)
    check_padded_cell (formats[i], sizes[1 + i % 2], &n_padded);
  fail_unless (n_padded > 100);
}
GST_END_TEST

/* Fields and views ---------------------------------------------------- */

static void
check_flags (const gchar *caps, guint flags)
{
  GstCaps *parsed = gst_caps_from_string (caps), *got;
  GstBuffer *buffer;
  GstVideoInfo info;
  Slot slot;

  fail_unless (gst_video_info_from_caps (&info, parsed), "%s", caps);
  open_slot (&slot, caps);
  buffer = noise (info.size, flags);
  GST_BUFFER_FLAG_SET (buffer, flags);
  gst_harness_push (slot.sink, gst_buffer_ref (buffer));
  check_readers (&slot, &info, buffer, buffer, caps);
  got = gst_pad_get_current_caps (slot.readers[0]->sinkpad);
  fail_unless (gst_caps_is_strictly_equal (got, parsed), "%s", caps);
  gst_caps_unref (got);
  gst_caps_unref (parsed);
  gst_buffer_unref (buffer);
  close_slot (&slot);
}

#define SIZE "width=18,height=10,framerate=25/1"

GST_START_TEST (interlaced_video)
{
  static const guint flags[] = {
    0,
    GST_VIDEO_BUFFER_FLAG_INTERLACED,
    GST_VIDEO_BUFFER_FLAG_INTERLACED | GST_VIDEO_BUFFER_FLAG_TFF,
    GST_VIDEO_BUFFER_FLAG_INTERLACED | GST_VIDEO_BUFFER_FLAG_RFF
        | GST_VIDEO_BUFFER_FLAG_TFF,
    GST_VIDEO_BUFFER_FLAG_INTERLACED | GST_VIDEO_BUFFER_FLAG_ONEFIELD,
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      check_flags ("video/x-raw,format=I420," SIZE
                   ",interlace-mode=interleaved,field-order=top-field-first",
                   flags[i]);
      check_flags ("video/x-raw,format=UYVY," SIZE ",interlace-mode=mixed",
                   flags[i]);
      check_flags ("video/x-raw,format=NV12," SIZE ",interlace-mode=fields",
                   flags[i]);
    }
  check_flags ("video/x-raw(format:Interlaced),format=v210," SIZE
               ",interlace-mode=alternate",
               GST_VIDEO_BUFFER_FLAG_INTERLACED
                   | GST_VIDEO_BUFFER_FLAG_TOP_FIELD);
  check_flags ("video/x-raw(format:Interlaced),format=I420,width=18,height=11,"
               "framerate=25/1,interlace-mode=alternate",
               GST_VIDEO_BUFFER_FLAG_INTERLACED
                   | GST_VIDEO_BUFFER_FLAG_BOTTOM_FIELD);
}
GST_END_TEST

/* A field that lies otherwise than its caps say. */
GST_START_TEST (padded_fields)
{
  const gchar *caps = "video/x-raw(format:Interlaced),format=I420," SIZE
                      ",interlace-mode=alternate";
  GstCaps *parsed = gst_caps_from_string (caps);
  GstVideoInfo info, padded;
  GstBuffer *buffer;
  Slot slot;

  fail_unless (gst_video_info_from_caps (&info, parsed));
  fail_unless (pad (&info, &padded));
  open_slot (&slot, caps);
  buffer = noise (info.size, 1);
  gst_harness_push (slot.sink, laid_out (&info, buffer, &padded));
  check_readers (&slot, &info, buffer, NULL, caps);
  gst_caps_unref (parsed);
  gst_buffer_unref (buffer);
  close_slot (&slot);
}
GST_END_TEST

GST_START_TEST (multiview_video)
{
  check_flags ("video/x-raw,format=I420," SIZE
               ",multiview-mode=side-by-side,multiview-flags=(GstVideoMultiview"
               "FlagsSet)0:ffffffff:/right-view-first/half-aspect",
               GST_VIDEO_BUFFER_FLAG_MULTIPLE_VIEW);
  check_flags ("video/x-raw,format=RGB," SIZE
               ",views=2,multiview-mode=frame-by-frame",
               GST_VIDEO_BUFFER_FLAG_MULTIPLE_VIEW
                   | GST_VIDEO_BUFFER_FLAG_FIRST_IN_BUNDLE);
  check_flags ("video/x-raw,format=RGB," SIZE
               ",views=2,multiview-mode=multiview-frame-by-frame",
               0);
}
GST_END_TEST

/* Sound --------------------------------------------------------------- */

static void
check_audio_planes (const GstAudioInfo *info, GstBuffer *got,
                    GstBuffer *expected)
{
  GstAudioBuffer a, b;
  gint i;

  fail_unless (gst_audio_buffer_map (&a, info, got, GST_MAP_READ));
  fail_unless (gst_audio_buffer_map (&b, info, expected, GST_MAP_READ));
  fail_unless_equals_int (a.n_samples, b.n_samples);
  fail_unless_equals_int (a.n_planes, b.n_planes);
  for (i = 0; i < a.n_planes; i++)
    fail_unless (
        memcmp (a.planes[i], b.planes[i], GST_AUDIO_BUFFER_PLANE_SIZE (&a))
        == 0);
  gst_audio_buffer_unmap (&a);
  gst_audio_buffer_unmap (&b);
}

/* Channels one after another, in an order of their own and with room between
 * them, as a clipped buffer has them. */
static void
add_planes (GstBuffer *buffer, const GstAudioInfo *info, gsize samples)
{
  const guint channels = (guint) GST_AUDIO_INFO_CHANNELS (info);
  const gsize plane = (samples + 3) * (gsize) GST_AUDIO_INFO_WIDTH (info) / 8;
  gsize *offsets = g_new (gsize, channels);
  guint i;

  for (i = 0; i < channels; i++)
    offsets[i] = (channels - 1 - i) * plane;
  fail_unless (gst_buffer_add_audio_meta (buffer, info, samples, offsets)
               != NULL);
  g_free (offsets);
}

static void
check_audio (Slot *slot, const GstAudioInfo *info)
{
  const gsize samples = 100;
  GstCaps *caps = gst_audio_info_to_caps (info);
  gchar *text = gst_caps_to_string (caps);
  GstBuffer *buffer;
  GstCaps *got_caps;
  guint i;

  buffer = noise ((samples + 3) * (gsize) GST_AUDIO_INFO_BPF (info), 1);
  if (GST_AUDIO_INFO_LAYOUT (info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED)
    add_planes (buffer, info, samples);
  fct_push_caps (slot->sink, text);
  gst_harness_push (slot->sink, gst_buffer_ref (buffer));
  for (i = 0; i < G_N_ELEMENTS (slot->readers); i++)
    {
      GstBuffer *got = gst_harness_pull (slot->readers[i]);

      fail_unless (got != NULL, "%s", text);
      check_audio_planes (info, got, buffer);
      got_caps = gst_pad_get_current_caps (slot->readers[i]->sinkpad);
      fail_unless (gst_caps_is_strictly_equal (got_caps, caps), "%s", text);
      gst_caps_unref (got_caps);
      gst_buffer_unref (got);
    }
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  g_free (text);
}

GST_START_TEST (every_audio_format_and_layout)
{
  const GstAudioFormat *formats;
  GstAudioInfo info;
  guint n, i, planar;
  Slot slot;

  open_slot (&slot, FCT_DATA);
  formats = gst_audio_formats_raw (&n);
  fail_unless (n > 20);
  for (i = 0; i < n; i++)
    for (planar = 0; planar < 2; planar++)
      {
        gst_audio_info_set_format (&info, formats[i], 48000, 1 + (gint) i % 2,
                                   NULL);
        info.layout = planar ? GST_AUDIO_LAYOUT_NON_INTERLEAVED
                             : GST_AUDIO_LAYOUT_INTERLEAVED;
        check_audio (&slot, &info);
      }
  close_slot (&slot);
}
GST_END_TEST

GST_START_TEST (many_audio_channels)
{
  static const GstAudioChannelPosition surround[] = {
    GST_AUDIO_CHANNEL_POSITION_FRONT_LEFT,
    GST_AUDIO_CHANNEL_POSITION_FRONT_RIGHT,
    GST_AUDIO_CHANNEL_POSITION_FRONT_CENTER,
    GST_AUDIO_CHANNEL_POSITION_LFE1,
    GST_AUDIO_CHANNEL_POSITION_REAR_LEFT,
    GST_AUDIO_CHANNEL_POSITION_REAR_RIGHT,
    GST_AUDIO_CHANNEL_POSITION_SIDE_LEFT,
    GST_AUDIO_CHANNEL_POSITION_SIDE_RIGHT,
  };
  GstAudioInfo info;
  guint planar;
  Slot slot;

  open_slot (&slot, FCT_DATA);
  for (planar = 0; planar < 2; planar++)
    {
      gst_audio_info_set_format (&info, GST_AUDIO_FORMAT_F32, 48000, 8,
                                 surround);
      info.layout = planar ? GST_AUDIO_LAYOUT_NON_INTERLEAVED
                           : GST_AUDIO_LAYOUT_INTERLEAVED;
      check_audio (&slot, &info);
      gst_audio_info_set_format (&info, GST_AUDIO_FORMAT_S16, 48000, 64, NULL);
      info.layout = planar ? GST_AUDIO_LAYOUT_NON_INTERLEAVED
                           : GST_AUDIO_LAYOUT_INTERLEAVED;
      check_audio (&slot, &info);
    }
  close_slot (&slot);
}
GST_END_TEST

/* Others -------------------------------------------------------------- */

GST_START_TEST (streams_of_bytes)
{
  static const gchar *const caps[] = {
    "meta/x-klv,parsed=true,sparse=false",
    "text/x-raw,format=utf8",
    "text/x-raw,format=pango-markup",
    "application/octet-stream",
    "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264",
    "application/x-subtitle",
    "closedcaption/x-cea-708,format=cdp,framerate=25/1",
    "application/x-teletext",
  };
  Slot slot;
  guint i, j;

  open_slot (&slot, FCT_DATA);
  for (i = 0; i < G_N_ELEMENTS (caps); i++)
    {
      fct_push_caps (slot.sink, caps[i]);
      fct_push (slot.sink, i, 1 + i * 177);
      for (j = 0; j < G_N_ELEMENTS (slot.readers); j++)
        fct_pull (slot.readers[j], i, 1 + i * 177);
    }
  close_slot (&slot);
}
GST_END_TEST

static Suite *
formats_suite (void)
{
  Suite *suite = suite_create ("formats");
  TCase *tc = tcase_create ("formats");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, every_video_format_1x1);
  tcase_add_test (tc, every_video_format_3x5);
  tcase_add_test (tc, every_video_format_17x33);
  tcase_add_test (tc, every_video_format_64x48);
  tcase_add_test (tc, padded_cells_of_every_format);
  tcase_add_test (tc, interlaced_video);
  tcase_add_test (tc, padded_fields);
  tcase_add_test (tc, multiview_video);
  tcase_add_test (tc, every_audio_format_and_layout);
  tcase_add_test (tc, many_audio_channels);
  tcase_add_test (tc, streams_of_bytes);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, formats_suite);
}
