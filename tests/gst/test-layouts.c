/* framecache: frames that lie otherwise than their caps say, as fcsrc takes
 * them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include <gst/audio/audio.h>

#include "fc-gst-block.h"

/* A picture of INFO that says at each pixel where it is. */
static GstBuffer *
picture (const GstVideoInfo *info)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info->size, NULL);
  GstMapInfo map;
  guint plane;
  gsize y, x;

  gst_buffer_memset (buffer, 0, 0xee, info->size);
  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (plane = 0; plane < 3; plane++)
    for (y = 0; y < (plane == 0 ? 10 : 5); y++)
      for (x = 0; x < (plane == 0 ? 18 : 9); x++)
        map.data[info->offset[plane] + y * (gsize) info->stride[plane] + x]
            = (guint8) (plane * 64 + y * 19 + x);
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

static void
check_picture (GstBuffer *buffer)
{
  GstVideoFrame frame;
  GstVideoInfo info;
  gint plane, y, x;

  fct_usual_info (&info);
  fail_unless (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  for (plane = 0; plane < 3; plane++)
    for (y = 0; y < (plane == 0 ? 10 : 5); y++)
      for (x = 0; x < (plane == 0 ? 18 : 9); x++)
        fail_unless_equals_int (
            ((guint8 *) frame.data[plane])[y * frame.info.stride[plane] + x],
            (guint8) (plane * 64 + y * 19 + x));
  gst_video_frame_unmap (&frame);
}

static void
write_picture (fc_writer_t *writer, gboolean is_padded)
{
  GByteArray *block = NULL;
  GstVideoAlignment align;
  GstVideoInfo info;
  GstBuffer *buffer;
  GstMapInfo map;

  fct_usual_info (&info);
  if (is_padded)
    {
      fct_padded_info (&info, &align);
      block = fct_block_new ();
      fct_block_video (block, &info, &align);
    }
  buffer = picture (&info);
  gst_buffer_map (buffer, &map, GST_MAP_READ);
  fct_raw_write (writer, map.data, map.size, block);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  g_clear_pointer (&block, g_byte_array_unref);
}

/* The next buffer of H, with the picture in it. */
static GstBuffer *
pull_picture (GstHarness *h)
{
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL);
  check_picture (buffer);
  return buffer;
}

/* Layouts ------------------------------------------------------------- */

GST_START_TEST (padded_frames_stay_in_place)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (TRUE, 1);
  GstVideoAlignment align;
  const GstVideoMeta *meta;
  GstVideoInfo info;
  GstBuffer *buffer;

  fct_padded_info (&info, &align);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  write_picture (writer, TRUE);
  buffer = pull_picture (h);
  fail_unless (GST_MEMORY_IS_READONLY (gst_buffer_peek_memory (buffer, 0)));
  meta = gst_buffer_get_video_meta (buffer);
  fail_unless (memcmp (meta->offset, info.offset, 3 * sizeof (gsize)) == 0);
  fail_unless (memcmp (meta->stride, info.stride, 3 * sizeof (gint)) == 0);
  fail_unless_equals_int (meta->alignment.padding_left, align.padding_left);
  fail_unless_equals_int (meta->alignment.padding_bottom, align.padding_bottom);
  gst_buffer_unref (buffer);
  write_picture (writer, FALSE);
  buffer = pull_picture (h);
  fail_unless (gst_buffer_get_video_meta (buffer) == NULL);
  gst_buffer_unref (buffer);
  fail_unless_equals_uint64 (fct_stat (h->element, "leased"), 2);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

/* Whoever does not ask for GstVideoMeta computes with what the caps say. */
static void
check_packed (gint memory)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (FALSE, memory);
  GstVideoInfo info;
  GstBuffer *buffer;
  guint i;

  fct_usual_info (&info);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 1; i < 20; i++)
    {
      write_picture (writer, TRUE);
      buffer = pull_picture (h);
      fail_unless (gst_buffer_get_video_meta (buffer) == NULL);
      fail_unless_equals_int (gst_buffer_get_size (buffer), info.size);
      fail_unless (gst_buffer_is_all_memory_writable (buffer));
      fail_unless_equals_uint64 (fct_stat (h->element, "copied"), i);
      fail_unless_equals_uint64 (fct_stat (h->element, "leased"), 0);
      gst_buffer_unref (buffer);
    }
  fct_stop (h);
  fc_writer_close (writer);
}

GST_START_TEST (padded_frames_are_packed_for_others)
{
  check_packed (0);
  check_packed (1);
  check_packed (2);
}
GST_END_TEST

GST_START_TEST (packing_follows_downstream)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (FALSE, 0);
  GstBuffer *buffer;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  write_picture (writer, TRUE);
  buffer = pull_picture (h);
  fail_unless (gst_buffer_get_video_meta (buffer) == NULL);
  gst_buffer_unref (buffer);
  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_META_API_TYPE, NULL);
  gst_harness_push_upstream_event (h, gst_event_new_reconfigure ());
  /* The element asks again before the frame after the one it waits for. */
  write_picture (writer, TRUE);
  gst_buffer_unref (pull_picture (h));
  write_picture (writer, TRUE);
  buffer = pull_picture (h);
  fail_unless (gst_buffer_get_video_meta (buffer) != NULL);
  gst_buffer_unref (buffer);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

/* A pool of downstream's whose buffers have strides of their own. */
static GstBufferPool *
padded_pool (void)
{
  GstBufferPool *pool = gst_video_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstCaps *caps = gst_caps_from_string (FCT_PADDED_CAPS);
  GstVideoAlignment align;
  GstVideoInfo info;

  fct_padded_info (&info, &align);
  gst_buffer_pool_config_set_params (config, caps, (guint) info.size, 2, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_config_add_option (config,
                                     GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  gst_buffer_pool_config_set_video_alignment (config, &align);
  fail_unless (gst_buffer_pool_set_config (pool, config));
  gst_caps_unref (caps);
  return pool;
}

static GstPadProbeReturn
add_pool (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  GstVideoAlignment align;
  GstVideoInfo video;
  GstCaps *caps;

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_parse_allocation (query, &caps, NULL);
  if (caps == NULL)
    return GST_PAD_PROBE_OK;
  fct_padded_info (&video, &align);
  gst_query_add_allocation_pool (query, user_data, (guint) video.size, 2, 0);
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return GST_PAD_PROBE_HANDLED;
}

GST_START_TEST (padded_pool_does_not_shear)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstElement *src
      = fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, "memory", 2, NULL);
  GstHarness *h = gst_harness_new_with_element (src, NULL, "src");
  GstBufferPool *pool = padded_pool ();
  guint i;

  gst_object_unref (src);
  gst_harness_use_systemclock (h);
  gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, add_pool,
                     pool, NULL);
  gst_harness_play (h);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 8; i++)
    {
      write_picture (writer, i % 2 == 1);
      gst_buffer_unref (pull_picture (h));
    }
  fct_stop (h);
  gst_object_unref (pool);
  fc_writer_close (writer);
}
GST_END_TEST

/* Bad ones ------------------------------------------------------------ */

/* Change a padded layout so that it is wrong in one way. */
static void
spoil (GByteArray *block, guint way)
{
  /* header 6, record header 6; flags, id, width, height; "I420"; planes */
  const guint width = 12 + 8, format = 12 + 16 + 1, planes = format + 4;
  const guint offset = planes + 1, stride = offset + 8, last = offset + 24;
  guint8 *data = block->data;

  switch (way)
    {
    case 0:
      data[width]++;
      break;
    case 1:
      data[width + 4]--;
      break;
    case 2:
      data[format]++;
      break;
    case 3:
      data[planes]--;
      break;
    case 4:
      data[planes] = 200;
      break;
    case 5:
      data[offset + 7] = 0x80;
      break;
    case 6:
      data[last + 2] = 1;
      break;
    case 7:
      data[stride] = 17;
      data[stride + 1] = 0;
      break;
    case 8:
      memset (data + stride, 0xff, 4);
      break;
    case 9:
      data[stride + 3] = 0x7f;
      break;
    case 10:
      memset (data + stride, 0, 4);
      break;
    default:
      g_assert_not_reached ();
    }
}

GST_START_TEST (planes_outside_the_frame_are_refused)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (TRUE, 0);
  GstVideoAlignment align;
  GstVideoInfo info;
  guint way;

  fct_padded_info (&info, &align);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (way = 0; way <= 10; way++)
    {
      GByteArray *block = fct_block_new ();
      GstBuffer *buffer = picture (&info);
      GstMapInfo map;

      fct_block_video (block, &info, &align);
      spoil (block, way);
      gst_buffer_map (buffer, &map, GST_MAP_READ);
      fct_raw_write (writer, map.data, map.size, block);
      gst_buffer_unmap (buffer, &map);
      gst_buffer_unref (buffer);
      g_byte_array_unref (block);
      buffer = gst_harness_pull (h);
      fail_unless (gst_buffer_get_video_meta (buffer) == NULL, "way %u", way);
      gst_buffer_unref (buffer);
    }
  write_picture (writer, TRUE);
  gst_buffer_unref (pull_picture (h));
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

/* The last line of the last plane need not be as long as the others. */
GST_START_TEST (last_line_may_be_short)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (TRUE, 0);
  GByteArray *block = fct_block_new ();
  GstVideoAlignment align;
  GstVideoInfo info;
  GstBuffer *buffer;
  GstMapInfo map;
  gsize end;
  guint i;

  fct_padded_info (&info, &align);
  end = info.offset[2] + 4 * (gsize) info.stride[2] + 9;
  fct_block_video (block, &info, &align);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 2; i++)
    {
      buffer = picture (&info);
      gst_buffer_map (buffer, &map, GST_MAP_READ);
      fct_raw_write (writer, map.data, end - i, block);
      gst_buffer_unmap (buffer, &map);
      gst_buffer_unref (buffer);
      buffer = gst_harness_pull (h);
      fail_unless_equals_int (gst_buffer_get_video_meta (buffer) != NULL,
                              i == 0);
      if (i == 0)
        check_picture (buffer);
      gst_buffer_unref (buffer);
    }
  g_byte_array_unref (block);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

/* To whole cache lines, where downstream has asked for nothing, or less. */
static void
check_aligned (const gchar *caps, const GstAllocationParams *wish)
{
  static const guint8 data[1000];
  GstElement *src = fct_new ("fcsrc", "slot", "cam0", "memory", 2, NULL);
  GstHarness *h = gst_harness_new_with_element (src, NULL, "src");
  fc_writer_t *writer = fct_raw_writer (caps, FCT_CELL_SIZE);
  GstBuffer *buffer;
  GstMapInfo map;
  guint i;

  gst_object_unref (src);
  gst_harness_use_systemclock (h);
  if (wish != NULL)
    gst_harness_set_propose_allocator (h, NULL, wish);
  gst_harness_play (h);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 4; i++)
    {
      fct_raw_write (writer, data, 270 + i, NULL);
      buffer = gst_harness_pull (h);
      fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
      fail_unless_equals_int (GPOINTER_TO_SIZE (map.data) % 64, 0);
      if (wish != NULL)
        fail_unless (map.maxsize >= map.size + wish->padding);
      gst_buffer_unmap (buffer, &map);
      gst_buffer_unref (buffer);
    }
  fct_stop (h);
  fc_writer_close (writer);
}

GST_START_TEST (copies_are_aligned)
{
  GstAllocationParams wish;

  gst_allocation_params_init (&wish);
  wish.align = 15;
  wish.padding = 32;
  check_aligned (FCT_PADDED_CAPS, NULL);
  check_aligned (FCT_DATA, NULL);
  check_aligned (FCT_PADDED_CAPS, &wish);
  check_aligned (FCT_DATA, &wish);
}
GST_END_TEST

static GstAudioMeta *
pass_audio (fc_writer_t *writer, GstHarness *h, guint64 samples, guint channels,
            guint64 first, guint64 second, GstBuffer **buffer)
{
  static const guint8 data[400];
  GByteArray *block = fct_block_new ();
  guint begin = fct_block_begin (block, 6);

  fct_block_number (block, 1, 4);
  fct_block_number (block, channels, 4);
  fct_block_number (block, samples, 8);
  fct_block_number (block, first, 8);
  fct_block_number (block, second, 8);
  fct_block_end (block, begin);
  fct_raw_write (writer, data, sizeof (data), block);
  g_byte_array_unref (block);
  *buffer = gst_harness_pull (h);
  return gst_buffer_get_audio_meta (*buffer);
}

GST_START_TEST (channels_outside_the_frame_are_refused)
{
  static const guint64 bad[][4] = {
    { 100, 2, 0, 201 },           { 100, 2, 201, 0 },
    { 100, 2, 0, 199 },           { 101, 2, 0, 200 },
    { 100, 3, 0, 200 },           { 100, 1, 0, 200 },
    { 100, 2, 0, G_MAXUINT64 },   { G_MAXUINT64, 2, 0, 0 },
    { G_MAXUINT64 / 2, 2, 0, 0 }, { 1, 2, 0, G_MAXUINT64 - 1 },
  };
  fc_writer_t *writer = fct_raw_writer (FCT_PLANAR_CAPS, 4096);
  GstHarness *h = fct_video_reader (FALSE, 0);
  GstAudioMeta *meta;
  GstBuffer *buffer;
  guint i;

  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      fail_unless (pass_audio (writer, h, bad[i][0], (guint) bad[i][1],
                               bad[i][2], bad[i][3], &buffer)
                       == NULL,
                   "number %u", i);
      gst_buffer_unref (buffer);
    }
  meta = pass_audio (writer, h, 100, 2, 200, 0, &buffer);
  fail_unless (meta != NULL && meta->samples == 100);
  fail_unless (meta->offsets[0] == 200 && meta->offsets[1] == 0);
  gst_buffer_unref (buffer);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

static Suite *
layouts_suite (void)
{
  Suite *suite = suite_create ("layouts");
  TCase *tc = tcase_create ("layouts");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, padded_frames_stay_in_place);
  tcase_add_test (tc, padded_frames_are_packed_for_others);
  tcase_add_test (tc, packing_follows_downstream);
  tcase_add_test (tc, padded_pool_does_not_shear);
  tcase_add_test (tc, planes_outside_the_frame_are_refused);
  tcase_add_test (tc, last_line_may_be_short);
  tcase_add_test (tc, copies_are_aligned);
  tcase_add_test (tc, channels_outside_the_frame_are_refused);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, layouts_suite);
}
