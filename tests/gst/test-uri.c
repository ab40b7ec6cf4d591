/* framecache: slots by URI
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-test.h"

static void
set_uri (GstElement *src, const gchar *uri)
{
  GError *error = NULL;

  gst_uri_handler_set_uri (GST_URI_HANDLER (src), uri, &error);
  fail_unless (error == NULL, "%s: %s", uri, error ? error->message : "");
}

/* Expect one sentence with each of the TEXTs, up to NULL. */
static void
refused (GstElement *src, const gchar *uri, gint code, ...)
{
  GError *error = NULL;
  const gchar *text;
  va_list args;

  fail_if (gst_uri_handler_set_uri (GST_URI_HANDLER (src), uri, &error),
           "%s was taken", uri);
  fail_unless (g_error_matches (error, GST_URI_ERROR, code), "%s: code %d, %s",
               uri, error->code, error->message);
  fail_unless (g_str_has_suffix (error->message, "."), "%s", error->message);
  fail_unless (strchr (error->message, '\n') == NULL, "%s", error->message);
  va_start (args, code);
  while ((text = va_arg (args, const gchar *)) != NULL)
    fail_unless (strstr (error->message, text) != NULL, "no '%s' in '%s'", text,
                 error->message);
  va_end (args);
  g_error_free (error);
}

static void
expect_slot (GstElement *src, const gchar *expected)
{
  gchar *slot;

  g_object_get (src, "slot", &slot, NULL);
  fail_unless_equals_string (slot, expected);
  g_free (slot);
}

static gint
get_enum (GstElement *src, const gchar *name)
{
  gint value;

  g_object_get (src, name, &value, NULL);
  return value;
}

static void
expect_uri (GstElement *src, const gchar *expected)
{
  gchar *uri = gst_uri_handler_get_uri (GST_URI_HANDLER (src));

  fail_unless_equals_string (uri, expected);
  g_free (uri);
}

/* Names --------------------------------------------------------------- */

GST_START_TEST (slot_by_path_or_host)
{
  static const gchar *const forms[][2] = {
    { "fc:///cam0", "cam0" },
    { "fc://cam0", "cam0" },
    { "fc://cam0/", "cam0" },
    { "fc:/cam0", "cam0" },
    { "FC:///Cam0", "Cam0" },
    { "fc:///Cam_0.left-A", "Cam_0.left-A" },
    { "fc://cam_0.left-2", "cam_0.left-2" },
    { "fc:///cam%30?", "cam0" },
    { "fc://cam%30", "cam0" },
    { "fc:///cam0?start=oldest", "cam0" },
    { "fc://cam0?start=oldest", "cam0" },
    { "fc://cam0/?start=oldest", "cam0" },
  };
  GstElement *src = fct_new ("fcsrc", NULL);
  guint i;

  expect_uri (src, NULL);
  for (i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      set_uri (src, forms[i][0]);
      expect_slot (src, forms[i][1]);
    }
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (path_survives_normalizing)
{
  GstElement *src = fct_new ("fcsrc", NULL);
  GstUri *uri = gst_uri_from_string ("fc:///Cam0?start=oldest");
  gchar *text;

  gst_uri_normalize (uri);
  text = gst_uri_to_string (uri);
  set_uri (src, text);
  expect_slot (src, "Cam0");
  expect_uri (src, "fc:///Cam0?start=oldest");
  g_free (text);
  gst_uri_unref (uri);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (not_a_slots_name)
{
  static const gchar *const wrong[] = {
    "fc:",           "fc:cam0",          "fc:///",       "fc://",
    "fc:////cam0",   "fc://cam0/cam1",   "fc:///cam0/x", "fc:///cam0/",
    "fc:///../x",    "fc://me@cam0",     "fc://cam0:80", "fc:///cam0#x",
    "fc:///a%00b",   "fc:///?slot=cam0", "fc://cam0//",  "fc://cam0/.",
    "fc://me@/cam0", "fc:///cam%zz",
  };
  GstElement *src = fct_new ("fcsrc", "slot", "before", NULL);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (wrong); i++)
    refused (src, wrong[i], GST_URI_ERROR_BAD_URI, wrong[i], "fc:///cam0",
             NULL);
  refused (src, "fc://Cam0", GST_URI_ERROR_BAD_URI, "capital", "fc:///Cam0",
           NULL);
  expect_slot (src, "before");
  gst_object_unref (src);
}
GST_END_TEST

/* Queries ------------------------------------------------------------- */

/* GStreamer's own parser ends the process at some of these. */
GST_START_TEST (escapes_that_are_none)
{
  static const gchar *const wrong[] = {
    "fc:///cam0?on%zzlap=oldest", "fc:///cam0?%=1",
    "fc:///cam0?start%0=live",    "fc:///cam0?%00=1",
    "fc:///cam0?start=live%f",    "fc:///cam0?start=live&%",
  };
  GstElement *src = fct_new ("fcsrc", "slot", "before", NULL);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (wrong); i++)
    refused (src, wrong[i], GST_URI_ERROR_BAD_URI, wrong[i], "fc:///cam0",
             NULL);
  expect_slot (src, "before");
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (query_sets_properties)
{
  GstElement *src = fct_new ("fcsrc", NULL);
  guint64 spin;
  gint64 wait;
  gint number;

  set_uri (src, "fc:///cam0?start=latest&on-lap=oldest&on-eos=wait"
                "&on-writer-lost=error&wait-for-slot=1500000000"
                "&timestamps=stream&memory=copy&num-buffers=7&spin=500000");
  g_object_get (src, "wait-for-slot", &wait, "num-buffers", &number, "spin",
                &spin, NULL);
  fail_unless_equals_uint64 (spin, 500000);
  fail_unless_equals_int64 (wait, 1500 * GST_MSECOND);
  fail_unless_equals_int (number, 7);
  fail_unless_equals_int (get_enum (src, "start"), 1);
  fail_unless_equals_int (get_enum (src, "on-lap"), 1);
  fail_unless_equals_int (get_enum (src, "on-eos"), 1);
  fail_unless_equals_int (get_enum (src, "on-writer-lost"), 2);
  fail_unless_equals_int (get_enum (src, "timestamps"), 1);
  fail_unless_equals_int (get_enum (src, "memory"), 2);
  /* percent-encoded, the same */
  set_uri (src, "fc:///cam0?%73tart=o%6Cdest&wait-for-slot=%2D1");
  fail_unless_equals_int (get_enum (src, "start"), 2);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (query_is_a_white_list)
{
  GstElement *src
      = fct_new ("fcsrc", "slot", "before", "directory", "/nowhere", NULL);
  gchar *directory;

  refused (src, "fc:///cam0?directory=/tmp", GST_URI_ERROR_BAD_URI,
           "\"directory\"", "preset", "on-writer-lost", NULL);
  refused (src, "fc:///cam0?slot=cam1", GST_URI_ERROR_BAD_URI, "\"slot\"",
           NULL);
  refused (src, "fc:///cam0?name=x", GST_URI_ERROR_BAD_URI, "\"name\"", NULL);
  refused (src, "fc:///cam0?Start=live", GST_URI_ERROR_BAD_URI, "\"Start\"",
           NULL);
  refused (src, "fc:///cam0?sart=live", GST_URI_ERROR_BAD_URI, "\"sart\"",
           NULL);
  refused (src, "fc:///cam0?start=oldest&&on-eos=wait", GST_URI_ERROR_BAD_URI,
           "\"\"", NULL);
  expect_slot (src, "before");
  set_uri (src, "fc:///cam0");
  g_object_get (src, "directory", &directory, NULL);
  fail_unless_equals_string (directory, "/nowhere");
  g_free (directory);
  gst_object_unref (src);
}
GST_END_TEST

/* Nothing is set where anything is wrong. */
GST_START_TEST (illegal_value_says_what_is_allowed)
{
  GstElement *src = fct_new ("fcsrc", "slot", "before", NULL);

  refused (src, "fc:///cam0?on-eos=wait&start=newest", GST_URI_ERROR_BAD_URI,
           "start=newest", "live, latest, oldest, key-frame", NULL);
  refused (src, "fc:///cam0?start=2", GST_URI_ERROR_BAD_URI, "start=2", NULL);
  refused (src, "fc:///cam0?start=", GST_URI_ERROR_BAD_URI, "start=", NULL);
  refused (src, "fc:///cam0?start", GST_URI_ERROR_BAD_URI, "start=", NULL);
  refused (src, "fc:///cam0?wait-for-slot=-2", GST_URI_ERROR_BAD_URI,
           "wait-for-slot=-2", "-1 to 9223372036854775807", "nanoseconds",
           NULL);
  refused (src, "fc:///cam0?wait-for-slot=1.5", GST_URI_ERROR_BAD_URI,
           "wait-for-slot=1.5", NULL);
  refused (src, "fc:///cam0?spin=50000001", GST_URI_ERROR_BAD_URI,
           "spin=50000001", "0 to 50000000", "nanoseconds", NULL);
  refused (src, "fc:///cam0?spin=-1", GST_URI_ERROR_BAD_URI, "spin=-1", NULL);
  refused (src, "fc:///cam0?num-buffers=99999999999", GST_URI_ERROR_BAD_URI,
           "num-buffers=99999999999", "-1 to 2147483647", NULL);
  refused (src, "fc:///cam0?preset=best", GST_URI_ERROR_BAD_URI, "preset=best",
           "live, preview, recorder, pre-event, snapshot, analyser", NULL);
  expect_slot (src, "before");
  fail_unless_equals_int (get_enum (src, "on-eos"), 0);
  gst_object_unref (src);
}
GST_END_TEST

/* A URI may come from anywhere, and is quoted to whoever has a terminal. */
GST_START_TEST (what_is_quoted_is_plain_text)
{
  static const gchar *const wrong[][2] = {
    { "fc:///cam0?start=%1b%5b31m", "start=?[31m is" },
    { "fc:///cam0?start=a%0ab", "start=a?b is" },
    { "fc:///cam0?start=%ff", "start=\357\277\275 is" },
    { "fc:///cam0?start=%e2%80%aeb", "start=?b is" },
    { "fc:///cam0?%1b=1", "\"?\"" },
    { "fc:cam\3770", "\"fc:cam\357\277\2750\"" },
    { "fc:///cam0?start=gr%c3%bcn", "start=gr\303\274n is" },
  };
  GstElement *src = fct_new ("fcsrc", NULL);
  GError *error = NULL;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      fail_if (
          gst_uri_handler_set_uri (GST_URI_HANDLER (src), wrong[i][0], &error));
      fail_unless (g_utf8_validate (error->message, -1, NULL));
      fail_unless (strstr (error->message, wrong[i][1]) != NULL,
                   "no '%s' in '%s'", wrong[i][1], error->message);
      g_clear_error (&error);
    }
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (explicit_keys_override_a_preset)
{
  GstElement *src = fct_new ("fcsrc", NULL);

  set_uri (src, "fc:///cam0?preset=live");
  expect_uri (src, "fc:///cam0?on-lap=latest");
  set_uri (src, "fc:///cam0?preset=preview");
  expect_uri (src, "fc:///cam0?start=key-frame&on-eos=wait");
  set_uri (src, "fc:///cam0?preset=recorder");
  expect_uri (src, "fc:///cam0?start=oldest&on-lap=oldest");
  set_uri (src, "fc:///cam0?preset=pre-event");
  expect_uri (src, "fc:///cam0?start-time=-10000000000&on-lap=oldest");
  set_uri (src, "fc:///cam0?preset=snapshot");
  expect_uri (src, "fc:///cam0?start=key-frame&num-buffers=1");
  set_uri (src, "fc:///cam0?preset=analyser");
  expect_uri (src, "fc:///cam0?start=key-frame&timestamps=stream");
  set_uri (src, "fc:///cam0?start=latest&preset=recorder&on-eos=wait");
  expect_uri (src, "fc:///cam0?start=latest&on-lap=oldest&on-eos=wait");
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (uri_recreates_the_settings)
{
  GstElement *a = fct_new ("fcsrc", "slot", "Ca m/0?&%", "start", 2, "on-lap",
                           2, "memory", 1, "wait-for-slot", (gint64) 5,
                           "on-writer-lost", 1, "spin", (guint64) 300, NULL);
  GstElement *b = fct_new ("fcsrc", "on-eos", 1, "timestamps", 2, NULL);
  gchar *uri = gst_uri_handler_get_uri (GST_URI_HANDLER (a));
  guint64 spin;

  set_uri (b, uri);
  expect_uri (b, uri);
  expect_slot (b, "Ca m/0?&%");
  fail_unless_equals_int (get_enum (b, "start"), 2);
  fail_unless_equals_int (get_enum (b, "on-lap"), 2);
  fail_unless_equals_int (get_enum (b, "memory"), 1);
  fail_unless_equals_int (get_enum (b, "on-writer-lost"), 1);
  g_object_get (b, "spin", &spin, NULL);
  fail_unless_equals_uint64 (spin, 300);
  /* what a URI does not name has its default */
  fail_unless_equals_int (get_enum (b, "on-eos"), 0);
  fail_unless_equals_int (get_enum (b, "timestamps"), 0);
  g_free (uri);
  gst_object_unref (a);
  gst_object_unref (b);
}
GST_END_TEST

/* Elements ------------------------------------------------------------ */

GST_START_TEST (another_uri_only_when_stopped)
{
  GstElement *src
      = gst_element_make_from_uri (GST_URI_SRC, "fc:///cam0", NULL, NULL);
  GstHarness *h;

  fail_unless (src != NULL, "nothing makes an element of fc:///cam0");
  h = fct_src_harness (gst_object_ref (src));
  refused (src, "fc:///cam1", GST_URI_ERROR_BAD_STATE, "READY", NULL);
  gst_element_set_state (src, GST_STATE_PAUSED);
  refused (src, "fc:///cam1", GST_URI_ERROR_BAD_STATE, "READY", NULL);
  expect_slot (src, "cam0");
  gst_element_set_state (src, GST_STATE_READY);
  set_uri (src, "fc:///cam1");
  expect_slot (src, "cam1");
  fct_stop (h);
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (protocol_is_for_sources)
{
  gchar **protocols;
  GstElement *src = fct_new ("fcsrc", NULL);

  fail_unless (gst_uri_protocol_is_supported (GST_URI_SRC, "fc"));
  fail_if (gst_uri_protocol_is_supported (GST_URI_SINK, "fc"));
  fail_unless_equals_int (gst_uri_handler_get_uri_type (GST_URI_HANDLER (src)),
                          GST_URI_SRC);
  protocols = (gchar **) gst_uri_handler_get_protocols (GST_URI_HANDLER (src));
  fail_unless_equals_int (g_strv_length (protocols), 1);
  gst_object_unref (src);
}
GST_END_TEST

/* Players ------------------------------------------------------------- */

#define FRAMES 12

static guint64
rendered (GstElement *sink)
{
  GstStructure *stats;
  guint64 value = 0;

  g_object_get (sink, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "rendered", &value));
  gst_structure_free (stats);
  return value;
}

/* The frames that reached SINK up to the end. */
static guint64
run_to_eos (GstElement *player, GstElement *sink, const gchar *what)
{
  GstBus *bus = gst_element_get_bus (player);
  GstMessage *message;
  GError *error = NULL;
  guint64 frames;

  gst_element_set_state (player, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message != NULL, "%s: no end", what);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  fail_unless (error == NULL, "%s: %s", what, error ? error->message : "");
  gst_message_unref (message);
  frames = rendered (sink);
  gst_element_set_state (player, GST_STATE_NULL);
  fct_bus_free (bus);
  return frames;
}

static void
play (const gchar *line, const gchar *property)
{
  GstElement *player = gst_parse_launch (line, NULL), *sink = NULL;
  guint64 frames;

  fail_unless (player != NULL, "%s", line);
  if (property != NULL)
    g_object_get (player, property, &sink, NULL);
  else
    sink = gst_bin_get_by_name (GST_BIN (player), "out");
  frames = run_to_eos (player, sink, line);
  fail_unless (frames > 0 && frames <= FRAMES,
               "%s: %" G_GUINT64_FORMAT " frames", line, frames);
  gst_object_unref (sink);
  gst_object_unref (player);
}

/* MEDIA is video or audio. No other flags: playsink, whatever it plays, leaves
 * its software volume behind. */
static void
play_with_each (const gchar *media)
{
  gchar *uri = g_strdup_printf ("fc:///cam0?num-buffers=%u", FRAMES);
  gchar *property = g_strconcat (media, "-sink", NULL);
  gchar *line;
  guint i;

  for (i = 0; i < 2; i++)
    {
      line = g_strdup_printf ("playbin%s flags=%s uri=%s %s=fakesink",
                              i ? "3" : "", media, uri, property);
      play (line, property);
      g_free (line);
      line = g_strdup_printf (
          "uridecodebin%s uri=%s ! %s/x-raw ! fakesink name=out", i ? "3" : "",
          uri, media);
      play (line, NULL);
      g_free (line);
    }
  g_free (property);
  g_free (uri);
}

/* The first of the players is there before the slot is. */
GST_START_TEST (players_open_raw_video)
{
  GPid writer = fct_launch ("videotestsrc is-live=true"
                            " ! video/x-raw,width=64,height=64"
                            " ! fcsink slot=cam0");

  play_with_each ("video");
  play ("fc:///cam0?num-buffers=12 ! fakesink name=out", NULL);
  fct_kill (writer);
}
GST_END_TEST

GST_START_TEST (players_open_compressed_video)
{
  GPid writer = fct_launch ("videotestsrc is-live=true"
                            " ! video/x-raw,format=I420,width=64,height=64"
                            " ! openh264enc gop-size=4"
                            " ! h264parse config-interval=-1"
                            " ! fcsink slot=cam0");

  play_with_each ("video");
  fct_kill (writer);
}
GST_END_TEST

GST_START_TEST (players_open_audio)
{
  GPid writer = fct_launch ("audiotestsrc is-live=true"
                            " ! audio/x-raw,rate=48000 ! fcsink slot=cam0");

  play_with_each ("audio");
  fct_kill (writer);
}
GST_END_TEST

/* The width of what SINK gets, or 0. */
static gint
width_at (GstElement *sink)
{
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstCaps *caps = gst_pad_get_current_caps (pad);
  gint width = 0;

  if (caps != NULL)
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
  gst_clear_caps (&caps);
  gst_object_unref (pad);
  return width;
}

GST_START_TEST (player_follows_the_next_writer)
{
  GstElement *player = fct_new ("playbin", "uri", "fc:///cam0", NULL);
  GstElement *sink = fct_new ("fakesink", NULL);
  const gint widths[] = { 64, 32, 64 };
  guint i;

  g_object_set (player, "video-sink", sink, NULL);
  gst_element_set_state (player, GST_STATE_PLAYING);
  for (i = 0; i < G_N_ELEMENTS (widths); i++)
    {
      GPid writer = fct_launch ("videotestsrc is-live=true"
                                " ! video/x-raw,width=%d,height=64"
                                " ! fcsink slot=cam0",
                                widths[i]);

      FCT_WAIT (width_at (sink) == widths[i]);
      fct_kill (writer);
    }
  gst_element_set_state (player, GST_STATE_NULL);
  gst_object_unref (player);
}
GST_END_TEST

/* What is wrong with a URI reaches the user of a player, whatever code that
 * gives it. */
GST_START_TEST (players_tell_what_is_wrong)
{
  static const gchar *const players[] = { "playbin", "playbin3" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (players); i++)
    {
      GstElement *player
          = fct_new (players[i], "uri", "fc:///cam0?start=soon", NULL);
      GstBus *bus = gst_element_get_bus (player);
      GstMessage *message;
      GError *error;

      gst_element_set_state (player, GST_STATE_PAUSED);
      message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                            GST_MESSAGE_ERROR);
      fail_unless (message != NULL, "%s: no error", players[i]);
      gst_message_parse_error (message, &error, NULL);
      fail_unless (strstr (error->message, "start=soon") != NULL, "%s: %s",
                   players[i], error->message);
      g_error_free (error);
      gst_message_unref (message);
      gst_element_set_state (player, GST_STATE_NULL);
      fct_bus_free (bus);
      gst_object_unref (player);
    }
}
GST_END_TEST

static Suite *
uri_suite (void)
{
  Suite *suite = suite_create ("uri");
  TCase *tc = tcase_create ("uri");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, slot_by_path_or_host);
  tcase_add_test (tc, path_survives_normalizing);
  tcase_add_test (tc, not_a_slots_name);
  tcase_add_test (tc, escapes_that_are_none);
  tcase_add_test (tc, query_sets_properties);
  tcase_add_test (tc, query_is_a_white_list);
  tcase_add_test (tc, illegal_value_says_what_is_allowed);
  tcase_add_test (tc, what_is_quoted_is_plain_text);
  tcase_add_test (tc, explicit_keys_override_a_preset);
  tcase_add_test (tc, uri_recreates_the_settings);
  tcase_add_test (tc, another_uri_only_when_stopped);
  tcase_add_test (tc, protocol_is_for_sources);
  tcase_add_test (tc, players_open_raw_video);
  tcase_add_test (tc, players_open_compressed_video);
  tcase_add_test (tc, players_open_audio);
  tcase_add_test (tc, player_follows_the_next_writer);
  tcase_add_test (tc, players_tell_what_is_wrong);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, uri_suite);
}
