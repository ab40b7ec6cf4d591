/* framecache: changes and restarts by the thousand leave nothing behind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Three consumers: one that leases, with more buffers kept than it has leases;
 * one that copies; a slow one. What the process and the slot have in use is
 * looked at between changes, when every frame was taken. The environment's
 * FC_TEST_SOAK is how many changes there are, if not 100.
 */
#include <stdlib.h>
#include <string.h>

#include "fc-gst-usage.h"
#include "fc-gst-watch.h"

#define KEPT 5
#define SAMPLES 10
/* What the C library's and GLib's caches take and give at their own will, and
 * what hangs on a buffer that is just on its way. One leaked by each change
 * would be many times that. */
#define NOISE_ALLOCATED (128 * 1024)
#define NOISE_RESIDENT (2 * 1024 * 1024)
#define NOISE_SHARED (64 * 1024)
#define NOISE 4

#ifdef __SANITIZE_ADDRESS__
#define MEMORY_IS_KEPT TRUE
#else
#define MEMORY_IS_KEPT FALSE
#endif

enum
{
  LEASING,
  COPYING,
  SLOW,
  N_CONSUMERS
};

typedef struct
{
  GstElement *pipeline;
  GstBus *bus;
  FctWatch *watch;
} Consumer;

static const gchar *const ends[N_CONSUMERS] = {
  "memory=auto ! fakesink sync=false enable-last-sample=false",
  "memory=copy ! queue ! fakesink sync=false",
  "memory=auto ! identity sleep-time=3000 ! fakesink sync=false",
};

static const gsize sizes[] = { 1000, 5000, 100, 20000 };

static Consumer consumers[N_CONSUMERS];
static GstBuffer *kept[KEPT];
static guint n_kept;
static guint number; /* of the next frame */
static FctUsage samples[SAMPLES + 1];

/* Consumers ----------------------------------------------------------- */

static GstPadProbeReturn
keep (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstBuffer **place = &kept[n_kept++ % KEPT];

  gst_buffer_replace (place, GST_PAD_PROBE_INFO_BUFFER (info));
  return GST_PAD_PROBE_OK;
}

static void
start_consumers (void)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    {
      Consumer *c = &consumers[i];
      gchar *line = g_strdup_printf ("fcsrc name=src slot=cam0 start=oldest "
                                     "on-eos=wait "
                                     "timestamps=stream %s",
                                     ends[i]);
      GstElement *src;

      c->pipeline = gst_parse_launch (line, NULL);
      c->bus = gst_element_get_bus (c->pipeline);
      src = gst_bin_get_by_name (GST_BIN (c->pipeline), "src");
      c->watch = fct_watch_new (src, "src");
      if (i == LEASING)
        gst_pad_add_probe (c->watch->pad, GST_PAD_PROBE_TYPE_BUFFER, keep, NULL,
                           NULL);
      fail_if (gst_element_set_state (c->pipeline, GST_STATE_PLAYING)
               == GST_STATE_CHANGE_FAILURE);
      gst_object_unref (src);
      g_free (line);
    }
}

static void
check_bus (Consumer *c)
{
  GstMessage *message;
  GError *error;

  while ((message = gst_bus_pop (c->bus)) != NULL)
    {
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
        {
          gst_message_parse_error (message, &error, NULL);
          fail ("%s", error->message);
        }
      gst_message_unref (message);
    }
}

static void
stop_consumers (void)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    {
      Consumer *c = &consumers[i];

      check_bus (c);
      gst_element_set_state (c->pipeline, GST_STATE_NULL);
      fct_watch_free (c->watch);
      fct_bus_free (c->bus);
      gst_object_unref (c->pipeline);
    }
  for (i = 0; i < KEPT; i++)
    gst_clear_buffer (&kept[i]);
}

/* The slow one is waited for only where the books are looked at. */
static void
await (gboolean slow_too)
{
  guint i;

  for (i = 0; i < N_CONSUMERS; i++)
    {
      if (i != SLOW || slow_too)
        fct_watch_await (consumers[i].watch, number);
      check_bus (&consumers[i]);
    }
}

/* Books --------------------------------------------------------------- */

/* Even, so that each sample is of the same kind of writer and of caps. */
static guint
how_many (void)
{
  const gchar *text = g_getenv ("FC_TEST_SOAK");
  guint n = text != NULL ? (guint) atoi (text) : 100;

  return MAX (n / (4 * SAMPLES), 1) * 4 * SAMPLES;
}

static void
look_at (guint i, guint n)
{
  gchar *when;

  if (i % (n / SAMPLES) != 0)
    return;
  await (TRUE);
  fct_usage_get (&samples[i / (n / SAMPLES)]);
  when = g_strdup_printf ("%u changes", i);
  fct_usage_print (when, &samples[i / (n / SAMPLES)]);
  g_free (when);
}

/* How much field AT is higher at the end than it was half-way. */
static gint64
growth (gsize at)
{
  const guint64 *middle = (guint64 *) ((gchar *) &samples[SAMPLES / 2] + at);
  const guint64 *end = (guint64 *) ((gchar *) &samples[SAMPLES] + at);

  return (gint64) *end - (gint64) *middle;
}

#define NO_GROWTH(field, noise)                                                \
  fail_unless (growth (G_STRUCT_OFFSET (FctUsage, field)) <= noise,            \
               "%s has grown by %" G_GINT64_FORMAT, #field,                    \
               growth (G_STRUCT_OFFSET (FctUsage, field)))

static void
check_books (void)
{
  NO_GROWTH (descriptors, NOISE);
  NO_GROWTH (threads, NOISE);
  NO_GROWTH (mappings, NOISE);
  NO_GROWTH (shared, NOISE_SHARED);
  NO_GROWTH (leases, NOISE);
  /* valgrind and the sanitizers keep what was freed. */
  if (MEMORY_IS_KEPT || samples[0].allocated == 0)
    return;
  NO_GROWTH (allocated, NOISE_ALLOCATED);
  NO_GROWTH (resident, NOISE_RESIDENT);
}

/* All is as it was before the first consumer; the lock of the slot stays. */
static void
check_end (const FctUsage *before)
{
  FctUsage after;

  fct_usage_settle (&after, before->descriptors);
  fct_usage_print ("at the end", &after);
  fail_unless_equals_uint64 (after.mappings, 0);
  fail_unless_equals_uint64 (after.shared, 0);
  fail_unless_equals_uint64 (after.leases, 0);
}

/* The first time, what stays for the life of the process is made. */
static void
begin (FctUsage *before)
{
  start_consumers ();
  stop_consumers ();
  fct_usage_get (before);
  fct_usage_print ("at first", before);
  start_consumers ();
}

/* Soaks --------------------------------------------------------------- */

static GstHarness *
new_sink (guint i)
{
  gchar *caps = g_strdup_printf ("application/x-test, kind=%u", i % 4);
  GstHarness *sink
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", "ring-depth", 20,
                                   "frame-size", (guint) sizes[i % 4], NULL),
                          caps);

  g_free (caps);
  return sink;
}

static void
push_some (GstHarness *sink, guint i)
{
  guint n;

  for (n = 0; n < 4; n++)
    fct_push (sink, number++, sizes[i % 4]);
}

GST_START_TEST (caps_changes)
{
  guint n = how_many (), i;
  FctUsage before;
  GstHarness *sink;
  gchar *caps;

  begin (&before);
  sink = new_sink (0);
  for (i = 0; i <= n; i++)
    {
      caps = g_strdup_printf ("application/x-test, kind=%u", i % 4);
      fct_push_caps (sink, caps);
      push_some (sink, i);
      await (FALSE);
      look_at (i, n);
      g_free (caps);
    }
  stop_consumers ();
  fct_stop (sink);
  check_books ();
  check_end (&before);
}
GST_END_TEST

static void
live_and_end (guint i, guint n)
{
  GstHarness *sink = new_sink (i);

  push_some (sink, i);
  await (FALSE);
  look_at (i, n);
  gst_harness_push_event (sink, gst_event_new_eos ());
  fct_stop (sink);
}

static void
live_and_die (guint i)
{
  GPid pid = fct_spawn ("%s/change-writer hang 0 %u "
                        "'application/x-test, kind=%u' %u 4",
                        g_getenv ("FC_TEST_PROGRAMS"), number, i % 4,
                        (guint) sizes[i % 4]);

  number += 4;
  await (FALSE);
  fct_kill (pid);
}

GST_START_TEST (writer_restarts)
{
  guint n = how_many (), i;
  FctUsage before;

  begin (&before);
  for (i = 0; i <= n; i++)
    {
      if (i % 2 == 0)
        live_and_end (i, n);
      else
        live_and_die (i);
    }
  stop_consumers ();
  check_books ();
  check_end (&before);
}
GST_END_TEST

static Suite *
soak_suite (void)
{
  Suite *suite = suite_create ("soak");
  TCase *tc = tcase_create ("soak");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 3600);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, caps_changes);
  tcase_add_test (tc, writer_restarts);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, soak_suite);
}
