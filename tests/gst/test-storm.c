/* framecache: random changes of state, thousands of them, under load
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Consumers and writers go from state to state in an order that a seed gives,
 * while writers come, change and go; after each storm the frames flow again,
 * and nothing is left of it. FC_TEST_SEED repeats a seed that was printed, and
 * FC_TEST_SOAK is how many changes each thread makes, if not 300.
 */
#include <stdlib.h>

#include "fc-gst-usage.h"
#include "fc-gst-watch.h"

#define WRITER                                                                 \
  "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,"    \
  "framerate=200/1 ! fcsink slot=cam0"

static const gchar *const readers[] = {
  "fcsrc name=src slot=cam0 on-eos=wait ! queue ! fakesink sync=true",
  "fcsrc name=src slot=cam0 on-eos=wait start=oldest memory=copy ! fakesink",
  "fcsrc name=src slot=cam0 on-eos=wait start=latest timestamps=stream "
  "memory=zero-copy ! queue max-size-buffers=3 ! fakesink",
  "fcsrc name=src slot=cam0 on-eos=wait timestamps=arrival ! identity "
  "sleep-time=2000 ! fakesink sync=false",
};

#define N_READERS G_N_ELEMENTS (readers)

typedef struct
{
  GstElement *pipeline;
  guint32 seed;
} Storm;

static gint over; /* helpers end */

/* ----------------------------------------------------------------------- */

static guint
how_many (void)
{
  const gchar *text = g_getenv ("FC_TEST_SOAK");

  return text != NULL ? (guint) atoi (text) : 300;
}

static guint32
new_seed (void)
{
  const gchar *text = g_getenv ("FC_TEST_SEED");
  guint32 seed
      = text != NULL ? (guint32) strtoul (text, NULL, 10) : g_random_int ();

  g_print ("FC_TEST_SEED=%u\n", seed);
  return seed;
}

static GstElement *
parse (const gchar *line)
{
  GstElement *pipeline = gst_parse_launch (line, NULL);

  fail_unless (pipeline != NULL, "%s", line);
  return pipeline;
}

/* Errors of the elements' own are none of what a change of state may bring. */
static void
check_bus (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  GError *error;

  while ((message = gst_bus_pop (bus)) != NULL)
    {
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
        {
          gst_message_parse_error (message, &error, NULL);
          fail_if (g_str_has_prefix (
                       G_OBJECT_TYPE_NAME (GST_MESSAGE_SRC (message)), "GstFc"),
                   "%s", error->message);
          g_error_free (error);
        }
      gst_message_unref (message);
    }
  gst_object_unref (bus);
}

static gpointer
change_states (gpointer data)
{
  Storm *storm = data;
  GRand *random = g_rand_new_with_seed (storm->seed);
  guint n = how_many (), i;

  for (i = 0; i < n; i++)
    {
      gst_element_set_state (
          storm->pipeline, (GstState) g_rand_int_range (random, GST_STATE_NULL,
                                                        GST_STATE_PLAYING + 1));
      if (g_rand_int_range (random, 0, 4) == 0)
        g_usleep ((gulong) g_rand_int_range (random, 0, 5000));
      check_bus (storm->pipeline);
    }
  g_rand_free (random);
  return NULL;
}

/* Writers --------------------------------------------------------------- */

static void
push_some (GstHarness *sink, GRand *random, gsize size)
{
  gint n = g_rand_int_range (random, 0, 40);

  while (n-- > 0)
    {
      fct_push (sink, (guint) n, size);
      g_usleep ((gulong) g_rand_int_range (random, 0, 500));
    }
}

/* One after another: with the same caps, with others, with a change of them,
 * ended, just gone, and nothing for a while. */
static gpointer
restart_writers (gpointer data)
{
  GRand *random = g_rand_new_with_seed (*(guint32 *) data);

  while (!g_atomic_int_get (&over))
    {
      gboolean other = g_rand_boolean (random);
      GstHarness *sink
          = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", "ring-depth",
                                       16, "frame-size", 10000, NULL),
                              other ? "application/x-other" : FCT_DATA);

      push_some (sink, random, 1000);
      if (g_rand_boolean (random))
        {
          fct_push_caps (sink, other ? FCT_DATA : "application/x-other");
          push_some (sink, random, 5000);
        }
      if (g_rand_boolean (random))
        gst_harness_push_event (sink, gst_event_new_eos ());
      fct_stop (sink);
      g_usleep ((gulong) g_rand_int_range (random, 0, 3000));
    }
  g_rand_free (random);
  return NULL;
}

/* Storms ---------------------------------------------------------------- */

static void
flows (GstElement *pipeline)
{
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  guint64 before;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  before = fct_stat (src, "delivered");
  FCT_WAIT (fct_stat (src, "delivered") > before + 5);
  check_bus (pipeline);
  gst_object_unref (src);
}

static void
end (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
}

/* All readers at once, each by a thread of its own, with WRITERS until then. */
static void
storm_of_readers (guint32 seed, GThread *writers)
{
  GThread *threads[N_READERS];
  Storm storms[N_READERS];
  GstElement *writer;
  guint i;

  for (i = 0; i < N_READERS; i++)
    {
      storms[i].pipeline = parse (readers[i]);
      storms[i].seed = seed + i;
      threads[i] = g_thread_new ("storm", change_states, &storms[i]);
    }
  for (i = 0; i < N_READERS; i++)
    g_thread_join (threads[i]);
  g_atomic_int_set (&over, TRUE);
  if (writers != NULL)
    g_thread_join (writers);
  writer = parse (WRITER);
  gst_element_set_state (writer, GST_STATE_PLAYING);
  for (i = 0; i < N_READERS; i++)
    {
      flows (storms[i].pipeline);
      end (storms[i].pipeline);
    }
  end (writer);
}

/* The second time, nothing more is in use than after the first. */
static void
twice (void (*storm) (guint32 seed))
{
  guint32 seed = new_seed ();
  FctUsage before, after;

  storm (seed);
  fct_usage_get (&before);
  fct_usage_print ("at first", &before);
  storm (seed + 100);
  fct_usage_settle (&after, before.descriptors);
  fct_usage_print ("at the end", &after);
  fail_unless_equals_uint64 (after.mappings, 0);
  fail_unless_equals_uint64 (after.shared, 0);
}

static void
without_slot (guint32 seed)
{
  storm_of_readers (seed, NULL);
}

GST_START_TEST (no_slot) { twice (without_slot); }
GST_END_TEST

static void
under_restarts (guint32 seed)
{
  g_atomic_int_set (&over, FALSE);
  storm_of_readers (seed, g_thread_new ("writers", restart_writers, &seed));
}

GST_START_TEST (writers_come_and_go) { twice (under_restarts); }
GST_END_TEST

static void
writer_and_readers (guint32 seed)
{
  Storm storm = { parse (WRITER), seed + 50 };
  GThread *thread = g_thread_new ("writer", change_states, &storm);
  GstElement *reader = parse (readers[0]);
  Storm readers_storm = { reader, seed };
  guint i;

  change_states (&readers_storm);
  g_thread_join (thread);
  gst_element_set_state (storm.pipeline, GST_STATE_PLAYING);
  flows (reader);
  for (i = 0; i < N_READERS; i++)
    {
      GstElement *late = parse (readers[i]);

      flows (late);
      end (late);
    }
  end (reader);
  end (storm.pipeline);
}

GST_START_TEST (writer_changes_too) { twice (writer_and_readers); }
GST_END_TEST

/* Flushes, queries and properties from other threads at any instant. */
static gpointer
disturb (gpointer data)
{
  GstElement *src = gst_bin_get_by_name (data, "src");
  GstPad *pad = gst_element_get_static_pad (src, "src");

  while (!g_atomic_int_get (&over))
    {
      GstQuery *query = gst_query_new_latency ();
      GstCaps *caps = gst_pad_query_caps (pad, NULL);

      fail_unless (gst_pad_query (pad, query));
      fct_stat (src, "delivered");
      /* A flush that a change of state falls into stops any live source of
       * GStreamer's for good. */
      GST_STATE_LOCK (data);
      gst_element_send_event (src, gst_event_new_flush_start ());
      g_usleep (g_random_int_range (0, 1000));
      gst_element_send_event (src, gst_event_new_flush_stop (TRUE));
      GST_STATE_UNLOCK (data);
      gst_query_unref (query);
      gst_caps_unref (caps);
      g_usleep (g_random_int_range (0, 5000));
    }
  gst_object_unref (pad);
  gst_object_unref (src);
  return NULL;
}

static void
disturbed (guint32 seed)
{
  GstElement *writer = parse (WRITER);
  guint i;

  g_random_set_seed (seed);
  gst_element_set_state (writer, GST_STATE_PLAYING);
  for (i = 0; i < N_READERS; i++)
    {
      Storm storm = { parse (readers[i]), seed + i };
      GThread *thread;

      g_atomic_int_set (&over, FALSE);
      thread = g_thread_new ("disturb", disturb, storm.pipeline);
      change_states (&storm);
      g_atomic_int_set (&over, TRUE);
      g_thread_join (thread);
      flows (storm.pipeline);
      end (storm.pipeline);
    }
  end (writer);
}

GST_START_TEST (disturbed_by_others) { twice (disturbed); }
GST_END_TEST

static Suite *
storm_suite (void)
{
  Suite *suite = suite_create ("storm");
  TCase *tc = tcase_create ("storm");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, no_slot);
  tcase_add_test (tc, writers_come_and_go);
  tcase_add_test (tc, writer_changes_too);
  tcase_add_test (tc, disturbed_by_others);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, storm_suite);
}
