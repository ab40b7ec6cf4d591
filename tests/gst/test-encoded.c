/* framecache: what real encoders make, through a slot to a reader who joins
 * late
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-test.h"

#define PICTURES 36
#define SIZE "width=320,height=240"
/* Which of the encoded buffers the late reader misses. */
#define MISSED 15

/* Encoded or decoded, with the caps. */
typedef struct
{
  GstCaps *caps;
  GPtrArray *buffers;
} Stream;

static void
stream_free (Stream *stream)
{
  gst_clear_caps (&stream->caps);
  g_ptr_array_unref (stream->buffers);
  g_free (stream);
}

/* All that comes out of H until its end. */
static Stream *
take_stream (GstHarness *h)
{
  Stream *stream = g_new0 (Stream, 1);
  GstBuffer *buffer;

  stream->buffers
      = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  gst_event_unref (fct_pull_event (h, GST_EVENT_EOS));
  while ((buffer = gst_harness_try_pull (h)) != NULL)
    g_ptr_array_add (stream->buffers, buffer);
  stream->caps = gst_pad_get_current_caps (h->sinkpad);
  fail_unless (stream->buffers->len > 0, "nothing came");
  return stream;
}

static Stream *
run (const gchar *line)
{
  GstHarness *h = gst_harness_new_parse (line);
  Stream *stream;

  gst_harness_play (h);
  stream = take_stream (h);
  GST_INFO ("%u buffers of %" GST_PTR_FORMAT, stream->buffers->len,
            stream->caps);
  fail_unless (stream->buffers->len > MISSED);
  gst_harness_teardown (h);
  return stream;
}

static Stream *
encode (const gchar *encoder, gboolean is_sound)
{
  gchar *line = g_strdup_printf (
      is_sound ? "audiotestsrc num-buffers=%d samplesperbuffer=4800 !"
                 " audio/x-raw,rate=48000,channels=2 ! audioconvert ! %s"
               : "videotestsrc num-buffers=%d pattern=ball !"
                 " video/x-raw,format=I420," SIZE ",framerate=30/1 ! %s",
      PICTURES, encoder);
  Stream *stream = run (line);

  g_free (line);
  return stream;
}

static GstBuffer *
nth (const Stream *stream, guint i)
{
  return g_ptr_array_index (stream->buffers, i);
}

static void
push_some (GstHarness *h, const Stream *stream, guint from, guint to)
{
  guint i;

  for (i = from; i < to; i++)
    fail_unless_equals_int (
        gst_harness_push (h, gst_buffer_ref (nth (stream, i))), GST_FLOW_OK);
}

static GstHarness *
writer_of (const Stream *stream, guint frame_size)
{
  gchar *caps = gst_caps_to_string (stream->caps);
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", "ring-depth", 400,
                                   "frame-size", frame_size, NULL),
                          caps);

  g_free (caps);
  return h;
}

/* DECODER may be the empty string. */
static GstHarness *
reader_with (const gchar *properties, const gchar *decoder)
{
  gchar *line = g_strdup_printf ("fcsrc name=src slot=cam0 timestamps=stream"
                                 " memory=copy %s%s",
                                 properties, decoder);
  GstHarness *h = gst_harness_new_parse (line);

  gst_harness_use_systemclock (h);
  gst_harness_play (h);
  g_free (line);
  return h;
}

static guint64
reader_stat (GstHarness *h, const gchar *field)
{
  GstElement *src = GST_IS_BIN (h->element)
                        ? gst_bin_get_by_name (GST_BIN (h->element), "src")
                        : gst_object_ref (h->element);
  guint64 value = fct_stat (src, field);

  gst_object_unref (src);
  return value;
}

static gboolean
is_same (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo map;
  gboolean same;

  fail_unless (gst_buffer_map (a, &map, GST_MAP_READ));
  same = gst_buffer_get_size (b) == map.size
         && gst_buffer_memcmp (b, 0, map.data, map.size) == 0;
  gst_buffer_unmap (a, &map);
  return same;
}

/* Video --------------------------------------------------------------- */

static Stream *
decode (const Stream *encoded, const gchar *decoder)
{
  GstHarness *h = gst_harness_new_parse (decoder);
  Stream *stream;

  gst_harness_set_src_caps (h, gst_caps_ref (encoded->caps));
  push_some (h, encoded, 0, encoded->buffers->len);
  gst_harness_push_event (h, gst_event_new_eos ());
  stream = take_stream (h);
  gst_harness_teardown (h);
  return stream;
}

/* The pictures that were received are the last ones of those decoded without a
 * slot, whole, and the first of them is that of time FIRST. */
static void
check_pictures (const Stream *got, const Stream *direct, GstClockTime first)
{
  guint skipped, i;

  fail_unless (got->buffers->len <= direct->buffers->len);
  skipped = direct->buffers->len - got->buffers->len;
  fail_unless_equals_uint64 (GST_BUFFER_PTS (nth (got, 0)), first);
  for (i = 0; i < got->buffers->len; i++)
    {
      fail_unless_equals_uint64 (GST_BUFFER_PTS (nth (got, i)),
                                 GST_BUFFER_PTS (nth (direct, skipped + i)));
      fail_unless (is_same (nth (got, i), nth (direct, skipped + i)),
                   "picture %u is another", i);
    }
}

/* The time of the next picture that can be decoded by itself, from buffer AT
 * on, or, where STEP is -1, up to it. Not every part of it has its time. */
static GstClockTime
key_time (const Stream *encoded, const Stream *direct, guint at, gint step)
{
  for (;; at += (guint) step)
    {
      GstBuffer *buffer;
      guint i;

      g_assert_cmpuint (at, <, encoded->buffers->len);
      buffer = nth (encoded, at);
      if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT)
          || gst_buffer_get_size (buffer) < 64)
        continue;
      for (i = 0; i < direct->buffers->len; i++)
        if (GST_BUFFER_PTS (nth (direct, i)) == GST_BUFFER_DTS_OR_PTS (buffer))
          return GST_BUFFER_PTS (nth (direct, i));
    }
}

static void
check_late_reader (const Stream *encoded, const Stream *direct,
                   const gchar *properties, const gchar *decoder,
                   GstClockTime first)
{
  GstHarness *sink = writer_of (encoded, 100000), *src;
  gchar *line = g_strconcat (" ! ", decoder, NULL);
  Stream *got;

  push_some (sink, encoded, 0, MISSED);
  src = reader_with (properties, line);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_some (sink, encoded, MISSED, encoded->buffers->len);
  gst_harness_push_event (sink, gst_event_new_eos ());
  got = take_stream (src);
  check_pictures (got, direct, first);
  fail_unless_equals_uint64 (reader_stat (src, "dropped"), 0);
  stream_free (got);
  gst_harness_teardown (src);
  fct_stop (sink);
  g_free (line);
}

static void
check_video (const gchar *encoder, const gchar *decoder)
{
  gchar *to_rgb = g_strconcat (
      decoder, " ! videoconvert ! capsfilter caps=video/x-raw,format=RGB," SIZE,
      NULL);
  Stream *encoded = encode (encoder, FALSE);
  Stream *direct = decode (encoded, to_rgb);

  fail_unless_equals_int (direct->buffers->len, PICTURES);
  check_late_reader (encoded, direct, "", to_rgb,
                     key_time (encoded, direct, MISSED, 1));
  check_late_reader (encoded, direct, "start=key-frame", to_rgb,
                     key_time (encoded, direct, MISSED - 1, -1));
  stream_free (direct);
  stream_free (encoded);
  g_free (to_rgb);
}

#define OPENH264 "openh264enc gop-size=10 ! h264parse config-interval=-1"

GST_START_TEST (h264) { check_video (OPENH264, "h264parse ! avdec_h264"); }
GST_END_TEST

GST_START_TEST (h264_with_codec_data)
{
  check_video (OPENH264
               " ! capsfilter caps=video/x-h264,stream-format=avc,alignment=au",
               "h264parse ! avdec_h264");
}
GST_END_TEST

/* h264parse of GStreamer 1.22 makes a mess of single units when it is asked to
 * repeat headers among them, or to turn them into avc. */
GST_START_TEST (h264_in_slices)
{
  check_video ("openh264enc gop-size=4 slice-mode=n-slices num-slices=2 !"
               " h264parse ! capsfilter"
               " caps=video/x-h264,stream-format=byte-stream,alignment=nal",
               "h264parse ! capsfilter"
               " caps=video/x-h264,stream-format=byte-stream,alignment=au !"
               " avdec_h264");
}
GST_END_TEST

GST_START_TEST (h265)
{
  check_video ("x265enc key-int-max=10 speed-preset=ultrafast"
               " tune=zerolatency option-string=bframes=0:open-gop=0 !"
               " h265parse config-interval=-1",
               "h265parse ! avdec_h265");
}
GST_END_TEST

GST_START_TEST (vp8)
{
  check_video ("vp8enc keyframe-max-dist=10 deadline=1", "vp8dec");
}
GST_END_TEST

GST_START_TEST (vp9)
{
  check_video ("vp9enc keyframe-max-dist=10 deadline=1 cpu-used=8", "vp9dec");
}
GST_END_TEST

GST_START_TEST (av1)
{
  check_video ("av1enc keyframe-max-dist=10 usage-profile=realtime"
               " cpu-used=8 lag-in-frames=0",
               "av1dec");
}
GST_END_TEST

/* Cannot be decoded without the headers in its caps. */
GST_START_TEST (theora)
{
  check_video ("theoraenc keyframe-auto=false keyframe-freq=10"
               " keyframe-force=10",
               "theoradec");
}
GST_END_TEST

GST_START_TEST (mjpeg) { check_video ("jpegenc", "jpegdec"); }
GST_END_TEST

/* Sound --------------------------------------------------------------- */

/* The buffers themselves, from the next one on. A reader of them can decode
 * without anything else. */
static void
check_sound (const gchar *encoder, const gchar *decoder, gboolean has_headers)
{
  Stream *encoded = encode (encoder, TRUE), *got;
  GstHarness *sink = writer_of (encoded, 0), *src, *decoding;
  guint headers, i;

  push_some (sink, encoded, 0, MISSED);
  src = reader_with ("", "");
  decoding = reader_with ("", decoder);
  FCT_WAIT (fct_waiting ("cam0") == 2);
  push_some (sink, encoded, MISSED, encoded->buffers->len);
  gst_harness_push_event (sink, gst_event_new_eos ());

  got = take_stream (src);
  headers = got->buffers->len - (encoded->buffers->len - MISSED);
  fail_unless_equals_int (headers, has_headers ? 3 : 0);
  fail_unless (gst_caps_is_strictly_equal (got->caps, encoded->caps));
  for (i = 0; i < got->buffers->len; i++)
    {
      gboolean is_header
          = GST_BUFFER_FLAG_IS_SET (nth (got, i), GST_BUFFER_FLAG_HEADER);

      fail_unless_equals_int (is_header, i < headers);
      fail_unless (
          is_header
          || is_same (nth (got, i), nth (encoded, MISSED + i - headers)));
    }
  fail_unless_equals_uint64 (reader_stat (src, "skipped"), 0);
  stream_free (got);

  got = take_stream (decoding);
  fail_unless (got->buffers->len + 3 >= encoded->buffers->len - MISSED);
  stream_free (got);
  gst_harness_teardown (decoding);
  gst_harness_teardown (src);
  fct_stop (sink);
  stream_free (encoded);
}

GST_START_TEST (aac)
{
  check_sound ("voaacenc ! aacparse", " ! aacparse ! avdec_aac", FALSE);
}
GST_END_TEST

GST_START_TEST (opus)
{
  check_sound ("opusenc", " ! opusparse ! opusdec", FALSE);
}
GST_END_TEST

GST_START_TEST (vorbis) { check_sound ("vorbisenc", " ! vorbisdec", TRUE); }
GST_END_TEST

/* Size ---------------------------------------------------------------- */

/* A black picture is small, snow is not: its first key frame does not fit into
 * the ring that was made for what came before. */
GST_START_TEST (frames_that_outgrow_the_ring)
{
  Stream *encoded
      = run ("videotestsrc num-buffers=15 pattern=black ! video/x-raw," SIZE
             ",framerate=30/1 ! concat name=c ! openh264enc gop-size=10"
             " rate-control=off ! h264parse config-interval=-1"
             " videotestsrc num-buffers=15 pattern=snow ! video/x-raw," SIZE
             ",framerate=30/1 ! c."),
      *got;
  GstHarness *sink = writer_of (encoded, 200);
  GstHarness *src = reader_with ("", "");
  fc_slot_stat_t stat;
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_some (sink, encoded, 0, 1);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  push_some (sink, encoded, 1, encoded->buffers->len);
  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless (stat.generation > 1);
  gst_harness_push_event (sink, gst_event_new_eos ());
  got = take_stream (src);
  fail_unless_equals_int (got->buffers->len, encoded->buffers->len);
  for (i = 0; i < got->buffers->len; i++)
    fail_unless (is_same (nth (got, i), nth (encoded, i)));
  fail_unless_equals_uint64 (reader_stat (src, "dropped"), 0);
  fail_unless_equals_uint64 (reader_stat (src, "skipped"), 0);
  stream_free (got);
  gst_harness_teardown (src);
  fct_stop (sink);
  stream_free (encoded);
}
GST_END_TEST

static Suite *
encoded_suite (void)
{
  Suite *suite = suite_create ("encoded");
  TCase *tc = tcase_create ("encoded");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, h264);
  tcase_add_test (tc, h264_with_codec_data);
  tcase_add_test (tc, h264_in_slices);
  tcase_add_test (tc, h265);
  tcase_add_test (tc, vp8);
  tcase_add_test (tc, vp9);
  tcase_add_test (tc, av1);
  tcase_add_test (tc, theora);
  tcase_add_test (tc, mjpeg);
  tcase_add_test (tc, aac);
  tcase_add_test (tc, opus);
  tcase_add_test (tc, vorbis);
  tcase_add_test (tc, frames_that_outgrow_the_ring);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, encoded_suite);
}
