/* framecache: the memory of fcsrc's buffers, and what it was too slow for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-gst-test.h"

#define STREAM "timestamps", 1
#define OLDEST "start", 2
#define COPY "memory", 2

static gboolean
is_read_only (GstBuffer *buffer)
{
  return GST_MEMORY_IS_READONLY (gst_buffer_peek_memory (buffer, 0));
}

GST_START_TEST (leased_then_copied_then_leased)
{
  GstHarness *sink, *src;
  GstBuffer *held[8];
  guint i;

  fct_both (&sink, &src);
  for (i = 0; i < 6; i++)
    {
      fct_push (sink, i, 1000);
      held[i] = gst_harness_pull (src);
      fail_unless_equals_int (is_read_only (held[i]), i < 3);
    }
  for (i = 0; i < 6; i++)
    {
      fct_check_buffer (held[i], i, 1000);
      gst_buffer_unref (held[i]);
    }
  fct_push (sink, 6, 1000);
  held[6] = gst_harness_pull (src);
  fail_unless (is_read_only (held[6]));
  gst_buffer_unref (held[6]);
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 4);
  fail_unless_equals_uint64 (fct_stat (src->element, "copied"), 3);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (copies_are_writable)
{
  GstHarness *sink = fct_writer (), *src = fct_reader (COPY);
  GstBuffer *buffer;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 1000);
  buffer = gst_harness_pull (src);
  fail_if (is_read_only (buffer));
  fct_check_buffer (buffer, 0, 1000);
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

GST_START_TEST (zero_copy_waits_for_a_lease)
{
  GstHarness *sink = fct_writer (), *src = fct_reader ("memory", 1);
  GstBuffer *held[3];
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 4; i++)
    fct_push (sink, i, 1000);
  for (i = 0; i < 3; i++)
    {
      held[i] = gst_harness_pull (src);
      fail_unless (is_read_only (held[i]));
    }
  fail_unless_equals_int (gst_harness_buffers_in_queue (src), 0);
  gst_buffer_unref (held[0]);
  fct_pull (src, 3, 1000);
  gst_buffer_unref (held[1]);
  gst_buffer_unref (held[2]);
  fail_unless_equals_uint64 (fct_stat (src->element, "copied"), 0);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* A buffer that goes through anything that writes is copied first. */
GST_START_TEST (leased_memory_is_not_written)
{
  GstHarness *sink, *src;
  GstBuffer *buffer, *again;
  GstMapInfo map;

  fct_both (&sink, &src);
  fct_push (sink, 0, 1000);
  buffer = gst_harness_pull (src);
  again = gst_buffer_ref (buffer);
  buffer = gst_buffer_make_writable (buffer);
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  memset (map.data, 0, map.size);
  gst_buffer_unmap (buffer, &map);
  fct_check_buffer (again, 0, 1000);
  gst_buffer_unref (buffer);
  gst_buffer_unref (again);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static gpointer
unref_buffer (gpointer data)
{
  gst_buffer_unref (data);
  return NULL;
}

/* Element, consumer, writer and slot are gone; the last unref comes from
 * another thread. */
GST_START_TEST (leased_memory_outlives_element)
{
  GstHarness *sink, *src;
  GstBuffer *buffer;
  GstMemory *part;

  fct_both (&sink, &src);
  fct_push (sink, 0, 100000);
  buffer = gst_harness_pull (src);
  fail_unless (is_read_only (buffer));
  fct_stop (src);
  fct_check_buffer (buffer, 0, 100000);
  fct_stop (sink);
  fct_check_buffer (buffer, 0, 100000);
  part = gst_memory_share (gst_buffer_peek_memory (buffer, 0), 10, 20);
  g_thread_join (g_thread_new ("unref", unref_buffer, buffer));
  gst_memory_unref (part);
}
GST_END_TEST

GST_START_TEST (leased_memory_outlives_generation)
{
  GstHarness *sink, *src;
  GstBuffer *buffer;

  fct_both (&sink, &src);
  fct_push (sink, 0, 100000);
  buffer = gst_harness_pull (src);
  fct_push_caps (sink, "application/x-other");
  fct_push (sink, 1, 10);
  fct_pull (src, 1, 10);
  fct_check_buffer (buffer, 0, 100000);
  gst_buffer_unref (buffer);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* Buffers that are kept while the element goes up and down take up one place
 * among the consumers, not one for each time. */
GST_START_TEST (kept_buffers_take_one_place)
{
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "max-consumers", 2, NULL), FCT_DATA);
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstHarness *src = fct_src_harness (gst_object_ref (element));
  GstBuffer *kept;
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 1000);
  kept = gst_harness_pull (src);
  for (i = 1; i < 5; i++)
    {
      guint64 delivered;

      gst_element_set_state (element, GST_STATE_NULL);
      fct_push (sink, 100 + i, 1000);
      gst_element_set_state (element, GST_STATE_PLAYING);
      delivered = 0;
      while (delivered == 0)
        {
          /* pushed until it is attached and waits */
          fct_push (sink, i, 1000);
          delivered = fct_stat (element, "delivered");
        }
      fail_unless_equals_int (fct_consumers ("cam0"), 1);
    }
  fct_check_buffer (kept, 0, 1000);
  gst_element_set_state (element, GST_STATE_NULL);
  /* whatever else came */
  while (gst_harness_buffers_in_queue (src) > 0)
    gst_buffer_unref (gst_harness_pull (src));
  fail_unless_equals_int (fct_consumers ("cam0"), 1);
  gst_buffer_unref (kept);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_stop (src);
  gst_object_unref (element);
  fct_stop (sink);
}
GST_END_TEST

/* What the place was opened with is not what the element asks for by now. */
GST_START_TEST (kept_buffers_do_not_keep_a_setting)
{
  GstHarness *sink = fct_writer ();
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, NULL);
  GstHarness *src = fct_src_harness (gst_object_ref (element));
  GstBuffer *kept;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 1000);
  kept = gst_harness_pull (src);
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_set (element, "spin", (guint64) 1000, NULL);
  gst_element_set_state (element, GST_STATE_PLAYING);
  FCT_WAIT (fct_consumers ("cam0") == 2);
  fct_check_buffer (kept, 0, 1000);
  gst_buffer_unref (kept);
  FCT_WAIT (fct_consumers ("cam0") == 1);
  fct_stop (src);
  gst_object_unref (element);
  fct_stop (sink);
}
GST_END_TEST

/* Losses -------------------------------------------------------------- */

typedef struct
{
  guint64 dropped;
  guint64 total;
  guint64 qos_dropped;
  guint messages;
} Told;

static void
collect (GstBus *bus, Told *told)
{
  GstMessage *message;

  while ((message = gst_bus_pop (bus)) != NULL)
    {
      guint64 dropped, total, first;
      GstFormat format;

      if (gst_message_has_name (message, "fc-dropped"))
        {
          const GstStructure *s = gst_message_get_structure (message);

          fail_unless (gst_structure_get (
              s, "dropped", G_TYPE_UINT64, &dropped, "total", G_TYPE_UINT64,
              &total, "first-seq", G_TYPE_UINT64, &first, NULL));
          fail_unless_equals_string (gst_structure_get_string (s, "slot"),
                                     "cam0");
          told->dropped += dropped;
          told->total = total;
          told->messages++;
        }
      if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_QOS)
        {
          gst_message_parse_qos_stats (message, &format, NULL, &dropped);
          told->qos_dropped = dropped;
        }
      gst_message_unref (message);
    }
}

/* What is received and what is told as dropped are what was written, each
 * once; and the losses come where the numbers jump. */
static void
check_slow_consumer (const gchar *property, gint value)
{
  const guint frames = 400;
  GstElement *element = fct_new ("fcsrc", "slot", "cam0", STREAM, OLDEST,
                                 property, value, NULL);
  GstBus *bus = fct_bus (element);
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 8, NULL), FCT_DATA);
  GstHarness *src = fct_src_harness (element);
  guint received = 0, lost = 0, next = 0, i;
  Told told = { 0 };
  GstBuffer *buffer;

  gst_harness_set_drop_buffers (src, FALSE);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  gst_pad_set_active (src->sinkpad, TRUE);
  for (i = 0; i < frames; i++)
    {
      if (i % 50 == 10)
        GST_PAD_STREAM_LOCK (src->sinkpad);
      if (i % 50 == 40)
        GST_PAD_STREAM_UNLOCK (src->sinkpad);
      fct_push (sink, i, 1000);
    }
  gst_harness_push_event (sink, gst_event_new_eos ());
  gst_event_unref (fct_pull_event (src, GST_EVENT_EOS));

  while ((buffer = gst_harness_try_pull (src)) != NULL)
    {
      guint number = (guint) GST_BUFFER_OFFSET (buffer);

      fct_check_buffer (buffer, number, 1000);
      fail_unless (number >= next, "%u after %u", number, next);
      if (number > next)
        fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
      lost += number - next;
      next = number + 1;
      received++;
      gst_buffer_unref (buffer);
    }
  lost += frames - next;
  GST_INFO ("received %u, lost %u", received, lost);
  fail_unless (lost > 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), lost);
  fail_unless_equals_uint64 (fct_stat (src->element, "delivered"), received);
  collect (bus, &told);
  fail_unless_equals_uint64 (told.dropped, lost);
  fail_unless_equals_uint64 (told.total, lost);
  fail_unless_equals_uint64 (told.qos_dropped, lost);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
}

GST_START_TEST (slow_consumer_counts_exactly)
{
  check_slow_consumer (NULL, 0);
  check_slow_consumer (COPY);
  check_slow_consumer ("on-lap", 2);
}
GST_END_TEST

/* The frame that is stuck in downstream when the ring is lapped comes first;
 * then reading goes on where on-lap says. */
static void
check_on_lap (gint start, gint on_lap, guint resumes_at)
{
  GstHarness *sink = fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 8, NULL), FCT_DATA);
  GstHarness *src = fct_src_harness (fct_new (
      "fcsrc", "slot", "cam0", STREAM, "start", start, "on-lap", on_lap, NULL));
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_push (sink, 0, 100);
  fct_pull (src, 0, 100);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  GST_PAD_STREAM_LOCK (src->sinkpad);
  fct_push (sink, 1, 100);
  FCT_WAIT (fct_stat (src->element, "delivered") == 2);
  for (i = 2; i < 40; i++)
    fct_push (sink, i, 100);
  GST_PAD_STREAM_UNLOCK (src->sinkpad);
  fct_pull (src, 1, 100);
  fct_pull (src, resumes_at, 100);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"),
                             resumes_at - 2);
  fail_unless_equals_uint64 (fct_stat (src->element, "laps"), 1);
  fct_stop (src);
  fct_stop (sink);
}

GST_START_TEST (on_lap_decides_where_to_go_on)
{
  check_on_lap (0, 0, 39);
  check_on_lap (0, 1, 34);
  check_on_lap (0, 2, 39);
  check_on_lap (2, 0, 34);
  check_on_lap (2, 2, 39);
}
GST_END_TEST

static Suite *
memory_suite (void)
{
  Suite *suite = suite_create ("memory");
  TCase *tc = tcase_create ("memory");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, leased_then_copied_then_leased);
  tcase_add_test (tc, copies_are_writable);
  tcase_add_test (tc, zero_copy_waits_for_a_lease);
  tcase_add_test (tc, leased_memory_is_not_written);
  tcase_add_test (tc, leased_memory_outlives_element);
  tcase_add_test (tc, leased_memory_outlives_generation);
  tcase_add_test (tc, kept_buffers_take_one_place);
  tcase_add_test (tc, kept_buffers_do_not_keep_a_setting);
  tcase_add_test (tc, slow_consumer_counts_exactly);
  tcase_add_test (tc, on_lap_decides_where_to_go_on);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, memory_suite);
}
