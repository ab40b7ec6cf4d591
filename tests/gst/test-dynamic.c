/* framecache: pipelines that are changed while they run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-gst-watch.h"

#define CAPS(width)                                                            \
  "video/x-raw,format=I420,width=" #width ",height=48,framerate=200/1"
#define PICTURE 4608 /* bytes, 64 wide */

typedef struct
{
  GstElement *pipeline;
  GstElement *src;
  GstBus *bus;
  FctWatch *watch;
} Reader;

static GstElement *
play (const gchar *line)
{
  GstElement *pipeline = gst_parse_launch (line, NULL);

  fail_unless (pipeline != NULL, "%s", line);
  fail_if (gst_element_set_state (pipeline, GST_STATE_PLAYING)
           == GST_STATE_CHANGE_FAILURE);
  return pipeline;
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

/* LINE goes on from fcsrc, whose name is src. */
static Reader
read_with (const gchar *options, const gchar *line, gboolean unnumbered)
{
  gchar *text = g_strdup_printf ("fcsrc name=src slot=cam0 on-eos=wait %s ! %s",
                                 options, line);
  Reader r;

  r.pipeline = gst_parse_launch (text, NULL);
  fail_unless (r.pipeline != NULL, "%s", text);
  r.src = gst_bin_get_by_name (GST_BIN (r.pipeline), "src");
  r.bus = gst_element_get_bus (r.pipeline);
  r.watch = fct_watch_new (r.src, "src");
  r.watch->unnumbered = unnumbered;
  gst_element_set_state (r.pipeline, GST_STATE_PLAYING);
  g_free (text);
  return r;
}

static void
no_errors (GstBus *bus)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  GError *error;

  if (message == NULL)
    return;
  gst_message_parse_error (message, &error, NULL);
  fail ("%s", error->message);
}

static void
stop_reader (Reader *r)
{
  no_errors (r->bus);
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  fct_watch_free (r->watch);
  fct_bus_free (r->bus);
  gst_object_unref (r->src);
  gst_object_unref (r->pipeline);
}

/* N buffers more than now. */
static void
await_more (Reader *r, guint n)
{
  fct_watch_await (r->watch, fct_watch_get (r->watch, &r->watch->buffers)
                                 + fct_watch_get (r->watch, &r->watch->missing)
                                 + n);
  no_errors (r->bus);
}

static GstElement *
in (GstElement *pipeline, const gchar *name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);

  g_assert_nonnull (element);
  gst_object_unref (element); /* the pipeline holds it */
  return element;
}

/* The writer's side --------------------------------------------------- */

static GstPadProbeReturn
unlink_when_idle (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstPad *peer = gst_pad_get_peer (pad);
  gint *done = user_data;

  gst_pad_unlink (pad, peer);
  gst_object_unref (peer);
  g_atomic_int_set (done, TRUE);
  return GST_PAD_PROBE_REMOVE;
}

/* A branch of TEE that feeds the slot, from its first frame to its end. */
static void
branch_comes_and_goes (GstElement *pipeline, Reader *reader)
{
  GstElement *tee = in (pipeline, "t");
  GstElement *branch = gst_parse_bin_from_description (
      "queue ! fcsink slot=cam0 sync=false async=false", TRUE, NULL);
  GstPad *pad = gst_element_request_pad_simple (tee, "src_%u");
  GstPad *target = gst_element_get_static_pad (branch, "sink");
  gint done = FALSE;

  gst_bin_add (GST_BIN (pipeline), gst_object_ref (branch));
  gst_element_sync_state_with_parent (branch);
  fail_unless (gst_pad_link (pad, target) == GST_PAD_LINK_OK);
  await_more (reader, 10);

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, unlink_when_idle, &done,
                     NULL);
  FCT_WAIT (g_atomic_int_get (&done));
  gst_element_release_request_pad (tee, pad);
  gst_element_set_locked_state (branch, TRUE);
  gst_element_set_state (branch, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (pipeline), branch);
  gst_object_unref (pad);
  gst_object_unref (target);
  gst_object_unref (branch);
}

GST_START_TEST (branch_added_and_removed)
{
  GstElement *pipeline = play ("videotestsrc is-live=true ! " CAPS (
      64) " ! tee name=t ! queue ! fakesink");
  GstBus *bus = gst_element_get_bus (pipeline);
  Reader reader = read_with ("", "fakesink sync=false", TRUE);
  fc_slot_stat_t stat;
  guint i;

  for (i = 0; i < 20; i++)
    {
      branch_comes_and_goes (pipeline, &reader);
      fail_if (fct_slot_stat ("cam0", &stat));
      no_errors (bus);
    }
  stop_reader (&reader);
  fct_bus_free (bus);
  stop (pipeline);
}
GST_END_TEST

GST_START_TEST (inputs_selected_in_turn)
{
  GstElement *pipeline
      = play ("input-selector name=s ! fcsink slot=cam0 "
              "videotestsrc is-live=true ! " CAPS (
                  64) " ! s.sink_0 "
                      "videotestsrc is-live=true ! " CAPS (32) " ! s.sink_1");
  GstElement *selector = in (pipeline, "s");
  Reader reader = read_with ("", "fakesink sync=false", TRUE);
  guint64 changes;
  guint i;

  await_more (&reader, 5);
  for (i = 1; i <= 20; i++)
    {
      gchar *name = g_strdup_printf ("sink_%u", i % 2);
      GstPad *pad = gst_element_get_static_pad (selector, name);

      changes = fct_watch_get (reader.watch, &reader.watch->caps_changes);
      g_object_set (selector, "active-pad", pad, NULL);
      FCT_WAIT (fct_watch_get (reader.watch, &reader.watch->caps_changes)
                > changes);
      await_more (&reader, 5);
      gst_object_unref (pad);
      g_free (name);
    }
  stop_reader (&reader);
  stop (pipeline);
}
GST_END_TEST

/* A flushing seek in the writer's pipeline: its consumers go on. */
GST_START_TEST (writer_seeks)
{
  GstElement *pipeline = play ("videotestsrc ! " CAPS (64) " ! fcsink "
                                                           "slot=cam0");
  Reader reader = read_with ("", "fakesink sync=false", TRUE);
  guint i;

  for (i = 0; i < 20; i++)
    {
      await_more (&reader, 5);
      fail_unless (gst_element_seek_simple (
          pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, i * GST_SECOND));
    }
  await_more (&reader, 5);
  fail_unless_equals_uint64 (fct_watch_get (reader.watch, &reader.watch->eos),
                             0);
  stop_reader (&reader);
  stop (pipeline);
}
GST_END_TEST

/* The consumer's side ------------------------------------------------- */

static GstHarness *
new_writer (void)
{
  return fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), CAPS (64));
}

typedef struct
{
  Reader *reader;
  GstElement *to;
  gint done;
} Relink;

static GstPadProbeReturn
link_when_idle (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Relink *relink = user_data;
  GstPad *peer = gst_pad_get_peer (pad);
  GstPad *target = gst_element_get_static_pad (relink->to, "sink");

  gst_pad_unlink (pad, peer);
  gst_object_unref (peer);
  if (gst_pad_link (pad, target) == GST_PAD_LINK_OK)
    g_atomic_int_set (&relink->done, TRUE);
  gst_object_unref (target);
  return GST_PAD_PROBE_REMOVE;
}

/* From one sink to another and back, while frames flow. Each sink has a watch
 * of its own that wants stream-start, caps and segment first. */
GST_START_TEST (source_unlinked_and_linked)
{
  GstElement *pipeline
      = play ("videotestsrc is-live=true ! " CAPS (64) " ! fcsink slot=cam0");
  Reader reader = read_with ("", "fakesink sync=false async=false", TRUE);
  guint i;

  await_more (&reader, 5);
  for (i = 0; i < 20; i++)
    {
      Relink relink
          = { &reader,
              fct_new ("fakesink", "sync", FALSE, "async", FALSE, NULL),
              FALSE };
      FctWatch *watch = fct_watch_new (relink.to, "sink");
      GstElement *old;
      GstPad *peer = gst_pad_get_peer (reader.watch->pad);

      watch->unnumbered = watch->late = TRUE;
      old = gst_pad_get_parent_element (peer);
      gst_object_unref (peer);
      gst_bin_add (GST_BIN (reader.pipeline), relink.to);
      gst_element_sync_state_with_parent (relink.to);
      gst_pad_add_probe (reader.watch->pad, GST_PAD_PROBE_TYPE_IDLE,
                         link_when_idle, &relink, NULL);
      FCT_WAIT (g_atomic_int_get (&relink.done));
      gst_element_set_state (old, GST_STATE_NULL);
      gst_bin_remove (GST_BIN (reader.pipeline), old);
      gst_object_unref (old);
      fct_watch_await (watch, 5);
      fct_watch_free (watch);
    }
  stop_reader (&reader);
  stop (pipeline);
}
GST_END_TEST

/* What comes after fcsrc makes up its mind anew: nothing is lost by it. */
GST_START_TEST (downstream_renegotiates)
{
  Reader reader = read_with ("start=oldest timestamps=stream",
                             "capsfilter name=f ! fakesink sync=false", FALSE);
  GstHarness *sink = new_writer ();
  GstElement *filter = in (reader.pipeline, "f");
  GstPad *pad = gst_element_get_static_pad (filter, "sink");
  guint i;

  fct_push (sink, 0, PICTURE);
  fct_watch_await (reader.watch, 1);
  for (i = 1; i < 100; i++)
    {
      GstCaps *caps = gst_caps_from_string (
          i % 2 == 0 ? "video/x-raw" : "video/x-raw, width=[1,100]");

      fct_push (sink, i, PICTURE);
      g_object_set (filter, "caps", caps, NULL);
      gst_pad_push_event (pad, gst_event_new_reconfigure ());
      gst_caps_unref (caps);
    }
  fct_watch_await (reader.watch, 100);
  fail_unless_equals_uint64 (
      fct_watch_get (reader.watch, &reader.watch->missing), 0);
  fail_unless_equals_uint64 (
      fct_watch_get (reader.watch, &reader.watch->disconts), 1);
  gst_object_unref (pad);
  stop_reader (&reader);
  fct_stop (sink);
}
GST_END_TEST

/* Caps that do not fit any more are an error that says so. */
GST_START_TEST (downstream_refuses_later)
{
  Reader reader = read_with ("start=oldest timestamps=stream",
                             "capsfilter name=f ! fakesink sync=false", FALSE);
  GstHarness *sink = new_writer ();
  GstCaps *caps = gst_caps_from_string ("video/x-raw, width=999");
  GstMessage *message;
  GError *error;

  fct_push (sink, 0, PICTURE);
  fct_watch_await (reader.watch, 1);
  g_object_set (in (reader.pipeline, "f"), "caps", caps, NULL);
  fct_push (sink, 1, PICTURE);
  message = gst_bus_timed_pop_filtered (reader.bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_ERROR);
  fail_unless (message != NULL, "no error");
  gst_message_parse_error (message, &error, NULL);
  GST_INFO ("%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  while ((message = gst_bus_pop_filtered (reader.bus, GST_MESSAGE_ERROR)))
    gst_message_unref (message);
  gst_caps_unref (caps);
  stop_reader (&reader);
  fct_stop (sink);
}
GST_END_TEST

/* Flushed from outside, fcsrc goes on with what comes next. The events go to
 * the pipeline, which takes its own state lock before its children's: the sink
 * that a flush takes to PAUSED has the latency told anew, with the lock of the
 * pipeline, while another thread may be changing the state of all of it. */
GST_START_TEST (source_flushed)
{
  GstElement *pipeline
      = play ("videotestsrc is-live=true ! " CAPS (64) " ! fcsink slot=cam0");
  Reader reader = read_with ("", "queue ! fakesink sync=false", TRUE);
  guint i;

  await_more (&reader, 5);
  for (i = 0; i < 50; i++)
    {
      fail_unless (gst_element_send_event (reader.pipeline,
                                           gst_event_new_flush_start ()));
      fail_unless (gst_element_send_event (reader.pipeline,
                                           gst_event_new_flush_stop (i % 2)));
      await_more (&reader, 3);
    }
  stop_reader (&reader);
  stop (pipeline);
}
GST_END_TEST

static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_OK;
}

/* Two hundred buffers wait downstream, and the slot has three leases: the rest
 * are copies, none is lost, and later ones are leased again. */
GST_START_TEST (long_queue_does_not_starve)
{
  Reader reader
      = read_with ("start=oldest timestamps=stream",
                   "queue name=q max-size-buffers=300 max-size-bytes=0 "
                   "max-size-time=0 ! fakesink name=out sync=false "
                   "enable-last-sample=false",
                   FALSE);
  GstPad *pad
      = gst_element_get_static_pad (in (reader.pipeline, "out"), "sink");
  gulong probe = gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, block, NULL,
      NULL);
  GstHarness *sink = new_writer ();
  guint level, i;

  for (i = 0; i < 200; i++)
    {
      fct_push (sink, i, PICTURE);
      fct_watch_await (reader.watch, i + 1);
    }
  fail_unless_equals_uint64 (fct_stat (reader.src, "leased"), 3);
  fail_unless_equals_uint64 (fct_stat (reader.src, "copied"), 197);
  gst_pad_remove_probe (pad, probe);
  FCT_WAIT ((g_object_get (in (reader.pipeline, "q"), "current-level-buffers",
                           &level, NULL),
             level == 0));
  for (; fct_stat (reader.src, "leased") < 50; i++)
    {
      fail_unless (i < 2000, "still copied");
      fct_push (sink, i, PICTURE);
      fct_watch_await (reader.watch, i + 1);
    }
  fail_unless_equals_uint64 (fct_stat (reader.src, "dropped"), 0);
  gst_object_unref (pad);
  stop_reader (&reader);
  fct_stop (sink);
}
GST_END_TEST

static Suite *
dynamic_suite (void)
{
  Suite *suite = suite_create ("dynamic");
  TCase *tc = tcase_create ("dynamic");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, branch_added_and_removed);
  tcase_add_test (tc, inputs_selected_in_turn);
  tcase_add_test (tc, writer_seeks);
  tcase_add_test (tc, source_unlinked_and_linked);
  tcase_add_test (tc, downstream_renegotiates);
  tcase_add_test (tc, downstream_refuses_later);
  tcase_add_test (tc, source_flushed);
  tcase_add_test (tc, long_queue_does_not_starve);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, dynamic_suite);
}
