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

/* With metadata of its own kind only the caps would travel; other memory can
 * not be read. */
GST_START_TEST (other_memory_is_refused)
{
  GstElement *sink = fct_new ("fcsink", "slot", "cam0", NULL);
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstCaps *gl
      = gst_caps_from_string ("video/x-raw(memory:GLMemory),format=RGBA");
  GstCaps *overlay = gst_caps_from_string (
      "video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition);"
      "video/x-raw");
  GstCaps *caps;

  gst_element_set_state (sink, GST_STATE_PAUSED);
  fail_if (gst_pad_query_accept_caps (pad, gl));
  caps = gst_pad_query_caps (pad, overlay);
  fail_unless_equals_int (gst_caps_get_size (caps), 1);
  fail_unless (gst_pad_query_accept_caps (pad, caps));
  gst_caps_unref (caps);
  caps = gst_pad_query_caps (pad, gl);
  fail_unless (gst_caps_is_empty (caps));
  gst_caps_unref (caps);
  caps = gst_pad_query_caps (pad, NULL);
  fail_unless (gst_caps_is_any (caps));
  gst_caps_unref (caps);
  gst_caps_unref (overlay);
  gst_caps_unref (gl);
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_object_unref (pad);
  gst_object_unref (sink);
}
GST_END_TEST

/* Real elements ------------------------------------------------------- */

/* Run LINE, which has an fcsink named "s", to its end. */
static void
run (const gchar *line, guint64 *zero_copy, guint64 *copied, guint *generation)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error), *sink;
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  GstStructure *stats;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message != NULL && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS,
               "no end of: %s", line);
  gst_message_unref (message);
  g_object_get (sink, "stats", &stats, NULL);
  fail_unless (gst_structure_get (stats, "zero-copy", G_TYPE_UINT64, zero_copy,
                                  "copied", G_TYPE_UINT64, copied, "generation",
                                  G_TYPE_UINT, generation, NULL));
  GST_INFO ("%s: %" GST_PTR_FORMAT, line, stats);
  gst_structure_free (stats);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  fct_bus_free (bus);
  gst_object_unref (pipeline);
}

#define SINK " ! fcsink name=s slot=cam0 sync=false"

GST_START_TEST (elements_fill_the_ring)
{
  static const gchar *const lines[] = {
    "videotestsrc num-buffers=40 ! video/x-raw,format=I420" SINK,
    "videotestsrc num-buffers=40 ! "
    "video/x-raw,format=RGB,width=33,height=17" SINK,
    "videotestsrc num-buffers=40 ! video/x-raw,format=I420 ! videoconvert !"
    " video/x-raw,format=NV12" SINK,
    "videotestsrc num-buffers=40 ! videoscale !"
    " video/x-raw,width=640,height=480" SINK,
    "videotestsrc num-buffers=40 ! videoconvert ! videoscale ! videoflip"
    " method=vertical-flip ! video/x-raw,format=I420" SINK,
  };
  guint64 zero_copy, copied;
  guint generation, i;

  for (i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      run (lines[i], &zero_copy, &copied, &generation);
      fail_unless_equals_uint64 (zero_copy, 40);
      fail_unless_equals_uint64 (copied, 0);
      fail_unless_equals_int (generation, 1);
    }
}
GST_END_TEST

static void
add_to_sum (GstElement *sink, GstBuffer *buffer, GstPad *pad,
            gpointer user_data)
{
  guint *frames = g_object_get_data (G_OBJECT (sink), "frames");
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_checksum_update (user_data, map.data, (gssize) map.size);
  gst_buffer_unmap (buffer, &map);
  ++*frames;
}

#define CODED(coder)                                                           \
  "videotestsrc num-buffers=60 ! video/x-raw,format=I420,width=640,height=360" \
  " ! " coder SINK

/* Each picture is decoded into the ring, and the ring is made once, whatever
 * the decoder tried before. */
GST_START_TEST (decoders_fill_the_ring)
{
  static const gchar *const lines[] = {
    CODED ("jpegenc ! jpegdec"),
    CODED ("vp8enc deadline=1 ! vp8dec"),
    CODED ("openh264enc ! h264parse ! openh264dec"),
  };
  guint64 zero_copy, copied;
  guint generation, i;

  for (i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      run (lines[i], &zero_copy, &copied, &generation);
      fail_unless_equals_uint64 (zero_copy, 60);
      fail_unless_equals_uint64 (copied, 0);
      fail_unless_equals_int (generation, 1);
    }
}
GST_END_TEST

/* libav keeps a reference picture mapped for writing, and GStreamer passes a
 * copy of it on: made in the ring, it is not copied again. The others, here
 * those at the end, are not copied at all. */
GST_START_TEST (direct_rendering_copies_references_once)
{
  guint64 zero_copy, copied;
  guint generation;

  run (CODED ("openh264enc ! h264parse ! avdec_h264"), &zero_copy, &copied,
       &generation);
  fail_unless_equals_uint64 (zero_copy + copied, 60);
  fail_unless (zero_copy > 0);
  fail_unless_equals_int (generation, 1);
}
GST_END_TEST

/* What avdec_h264 put into the ring, with strides of its own, is what it puts
 * anywhere. */
GST_START_TEST (direct_rendering_is_right)
{
  GstElement *writer = gst_parse_launch (
      CODED ("openh264enc ! h264parse ! tee name=t ! "
             "queue ! avdec_h264") " t. ! queue ! avdec_h264 ! "
                                   "videoconvert !"
                                   " video/x-raw,format=I420 ! "
                                   "fakesink name=direct "
                                   "signal-handoffs=true",
      NULL);
  GstElement *reader = gst_parse_launch (
      "fcsrc slot=cam0 ! videoconvert ! video/x-raw,format=I420 !"
      " fakesink name=slot signal-handoffs=true sync=false",
      NULL);
  GChecksum *sum[2];
  guint frames[2] = { 0 }, i;
  GstBus *bus[2];

  for (i = 0; i < 2; i++)
    {
      GstElement *pipeline = i == 0 ? writer : reader;
      GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline),
                                              i == 0 ? "direct" : "slot");

      sum[i] = g_checksum_new (G_CHECKSUM_SHA1);
      g_object_set_data (G_OBJECT (sink), "frames", &frames[i]);
      g_signal_connect (sink, "handoff", G_CALLBACK (add_to_sum), sum[i]);
      gst_object_unref (sink);
      bus[i] = gst_element_get_bus (pipeline);
    }
  gst_element_set_state (reader, GST_STATE_PLAYING);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  gst_element_set_state (writer, GST_STATE_PLAYING);
  for (i = 0; i < 2; i++)
    {
      GstMessage *message = gst_bus_timed_pop_filtered (
          bus[i], FCT_PATIENCE * 1000, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

      fail_unless (message != NULL
                   && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
      gst_message_unref (message);
      fct_bus_free (bus[i]);
    }
  fail_unless_equals_int (frames[0], 60);
  fail_unless_equals_int (frames[1], 60);
  fail_unless_equals_string (g_checksum_get_string (sum[0]),
                             g_checksum_get_string (sum[1]));
  for (i = 0; i < 2; i++)
    {
      gst_element_set_state (i == 0 ? writer : reader, GST_STATE_NULL);
      g_checksum_free (sum[i]);
    }
  gst_object_unref (writer);
  gst_object_unref (reader);
}
GST_END_TEST

/* appsrc asks for no pool by itself; an application can. */
GST_START_TEST (application_with_and_without_the_pool)
{
  GstElement *pipeline = gst_parse_launch (
      "appsrc name=a format=time caps=\"" CAPS "\"" SINK, NULL);
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

GST_START_TEST (tee_is_copied)
{
  guint64 zero_copy, copied;
  guint generation;

  run ("videotestsrc num-buffers=40 ! tee" SINK, &zero_copy, &copied,
       &generation);
  fail_unless_equals_uint64 (zero_copy, 0);
  fail_unless_equals_uint64 (copied, 40);
}
GST_END_TEST

/* A queue holds more than there are cells. */
GST_START_TEST (queue_takes_what_there_is)
{
  guint64 zero_copy, copied;
  guint generation;

  run ("videotestsrc num-buffers=400 ! queue max-size-buffers=100" SINK,
       &zero_copy, &copied, &generation);
  fail_unless (zero_copy > 0);
  fail_unless_equals_uint64 (zero_copy + copied, 400);
  fail_unless_equals_int (generation, 1);
}
GST_END_TEST

/* Renegotiated by hand, as an application does it. */
GST_START_TEST (renegotiation_keeps_filling_in_place)
{
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc is-live=true ! capsfilter name=f"
      " caps=video/x-raw,format=I420,width=320,height=240,framerate=100/1" SINK,
      NULL);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  GstElement *filter = gst_bin_get_by_name (GST_BIN (pipeline), "f");
  guint i;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (i = 1; i <= 10; i++)
    {
      gchar *text = g_strdup_printf ("video/x-raw,format=I420,width=%u,"
                                     "height=240,framerate=100/1",
                                     320 + 16 * i);
      GstCaps *caps = gst_caps_from_string (text);
      guint64 frames;

      g_object_set (filter, "caps", caps, NULL);
      frames = fct_stat (sink, "zero-copy");
      FCT_WAIT (fct_stat (sink, "zero-copy") > frames + 3);
      gst_caps_unref (caps);
      g_free (text);
    }
  fail_unless_equals_uint64 (fct_stat (sink, "copied"), 0);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (filter);
  gst_object_unref (sink);
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
  tcase_add_test (tc, other_memory_is_refused);
  tcase_add_test (tc, elements_fill_the_ring);
  tcase_add_test (tc, decoders_fill_the_ring);
  tcase_add_test (tc, direct_rendering_copies_references_once);
  tcase_add_test (tc, direct_rendering_is_right);
  tcase_add_test (tc, application_with_and_without_the_pool);
  tcase_add_test (tc, tee_is_copied);
  tcase_add_test (tc, queue_takes_what_there_is);
  tcase_add_test (tc, renegotiation_keeps_filling_in_place);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, pool_suite);
}
