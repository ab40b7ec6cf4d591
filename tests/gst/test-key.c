/* framecache: formats with delta units: key frames, and where readers begin
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gst/video/video.h>

#include "fc-gst-test.h"

#define STREAM "timestamps", 1
#define LATEST "start", 1
#define OLDEST "start", 2
#define KEY "start", 3
#define DELTA GST_BUFFER_FLAG_DELTA_UNIT
#define HEADER GST_BUFFER_FLAG_HEADER
#define MARKER GST_BUFFER_FLAG_MARKER
#define NO_PTS G_MAXUINT

static void
push (GstHarness *h, guint number, guint flags)
{
  GstBuffer *buffer = fct_buffer (number, 100);

  GST_BUFFER_FLAG_SET (buffer, flags);
  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
}

/* Frames FROM to TO, key frames where the number is a multiple of EVERY. */
static void
push_groups (GstHarness *h, guint from, guint to, guint every)
{
  guint i;

  for (i = from; i <= to; i++)
    push (h, i, i % every == 0 ? 0 : DELTA);
}

static void
pull (GstHarness *h, guint number, gboolean discont)
{
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL, "frame %u never came", number);
  fct_check_buffer (buffer, number, 100);
  fail_unless_equals_int (
      GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT), discont);
  gst_buffer_unref (buffer);
}

static GstHarness *
writer (guint depth)
{
  return fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", depth, NULL), FCT_DATA);
}

/* What is a key start ------------------------------------------------- */

typedef struct
{
  guint flags;
  guint number; /* of the picture: its time */
  guint8 nal;
} Unit;

#define END                                                                    \
  {                                                                            \
    G_MAXUINT, 0, 0                                                            \
  }

/* EXPECTED has K for each that is to be a key frame. */
static void
check_marks (const gchar *caps, const Unit *units, const gchar *expected)
{
  const guint8 start_code[] = { 0, 0, 0, 1 };
  GstHarness *h
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), caps);
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer = NULL;
  guint i;

  for (i = 0; units[i].flags != G_MAXUINT; i++)
    {
      GstBuffer *buffer = fct_buffer (units[i].number, 10);

      if (units[i].number == NO_PTS)
        GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
      gst_buffer_fill (buffer, 0, start_code, 4);
      gst_buffer_memset (buffer, 4, units[i].nal, 1);
      GST_BUFFER_FLAG_SET (buffer, units[i].flags);
      fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
    }
  fail_unless_equals_int (i, strlen (expected));
  options.position.start = FC_START_OLDEST;
  g_assert_cmpint (fc_consumer_open (&consumer, "cam0", &options), ==, 0);
  for (i = 0; expected[i] != '\0'; i++)
    {
      g_assert_cmpint (fc_consumer_read (consumer, &frame, 0), >=, 0);
      fail_unless ((expected[i] == 'K') == (frame.info.flags & FC_FRAME_KEY),
                   "%s, buffer %u of %s: flags 0x%x", caps, i, expected,
                   frame.info.flags);
    }
  fc_consumer_close (consumer);
  fct_stop (h);
}

GST_START_TEST (all_of_what_has_no_deltas_are_keys)
{
  check_marks ("image/jpeg",
               (Unit[]){ { 0, 0, 0 }, { 0, 1, 0 }, { MARKER, 2, 0 }, END },
               "KKK");
  /* without times, and with one that stands still */
  check_marks (FCT_DATA,
               (Unit[]){ { 0, NO_PTS, 0 }, { 0, NO_PTS, 0 }, { 0, 3, 0 }, END },
               "KKK");
  check_marks (FCT_DATA, (Unit[]){ { 0, 5, 0 }, { 0, 5, 0 }, END }, "KK");
  /* the headers of Vorbis */
  check_marks ("audio/x-vorbis",
               (Unit[]){ { HEADER, NO_PTS, 0 },
                         { HEADER, NO_PTS, 0 },
                         { HEADER, NO_PTS, 0 },
                         { 0, 0, 0 },
                         { 0, 1, 0 },
                         END },
               "K...K");
}
GST_END_TEST

GST_START_TEST (first_of_a_run_is_the_key)
{
  check_marks (FCT_DATA,
               (Unit[]){ { HEADER, NO_PTS, 0 },
                         { HEADER, NO_PTS, 0 },
                         { 0, 0, 0 },
                         { DELTA, 1, 0 },
                         { DELTA, 2, 0 },
                         { HEADER, NO_PTS, 0 },
                         { 0, 3, 0 },
                         { DELTA, 4, 0 },
                         { 0, 5, 0 },
                         { DELTA, 6, 0 },
                         END },
               "K....K..K.");
  /* the headers of Theora */
  check_marks ("video/x-theora",
               (Unit[]){ { HEADER, NO_PTS, 0 },
                         { HEADER | DELTA, NO_PTS, 0 },
                         { HEADER | DELTA, NO_PTS, 0 },
                         { 0, 0, 0 },
                         { DELTA, 1, 0 },
                         { 0, 2, 0 },
                         END },
               "K....K");
}
GST_END_TEST

GST_START_TEST (slices_of_a_picture_are_one_key)
{
  check_marks (FCT_DATA,
               (Unit[]){ { DELTA, 0, 0 },
                         { 0, 1, 0 },
                         { 0, 1, 0 },
                         { 0, NO_PTS, 0 },
                         { DELTA, 2, 0 },
                         { DELTA, 2, 0 },
                         { HEADER, 3, 0 },
                         { 0, 3, 0 },
                         { 0, 3, 0 },
                         END },
               ".K....K..");
}
GST_END_TEST

GST_START_TEST (key_after_key_is_another)
{
  check_marks (FCT_DATA,
               (Unit[]){ { 0, 0, 0 },
                         { DELTA, 1, 0 },
                         { 0, 2, 0 },
                         { 0, 3, 0 },
                         { HEADER | MARKER, 4, 0 },
                         { HEADER | MARKER, NO_PTS, 0 },
                         { MARKER, NO_PTS, 0 },
                         END },
               "K.KKKKK");
  /* one of the same time, after a flush */
  check_marks (FCT_DATA,
               (Unit[]){ { DELTA, 0, 0 },
                         { 0, 1, 0 },
                         { 0, 1, 0 },
                         { GST_BUFFER_FLAG_DISCONT, 1, 0 },
                         END },
               ".K.K");
  /* a message before each delta picture */
  check_marks (FCT_DATA,
               (Unit[]){ { HEADER, 0, 0 },
                         { HEADER | DELTA, 1, 0 },
                         { HEADER | DELTA, 2, 0 },
                         { HEADER, 3, 0 },
                         END },
               "K..K");
}
GST_END_TEST

/* As h264parse and h265parse give them: delimiters without a flag, parameter
 * sets with DELTA_UNIT, and again in front of each slice. */
GST_START_TEST (single_nal_units)
{
  const Unit h264[] = { { 0, 0, 9 },
                        { HEADER | DELTA, 0, 0x67 },
                        { HEADER | DELTA, 0, 0x68 },
                        { 0, NO_PTS, 0x67 },
                        { 0, NO_PTS, 0x68 },
                        { 0, NO_PTS, 0x65 },
                        { 0, NO_PTS, 0x67 },
                        { 0, NO_PTS, 0x68 },
                        { MARKER, NO_PTS, 0x65 },
                        { 0, 1, 9 },
                        { DELTA, 1, 0x41 },
                        { DELTA | MARKER, NO_PTS, 0x41 },
                        { 0, 2, 9 },
                        { HEADER | DELTA, 2, 6 },
                        { 0, 2, 0x65 },
                        { MARKER, NO_PTS, 0x65 },
                        { HEADER | DELTA, 3, 0x67 },
                        { MARKER, NO_PTS, 0x65 },
                        END };
  const Unit h265[] = { { 0, 0, 35 << 1 },
                        { HEADER | DELTA, 0, 32 << 1 },
                        { HEADER | DELTA, 0, 33 << 1 },
                        { HEADER | DELTA, 0, 34 << 1 },
                        { HEADER | DELTA, 0, 39 << 1 },
                        { MARKER, NO_PTS, 19 << 1 },
                        { DELTA | MARKER, 1, 1 << 1 },
                        { MARKER, 2, 21 << 1 },
                        END };

  check_marks ("video/x-h264,stream-format=byte-stream,alignment=nal", h264,
               ".K............K.K.");
  check_marks ("video/x-h264,stream-format=avc,alignment=nal,"
               "codec_data=(buffer)0164001fff",
               h264, ".K............K.K.");
  check_marks ("video/x-h265,stream-format=byte-stream,alignment=nal", h265,
               ".K.....K");
}
GST_END_TEST

/* Beginning ----------------------------------------------------------- */

static guint
count_requests (GstHarness *h)
{
  guint requests = 0;
  GstEvent *event;

  while ((event = gst_harness_try_pull_upstream_event (h)) != NULL)
    {
      gboolean all_headers;
      guint count;

      if (gst_video_event_is_force_key_unit (event))
        {
          fail_unless (gst_video_event_parse_upstream_force_key_unit (
              event, NULL, &all_headers, &count));
          fail_unless (all_headers);
          requests++;
        }
      gst_event_unref (event);
    }
  return requests;
}

GST_START_TEST (joining_in_the_middle)
{
  GstHarness *sink = fct_writer (), *src;

  push_groups (sink, 10, 12, 10);
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push (sink, 13, DELTA);
  FCT_WAIT (fct_stat (src->element, "skipped") == 1);
  push (sink, 14, DELTA);
  fail_unless_equals_int (count_requests (sink), 1);
  push (sink, 15, DELTA);
  push (sink, 20, 0);
  push (sink, 21, DELTA);
  pull (src, 20, TRUE);
  pull (src, 21, FALSE);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 3);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "delivered"), 2);
  fail_unless_equals_int (count_requests (sink), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (request_key_frame_may_be_off)
{
  GstHarness *sink = fct_writer (), *src;

  push_groups (sink, 10, 12, 10);
  src = fct_reader ("request-key-frame", FALSE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push (sink, 13, DELTA);
  FCT_WAIT (fct_stat (src->element, "skipped") == 1);
  push (sink, 14, DELTA);
  push (sink, 20, 0);
  pull (src, 20, TRUE);
  fail_unless_equals_int (count_requests (sink), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static void
check_start (const gchar *property, gint value, guint expected, gboolean raw)
{
  GstHarness *sink = writer (16), *src;
  guint i;

  for (i = 0; i <= 25; i++)
    push (sink, i, i % 7 == 0 || raw ? 0 : DELTA);
  src = fct_reader (property, value);
  pull (src, expected, TRUE);
  for (i = expected + 1; i <= 25; i++)
    pull (src, i, FALSE);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 0);
  fct_stop (src);
  fct_stop (sink);
}

/* 3/4 back is 14. */
GST_START_TEST (start_at_a_key_frame)
{
  check_start (KEY, 21, FALSE);
  check_start (OLDEST, 14, FALSE);
  check_start (KEY, 25, TRUE);
  check_start (OLDEST, 14, TRUE);
  check_start (LATEST, 25, TRUE);
}
GST_END_TEST

/* Frames of the last ten minutes, one a minute; 2 and 7 are key frames. */
static fc_writer_t *
ten_minutes (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  guint64 now = g_get_monotonic_time () * 1000;
  fc_writer_t *w;
  guint i;

  options.frame_size = 100;
  options.ring_depth = 16;
  options.format = FCT_DATA;
  options.format_size = strlen (FCT_DATA);
  g_assert_cmpint (fc_writer_open (&w, "cam0", &options), ==, 0);
  for (i = 0; i < 10; i++)
    {
      GstBuffer *buffer = fct_buffer (i, 100);
      fc_info_t info = FC_INFO_INIT;
      GstMapInfo map;

      g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
      info.flags = i == 2 || i == 7 ? FC_FRAME_KEY : FC_FRAME_DELTA;
      info.pts = GST_BUFFER_PTS (buffer);
      info.offset = i;
      /* a machine that runs for less than that: long ago all the same */
      info.capture_ns = now > (9 - i) * 60 * GST_SECOND
                            ? now - (9 - i) * 60 * GST_SECOND
                            : 0;
      g_assert_cmpint (fc_writer_write (w, map.data, map.size, &info, NULL), ==,
                       0);
      gst_buffer_unmap (buffer, &map);
      gst_buffer_unref (buffer);
    }
  return w;
}

static void
check_start_time (gdouble minutes, guint expected)
{
  gint64 start_time = (gint64) (minutes * 60 * GST_SECOND);
  GstHarness *src = fct_src_harness (fct_new (
      "fcsrc", "slot", "cam0", STREAM, LATEST, "start-time", start_time, NULL));

  pull (src, expected, TRUE);
  pull (src, expected + 1, FALSE);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fct_stop (src);
}

GST_START_TEST (start_time_is_rounded_back_to_a_key_frame)
{
  fc_writer_t *w = ten_minutes ();

  check_start_time (-0.5, 7);
  check_start_time (-0.0001, 7);
  check_start_time (-1000000, 2);
  fc_writer_close (w);
}
GST_END_TEST

GST_START_TEST (start_time_of_the_future_is_refused)
{
  GstElement *src
      = fct_new ("fcsrc", "slot", "cam0", "start-time", (gint64) 1, NULL);
  GstBus *bus = fct_bus (src);

  fail_unless_equals_int (gst_element_set_state (src, GST_STATE_PAUSED),
                          GST_STATE_CHANGE_FAILURE);
  fct_expect_error (bus, GST_RESOURCE_ERROR_SETTINGS, "start-time");
  gst_element_set_state (src, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (src);
}
GST_END_TEST

/* Laps ---------------------------------------------------------------- */

/* The frame that is stuck in downstream when the ring of 8 is lapped comes
 * first; then reading goes on at RESUMES_AT. Every EVERY'th is a key frame. */
static void
check_lap (gint start, gint on_lap, guint every, guint resumes_at,
           guint skipped)
{
  GstHarness *sink = writer (8);
  GstHarness *src = fct_src_harness (fct_new (
      "fcsrc", "slot", "cam0", STREAM, "start", start, "on-lap", on_lap, NULL));
  guint next = resumes_at - skipped, i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_groups (sink, 0, 0, every);
  pull (src, 0, TRUE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  GST_PAD_STREAM_LOCK (src->sinkpad);
  push_groups (sink, 1, 1, every);
  FCT_WAIT (fct_stat (src->element, "delivered") == 2);
  push_groups (sink, 2, 40, every);
  GST_PAD_STREAM_UNLOCK (src->sinkpad);
  pull (src, 1, FALSE);
  for (i = 41; i <= resumes_at; i++)
    {
      FCT_WAIT (fct_waiting ("cam0") == 1);
      push_groups (sink, i, i, every);
    }
  pull (src, resumes_at, TRUE);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), skipped);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), next - 2);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped-key-frames"),
                             (next - 1) / every - 1 / every);
  fail_unless_equals_uint64 (fct_stat (src->element, "laps"), 1);
  fct_stop (src);
  fct_stop (sink);
}

/* At the end 33 to 40 are in the ring, and 35 is 3/4 back. */
GST_START_TEST (lapped_goes_on_at_a_key_frame)
{
  /* auto: the newest key frame, or, from the oldest on, the first one */
  check_lap (0, 0, 3, 39, 0);
  check_lap (1, 0, 3, 39, 0);
  check_lap (3, 0, 3, 39, 0);
  check_lap (2, 0, 3, 36, 1);
  check_lap (2, 3, 3, 39, 0);
  /* the newest of all is none, and 42 is the next one */
  check_lap (0, 2, 3, 42, 2);
  check_lap (0, 2, 1, 40, 0);
  /* none there that is not about to go: 51 is the next */
  check_lap (0, 0, 17, 51, 11);
}
GST_END_TEST

GST_START_TEST (paused_goes_on_at_a_key_frame)
{
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstHarness *sink = fct_writer ();
  GstHarness *src = fct_src_harness (gst_object_ref (element));

  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_groups (sink, 0, 1, 10);
  pull (src, 0, TRUE);
  pull (src, 1, FALSE);
  fail_unless (gst_element_set_state (element, GST_STATE_PAUSED)
               != GST_STATE_CHANGE_FAILURE);
  push_groups (sink, 9, 12, 10);
  fail_unless (gst_element_set_state (element, GST_STATE_PLAYING)
               != GST_STATE_CHANGE_FAILURE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push (sink, 13, DELTA);
  push (sink, 20, 0);
  push (sink, 21, DELTA);
  pull (src, 20, TRUE);
  pull (src, 21, FALSE);
  fail_unless_equals_uint64 (fct_stat (element, "skipped"), 5);
  fail_unless_equals_uint64 (fct_stat (element, "dropped"), 0);
  fct_stop (src);
  fct_stop (sink);
  gst_object_unref (element);
}
GST_END_TEST

/* Asking -------------------------------------------------------------- */

GST_START_TEST (requests_are_limited_by_the_streams_time)
{
  GstHarness *sink = fct_writer ();
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer = NULL;
  guint i;

  push_groups (sink, 0, 2, 100);
  g_assert_cmpint (fc_consumer_open (&consumer, "cam0", &options), ==, 0);
  g_assert_cmpint (fc_consumer_request_key_frame (consumer), ==, 0);
  push (sink, 3, DELTA);
  fail_unless_equals_int (count_requests (sink), 1);
  push (sink, 4, DELTA);
  fail_unless_equals_int (count_requests (sink), 0);
  /* 20 ms each */
  g_assert_cmpint (fc_consumer_request_key_frame (consumer), ==, 0);
  for (i = 5; i < 3 + 25; i++)
    push (sink, i, DELTA);
  fail_unless_equals_int (count_requests (sink), 0);
  push (sink, i++, DELTA);
  fail_unless_equals_int (count_requests (sink), 1);
  push (sink, i++, DELTA);
  fail_unless_equals_int (count_requests (sink), 0);

  /* A key frame with its headers is what was asked for. */
  g_assert_cmpint (fc_consumer_request_key_frame (consumer), ==, 0);
  push (sink, 100, HEADER);
  push (sink, 101, DELTA);
  fail_unless_equals_int (count_requests (sink), 0);
  fc_consumer_close (consumer);
  fct_stop (sink);
}
GST_END_TEST

/* Who may only look has no way to ask; no error comes of it. */
GST_START_TEST (observer_waits_for_a_key_frame)
{
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "access", FC_SHARE_ALL, NULL),
      FCT_DATA);
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *src;
  guint i = 1;

  g_assert_cmpint (chmod (g_getenv ("FC_TEST_BASE"), 0755), ==, 0);
  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  push (sink, 0, 0);
  g_assert_cmpint (seteuid (65534), ==, 0);
  src = fct_src_harness (element);
  FCT_WAIT ((push (sink, i++, DELTA), fct_stat (src->element, "skipped") > 0));
  push (sink, i++, DELTA);
  push (sink, 1000, 0);
  pull (src, 1000, TRUE);
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 0);
  fail_unless_equals_int (count_requests (sink), 0);
  fail_unless (
      gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)
      == NULL);
  fct_stop (src);
  g_assert_cmpint (seteuid (0), ==, 0);
  fct_bus_free (bus);
  fct_stop (sink);
}
GST_END_TEST

/* A reader that lacks nothing, and downstream of it an application that wants
 * a key frame. */
GST_START_TEST (request_from_downstream_is_passed_on)
{
  GstHarness *sink = fct_writer (), *src;
  guint i = 2;

  src = fct_reader ("request-key-frame", FALSE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_groups (sink, 0, 1, 100);
  pull (src, 0, TRUE);
  pull (src, 1, FALSE);
  fail_unless_equals_int (count_requests (sink), 0);
  fail_unless (gst_harness_push_upstream_event (
      src, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE,
                                                        TRUE, 0)));
  FCT_WAIT ((push (sink, i, DELTA), pull (src, i++, FALSE),
             count_requests (sink) == 1));
  push (sink, i, DELTA);
  pull (src, i, FALSE);
  fail_unless_equals_int (count_requests (sink), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Stream headers ------------------------------------------------------ */

#define STREAMHEADER "streamheader=(buffer)<0102,0304>"

static void
pull_header (GstHarness *h, guint8 byte, guint number)
{
  const guint8 expected[] = { byte, byte + 1 };
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL);
  gst_check_buffer_data (buffer, expected, sizeof (expected));
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, HEADER));
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer),
                             number * 20 * GST_MSECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), 0);
  gst_buffer_unref (buffer);
}

GST_START_TEST (late_joiner_gets_the_stream_headers_first)
{
  GstHarness *sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                                       FCT_DATA "," STREAMHEADER);
  GstHarness *src;

  push_groups (sink, 5, 7, 5);
  src = fct_reader (KEY);
  pull_header (src, 1, 5);
  pull_header (src, 3, 5);
  pull (src, 5, TRUE);
  pull (src, 6, FALSE);
  pull (src, 7, FALSE);
  fail_unless_equals_uint64 (fct_stat (src->element, "delivered"), 3);

  /* other headers, other caps */
  fct_push_caps (sink, FCT_DATA ",streamheader=(buffer)<0506>");
  push (sink, 8, 0);
  pull_header (src, 5, 8);
  pull (src, 8, TRUE);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Who sees those in the stream does not need them twice. */
GST_START_TEST (headers_in_the_stream_are_not_doubled)
{
  GstHarness *sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                                       FCT_DATA "," STREAMHEADER);
  GstHarness *src = fct_reader (NULL, 0);

  FCT_WAIT (fct_waiting ("cam0") == 1);
  push (sink, 0, HEADER);
  push (sink, 1, 0);
  pull (src, 0, TRUE);
  pull (src, 1, FALSE);
  fct_stop (src);
  fct_stop (sink);

  /* they are for Ogg, and never in the stream */
  sink = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL),
                           "audio/x-opus," STREAMHEADER);
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push (sink, 1, 0);
  pull (src, 1, TRUE);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Other rings, other writers ------------------------------------------ */

/* The larger ring goes on in the middle of a group, and so does the reader. */
GST_START_TEST (larger_ring_loses_nothing)
{
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "frame-size", 100, NULL), FCT_DATA);
  GstHarness *src = fct_reader (NULL, 0);
  GstBuffer *buffer;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_groups (sink, 0, 3, 100);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  buffer = fct_buffer (4, 10000);
  GST_BUFFER_FLAG_SET (buffer, DELTA);
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  push (sink, 5, DELTA);
  pull (src, 0, TRUE);
  pull (src, 1, FALSE);
  pull (src, 2, FALSE);
  pull (src, 3, FALSE);
  fct_pull (src, 4, 10000);
  pull (src, 5, FALSE);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (other_writers_deltas_are_skipped)
{
  GstHarness *sink = fct_writer ();
  GstHarness *src = fct_reader ("on-eos", 1);

  FCT_WAIT (fct_waiting ("cam0") == 1);
  push_groups (sink, 0, 1, 100);
  pull (src, 0, TRUE);
  pull (src, 1, FALSE);
  fct_stop (sink);
  sink = fct_writer ();
  FCT_WAIT (fct_waiting ("cam0") == 1);
  push (sink, 8, DELTA);
  push (sink, 9, DELTA);
  push (sink, 10, 0);
  pull (src, 10, TRUE);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 2);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static Suite *
key_suite (void)
{
  Suite *suite = suite_create ("key");
  TCase *tc = tcase_create ("key");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, all_of_what_has_no_deltas_are_keys);
  tcase_add_test (tc, first_of_a_run_is_the_key);
  tcase_add_test (tc, slices_of_a_picture_are_one_key);
  tcase_add_test (tc, key_after_key_is_another);
  tcase_add_test (tc, single_nal_units);
  tcase_add_test (tc, joining_in_the_middle);
  tcase_add_test (tc, request_key_frame_may_be_off);
  tcase_add_test (tc, start_at_a_key_frame);
  tcase_add_test (tc, start_time_is_rounded_back_to_a_key_frame);
  tcase_add_test (tc, start_time_of_the_future_is_refused);
  tcase_add_test (tc, lapped_goes_on_at_a_key_frame);
  tcase_add_test (tc, paused_goes_on_at_a_key_frame);
  tcase_add_test (tc, requests_are_limited_by_the_streams_time);
  if (geteuid () == 0)
    tcase_add_test (tc, observer_waits_for_a_key_frame);
  tcase_add_test (tc, request_from_downstream_is_passed_on);
  tcase_add_test (tc, late_joiner_gets_the_stream_headers_first);
  tcase_add_test (tc, headers_in_the_stream_are_not_doubled);
  tcase_add_test (tc, larger_ring_loses_nothing);
  tcase_add_test (tc, other_writers_deltas_are_skipped);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, key_suite);
}
