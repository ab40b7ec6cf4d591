/* framecache: frames that upstream fills in the ring itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/video/video.h>
#include <string.h>

#include "fc-gst-test.h"

#define CAPS                                                                   \
  "video/x-raw,format=I420,width=320,height=240,framerate=30/1,"               \
  "pixel-aspect-ratio=1/1,interlace-mode=progressive"
#define SIZE (320 * 240 * 3 / 2)
#define MARGIN 4 /* cells for upstream, beyond those that it asked for */

/* What upstream gets when it asks for memory for CAPS. */
static GstBufferPool *
ask_for_pool (GstHarness *h, const gchar *text)
{
  GstCaps *caps = gst_caps_from_string (text);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool;
  guint size, min, max;

  fail_unless (gst_pad_peer_query (h->srcpad, query));
  fail_unless_equals_int (gst_query_get_n_allocation_pools (query), 1);
  gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min, &max);
  fail_unless_equals_int (min, 0);
  fail_unless_equals_int (max, 0);
  fail_unless (
      gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  gst_caps_unref (caps);
  return pool;
}

static void
activate (GstBufferPool *pool, const gchar *text, guint size, guint min)
{
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstCaps *caps = gst_caps_from_string (text);

  gst_buffer_pool_config_set_params (config, caps, size, min, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  fail_unless (gst_buffer_pool_set_config (pool, config));
  fail_unless (gst_buffer_pool_set_active (pool, TRUE));
  gst_caps_unref (caps);
}

static GstBufferPool *
pool_of (GstHarness *h, guint min)
{
  GstBufferPool *pool = ask_for_pool (h, CAPS);

  activate (pool, CAPS, SIZE, min);
  return pool;
}

static void
pool_free (GstBufferPool *pool)
{
  fail_unless (gst_buffer_pool_set_active (pool, FALSE));
  gst_object_unref (pool);
}

/* Filled so that one sees which it is. */
static GstBuffer *
get (GstBufferPool *pool, guint number)
{
  GstBuffer *buffer;

  fail_unless_equals_int (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL),
                          GST_FLOW_OK);
  gst_buffer_memset (buffer, 0, (guint8) number, gst_buffer_get_size (buffer));
  GST_BUFFER_PTS (buffer) = number * GST_SECOND / 30;
  GST_BUFFER_OFFSET (buffer) = number;
  return buffer;
}

static gboolean
in_ring (GstBuffer *buffer)
{
  return gst_memory_is_type (gst_buffer_peek_memory (buffer, 0),
                             "FramecacheCell");
}

static void
check_pixels (GstBuffer *buffer, guint number)
{
  GstMapInfo map;
  gsize i;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (i = 0; i < map.size && map.data[i] == (guint8) number; i++)
    ;
  fail_unless_equals_uint64 (i, map.size);
  gst_buffer_unmap (buffer, &map);
}

static void
push (GstHarness *h, GstBuffer *buffer)
{
  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
}

static void
pull (GstHarness *h, guint number)
{
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL, "frame %u never came", number);
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), number);
  check_pixels (buffer, number);
  gst_buffer_unref (buffer);
}

static GstHarness *
video_writer (void)
{
  return fct_sink_harness (
      fct_new ("fcsink", "slot", "cam0", "ring-depth", 8, NULL), CAPS);
}

/* Begins with the next frame. */
static GstHarness *
reader (void)
{
  GstHarness *h = fct_reader (NULL, 0);

  FCT_WAIT (fct_waiting ("cam0") == 1);
  return h;
}

static void
check_counts (GstHarness *h, guint zero_copy, guint copied)
{
  fail_unless_equals_uint64 (fct_stat (h->element, "zero-copy"), zero_copy);
  fail_unless_equals_uint64 (fct_stat (h->element, "copied"), copied);
}

static guint
cells_out (GstHarness *h)
{
  fc_slot_stat_t stat;

  fail_unless (fct_slot_stat ("cam0", &stat));
  return stat.cells_out;
}

/* ---------------------------------------------------------------------- */

GST_START_TEST (filled_in_place)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 0);
  guint i;

  for (i = 0; i < 30; i++)
    {
      GstBuffer *buffer = get (pool, i);

      fail_unless (in_ring (buffer));
      push (h, buffer);
      pull (src, i);
    }
  check_counts (h, 30, 0);
  fail_unless_equals_int (cells_out (h), 0);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

/* Any order, and one that comes to nothing. */
GST_START_TEST (several_in_flight)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 3);
  GstBuffer *buffer[5];
  guint i;

  for (i = 0; i < 5; i++)
    {
      buffer[i] = get (pool, i);
      fail_unless (in_ring (buffer[i]));
    }
  gst_buffer_unref (buffer[1]);
  push (h, buffer[4]);
  push (h, buffer[0]);
  push (h, buffer[3]);
  push (h, buffer[2]);
  pull (src, 4);
  pull (src, 0);
  pull (src, 3);
  pull (src, 2);
  check_counts (h, 4, 0);
  fail_unless_equals_int (cells_out (h), 0);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (no_wait_when_cells_run_out)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 0);
  GstBuffer *buffer[40];
  guint i, cells = 0;

  for (i = 0; i < G_N_ELEMENTS (buffer); i++)
    {
      buffer[i] = get (pool, i);
      cells += in_ring (buffer[i]);
    }
  fail_unless_equals_int (cells, MARGIN - 1);
  for (i = 0; i < G_N_ELEMENTS (buffer); i++)
    {
      push (h, buffer[i]);
      pull (src, i);
    }
  check_counts (h, cells, G_N_ELEMENTS (buffer) - cells);
  buffer[0] = get (pool, 0);
  fail_unless (in_ring (buffer[0]));
  gst_buffer_unref (buffer[0]);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

/* As libav does it to learn strides. */
GST_START_TEST (probing_changes_nothing)
{
  GstHarness *h = video_writer ();
  const gchar *other = "video/x-raw,format=I420,width=640,height=480";
  GstBufferPool *pool = pool_of (h, 2);
  fc_slot_stat_t stat;
  guint i;

  gst_buffer_unref (get (pool, 0));
  pool_free (pool);
  fail_if (fct_slot_stat ("cam0", &stat));

  fct_push (h, 0, SIZE);
  fct_push_caps (h, other);
  for (i = 0; i < 5; i++)
    {
      pool = ask_for_pool (h, other);
      activate (pool, other, 640 * 480 * 3 / 2, i);
      gst_buffer_unref (get (pool, 0));
      pool_free (pool);
    }
  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless_equals_int (stat.generation, 1);
  fail_unless_equals_int (stat.epoch, 1);
  fail_unless_equals_uint64 (stat.frame_size, SIZE);
  fct_stop (h);
}
GST_END_TEST

/* The next pool is for the same frames: the ring is the same. */
GST_START_TEST (pool_binds_to_the_live_ring)
{
  GstHarness *h = video_writer ();
  fc_slot_stat_t stat;
  GstBufferPool *pool;
  guint i;

  for (i = 0; i < 5; i++)
    {
      pool = pool_of (h, 3 - i % 3);
      push (h, get (pool, i));
      pool_free (pool);
    }
  check_counts (h, 5, 0);
  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless_equals_int (stat.generation, 1);
  fct_stop (h);
}
GST_END_TEST

/* A reference frame: upstream reads it after it was published, and the cell
 * is not used for another one. */
GST_START_TEST (kept_cells_are_not_reused)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 2);
  GstBuffer *kept = get (pool, 77), *memory_only;
  GstMemory *memory;
  guint i;

  memory_only = get (pool, 78);
  memory = gst_memory_ref (gst_buffer_peek_memory (memory_only, 0));
  push (h, gst_buffer_ref (kept));
  push (h, memory_only);
  pull (src, 77);
  pull (src, 78);
  fail_unless_equals_int (cells_out (h), 2);
  for (i = 0; i < 40; i++)
    {
      push (h, get (pool, i));
      pull (src, i);
    }
  check_pixels (kept, 77);
  memory_only = gst_buffer_new ();
  gst_buffer_append_memory (memory_only, memory);
  check_pixels (memory_only, 78);
  gst_buffer_unref (memory_only);
  gst_buffer_unref (kept);
  fail_unless_equals_int (cells_out (h), 0);
  check_counts (h, 42, 0);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

/* Whatever an element upstream has kept, it writes into a copy. */
GST_START_TEST (published_frame_is_writable_for_nobody)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 2);
  GstBuffer *buffer = get (pool, 5), *kept;
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);
  GstMapInfo map;

  gst_memory_ref (memory);
  push (h, buffer);
  fail_if (gst_memory_map (memory, &map, GST_MAP_WRITE));
  fail_if (gst_memory_map (memory, &map, GST_MAP_READWRITE));
  fail_unless (gst_memory_map (memory, &map, GST_MAP_READ));
  gst_memory_unmap (memory, &map);

  kept = gst_buffer_new ();
  gst_buffer_append_memory (kept, memory);
  fail_unless (gst_buffer_map (kept, &map, GST_MAP_WRITE));
  memset (map.data, 9, map.size);
  gst_buffer_unmap (kept, &map);
  fail_if (gst_buffer_peek_memory (kept, 0) == memory);
  check_pixels (kept, 9);
  gst_buffer_unref (kept);
  pull (src, 5);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

/* Upstream still has it mapped for writing. */
GST_START_TEST (frame_still_written_to_is_copied)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 2);
  GstBuffer *buffer = get (pool, 5);
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);
  GstMapInfo map;

  fail_unless (gst_memory_map (memory, &map, GST_MAP_READWRITE));
  push (h, gst_buffer_ref (buffer));
  memset (map.data, 1, map.size);
  gst_memory_unmap (memory, &map);
  pull (src, 5);
  check_counts (h, 0, 1);
  gst_buffer_unref (buffer);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

/* What is not one whole cell that is published for the first time. */
GST_START_TEST (everything_else_is_copied_once)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 4);
  GstBuffer *buffer, *twice;

  twice = get (pool, 1);
  push (h, gst_buffer_ref (twice));
  push (h, twice);
  pull (src, 1);
  pull (src, 1);
  check_counts (h, 1, 1);

  buffer = gst_buffer_new_allocate (NULL, SIZE, NULL);
  gst_buffer_memset (buffer, 0, 2, SIZE);
  GST_BUFFER_OFFSET (buffer) = 2;
  push (h, buffer);
  pull (src, 2);
  check_counts (h, 1, 2);

  buffer = get (pool, 3);
  buffer = gst_buffer_append_region (
      gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, 0, 1000), buffer,
      1000, SIZE - 1000);
  fail_unless (gst_buffer_n_memory (buffer) == 2);
  GST_BUFFER_OFFSET (buffer) = 3;
  push (h, buffer);
  pull (src, 3);
  check_counts (h, 1, 3);

  buffer = get (pool, 4);
  gst_buffer_resize (buffer, 16, SIZE - 16);
  push (h, buffer);
  pull (src, 4);
  check_counts (h, 1, 4);
  fail_unless_equals_int (cells_out (h), 0);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

static gpointer
unref_buffer (gpointer data)
{
  gst_buffer_unref (data);
  return NULL;
}

/* The decoder keeps buffers of a sink that is gone, and fills them. */
GST_START_TEST (sink_swapped_while_upstream_keeps_buffers)
{
  GstHarness *h = video_writer (), *src;
  GstBufferPool *pool = pool_of (h, 4);
  GstBuffer *held = get (pool, 1), *empty = get (pool, 2);
  fc_slot_stat_t stat;

  push (h, gst_buffer_ref (held));
  fct_stop (h);
  h = video_writer ();
  src = reader ();
  gst_buffer_memset (empty, 0, 3, SIZE);
  GST_BUFFER_OFFSET (empty) = 3;
  push (h, empty);
  pull (src, 3);
  push (h, gst_buffer_ref (held));
  pull (src, 1);
  check_counts (h, 0, 2);
  fail_unless (fct_slot_stat ("cam0", &stat));
  fail_unless_equals_int (stat.head, 2);
  check_pixels (held, 1);
  g_thread_join (g_thread_new ("unref", unref_buffer, held));

  /* its pool goes on giving, in ordinary memory */
  held = get (pool, 4);
  fail_if (in_ring (held));
  push (h, held);
  pull (src, 4);
  fct_stop (src);
  fct_stop (h);
  pool_free (pool);
}
GST_END_TEST

/* To NULL and to PLAYING again under a pool that upstream keeps. */
GST_START_TEST (sink_restarted_under_its_pool)
{
  GstHarness *h = video_writer (), *src;
  GstBufferPool *pool = pool_of (h, 4);
  GstBuffer *held = get (pool, 1);
  GstCaps *caps = gst_caps_from_string (CAPS);

  push (h, gst_buffer_ref (held));
  gst_element_set_state (h->element, GST_STATE_NULL);
  check_pixels (held, 1);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  src = reader ();
  gst_harness_push_event (h, gst_event_new_stream_start ("again"));
  gst_harness_push_event (h, gst_event_new_caps (caps));
  push (h, get (pool, 2));
  pull (src, 2);
  gst_buffer_unref (held);
  push (h, get (pool, 3));
  pull (src, 3);
  gst_caps_unref (caps);
  fct_stop (src);
  pool_free (pool);
  fct_stop (h);
}
GST_END_TEST

GST_START_TEST (caps_changed_in_the_middle)
{
  const gchar *other = "video/x-raw,format=NV12,width=640,height=480,"
                       "framerate=30/1";
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 1);
  GstBuffer *late;
  guint i;

  for (i = 0; i < 3; i++)
    push (h, get (pool, i));
  for (i = 0; i < 3; i++)
    pull (src, i);
  late = get (pool, 99);
  fct_push_caps (h, other);
  gst_buffer_unref (late);
  pool_free (pool);
  pool = ask_for_pool (h, other);
  activate (pool, other, 640 * 480 * 3 / 2, 1);
  for (i = 3; i < 6; i++)
    push (h, get (pool, i));
  for (i = 3; i < 6; i++)
    pull (src, i);
  check_counts (h, 6, 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  pool_free (pool);
  fct_stop (src);
  fct_stop (h);
}
GST_END_TEST

/* A shallow copy of a buffer is another buffer over the same cell. */
GST_START_TEST (shallow_copies_stay_in_the_ring)
{
  GstHarness *h = video_writer (), *src = reader ();
  GstBufferPool *pool = pool_of (h, 1);
  GstBuffer *buffer = get (pool, 1), *copy = gst_buffer_copy (buffer);

  gst_buffer_unref (buffer);
  fail_unless (in_ring (copy));
  push (h, copy);
  pull (src, 1);
  check_counts (h, 1, 0);
  pool_free (pool);
  fct_stop (src);
  fct_stop (h);
}
GST_END_TEST

/* appsrc asks for no pool by itself; an application can. */
GST_START_TEST (application_with_and_without_the_pool)
{
  GstElement *pipeline
      = gst_parse_launch ("appsrc name=a format=time caps=\"" CAPS
                          "\" ! fcsink name=s slot=cam0 sync=false",
                          NULL);
  GstElement *app = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  GstPad *pad = gst_element_get_static_pad (app, "src");
  GstCaps *caps = gst_caps_from_string (CAPS);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool = NULL;
  GstFlowReturn ret;
  GstBuffer *buffer;
  guint i;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  buffer = gst_buffer_new_allocate (NULL, SIZE, NULL);
  g_signal_emit_by_name (app, "push-buffer", buffer, &ret);
  gst_buffer_unref (buffer);
  FCT_WAIT (fct_stat (sink, "copied") == 1);

  fail_unless (gst_pad_peer_query (pad, query));
  gst_query_parse_nth_allocation_pool (query, 0, &pool, NULL, NULL, NULL);
  activate (pool, CAPS, SIZE, 2);
  for (i = 0; i < 5; i++)
    {
      buffer = get (pool, i);
      g_signal_emit_by_name (app, "push-buffer", buffer, &ret);
      fail_unless_equals_int (ret, GST_FLOW_OK);
      gst_buffer_unref (buffer);
      FCT_WAIT (fct_stat (sink, "zero-copy") == i + 1);
    }
  fail_unless_equals_uint64 (fct_stat (sink, "copied"), 1);
  pool_free (pool);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_query_unref (query);
  gst_caps_unref (caps);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (app);
  gst_object_unref (pipeline);
}
GST_END_TEST

static Suite *
pool_suite (void)
{
  Suite *suite = suite_create ("pool");
  TCase *tc = tcase_create ("pool");

  suite_add_tcase (suite, tc);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, filled_in_place);
  tcase_add_test (tc, several_in_flight);
  tcase_add_test (tc, no_wait_when_cells_run_out);
  tcase_add_test (tc, probing_changes_nothing);
  tcase_add_test (tc, pool_binds_to_the_live_ring);
  tcase_add_test (tc, kept_cells_are_not_reused);
  tcase_add_test (tc, published_frame_is_writable_for_nobody);
  tcase_add_test (tc, frame_still_written_to_is_copied);
  tcase_add_test (tc, everything_else_is_copied_once);
  tcase_add_test (tc, sink_swapped_while_upstream_keeps_buffers);
  tcase_add_test (tc, sink_restarted_under_its_pool);
  tcase_add_test (tc, caps_changed_in_the_middle);
  tcase_add_test (tc, shallow_copies_stay_in_the_ring);
  tcase_add_test (tc, application_with_and_without_the_pool);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, pool_suite);
}
