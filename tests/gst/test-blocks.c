/* framecache: meta blocks of every kind, good and bad, as fcsrc takes them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include <gst/audio/audio.h>

#include "fc-gst-block.h"

/* Others' ------------------------------------------------------------- */

static void
put_crop (GByteArray *block, const gchar *more)
{
  guint begin = fct_block_begin (block, 2), i;

  for (i = 1; i <= 4; i++)
    fct_block_number (block, i, 4);
  if (more != NULL)
    fct_block_text (block, more);
  fct_block_end (block, begin);
}

GST_START_TEST (records_of_later_versions_are_skipped)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (FALSE, 0);
  GByteArray *block = fct_block_new ();
  GstBuffer *buffer;
  guint i;

  i = fct_block_begin (block, 4711);
  fct_block_text (block, "something new");
  fct_block_end (block, i);
  put_crop (block, "and more of it");
  FCT_WAIT (fct_waiting ("cam0") == 1);
  for (i = 0; i < 2; i++)
    {
      block->data[4] = (guint8) (1 + i);
      fct_raw_write (writer, "", 1, block);
      buffer = gst_harness_pull (h);
      fail_unless_equals_int (gst_buffer_get_video_crop_meta (buffer) != NULL,
                              i == 0);
      gst_buffer_unref (buffer);
    }
  g_byte_array_unref (block);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

/* One that no specification has would be a complaint of GStreamer's. */
GST_START_TEST (active_format_that_is_none_is_refused)
{
  fc_writer_t *writer = fct_raw_writer (FCT_PADDED_CAPS, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (FALSE, 0);
  GByteArray *block = fct_block_new ();
  GstBuffer *buffer;
  guint begin = fct_block_begin (block, 9);

  fct_block_number (block, 0, 1);
  fct_block_number (block, GST_VIDEO_AFD_SPEC_DVB_ETSI, 4);
  fct_block_number (block, GST_VIDEO_AFD_UNAVAILABLE, 4);
  fct_block_end (block, begin);
  put_crop (block, NULL);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_raw_write (writer, "", 1, block);
  buffer = gst_harness_pull (h);
  fail_unless (gst_buffer_get_video_crop_meta (buffer) != NULL);
  fail_unless (gst_buffer_get_meta (buffer, gst_video_afd_meta_api_get_type ())
               == NULL);
  gst_buffer_unref (buffer);
  g_byte_array_unref (block);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

/* Garbage ------------------------------------------------------------- */

static void
add_every_meta (GstBuffer *buffer)
{
  static const gchar *tags[] = { NULL };
  static const guint8 data[] = { 1, 2, 3 };
  GstCaps *caps = gst_caps_from_string ("timestamp/x-ntp,host=a.b,port=123");
  GDateTime *jam = g_date_time_new_utc (2026, 2, 28, 23, 59, 58.25);

  gst_buffer_add_video_crop_meta (buffer);
  gst_buffer_add_video_time_code_meta_full (
      buffer, 30000, 1001, jam, GST_VIDEO_TIME_CODE_FLAGS_NONE, 1, 2, 3, 4, 0);
  gst_video_region_of_interest_meta_add_param (
      gst_buffer_add_video_region_of_interest_meta (buffer, "face", 1, 2, 3, 4),
      gst_structure_new ("a", "b", G_TYPE_DOUBLE, 0.5, "c", G_TYPE_STRING,
                         "d\"\303\244", NULL));
  gst_buffer_add_video_caption_meta (buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW,
                                     data, sizeof (data));
  gst_buffer_add_reference_timestamp_meta (buffer, caps, 1, 2);
  gst_buffer_add_audio_clipping_meta (buffer, GST_FORMAT_DEFAULT, 1, 2);
  gst_buffer_add_video_afd_meta (buffer, 0, GST_VIDEO_AFD_SPEC_ATSC_A53,
                                 GST_VIDEO_AFD_4_3_FULL_14_9_CENTER);
  gst_buffer_add_video_bar_meta (buffer, 0, TRUE, 1, 2);
  gst_buffer_add_video_affine_transformation_meta (buffer);
  gst_buffer_add_protection_meta (
      buffer, gst_structure_new ("p", "v", G_TYPE_INT, 1, NULL));
  if (gst_meta_get_info ("FctBlocksCustom") == NULL)
    gst_meta_register_custom ("FctBlocksCustom", tags, NULL, NULL, NULL);
  gst_structure_set (gst_custom_meta_get_structure (gst_buffer_add_custom_meta (
                         buffer, "FctBlocksCustom")),
                     "x", G_TYPE_INT, 1, NULL);
  g_date_time_unref (jam);
  gst_caps_unref (caps);
}

/* What fcsink writes for every meta that it knows. */
static GByteArray *
valid_block (void)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  GstHarness *sink
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam1", NULL), FCT_DATA);
  GstBuffer *buffer = fct_buffer (0, 8);
  GByteArray *block = g_byte_array_new ();
  fc_consumer_t *consumer;

  add_every_meta (buffer);
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  options.position.start = FC_START_LATEST;
  fail_unless_equals_int (fc_consumer_open (&consumer, "cam1", &options), 0);
  fail_unless (fc_consumer_read (consumer, &frame, FCT_PATIENCE * 1000) >= 0);
  g_byte_array_append (block, frame.info.meta, frame.info.meta_size);
  fc_consumer_close (consumer);
  fct_stop (sink);
  return block;
}

/* One to eight small accidents, the same ones in every run. */
static void
mutate (GRand *rand, GByteArray *block)
{
  static const guint8 telling[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '\\', '<' };
  guint n = (guint) g_rand_int_range (rand, 1, 9);

  for (; n > 0 && block->len > 8; n--)
    {
      guint at = (guint) g_rand_int_range (rand, 0, (gint) block->len);
      guint8 byte = telling[g_rand_int_range (rand, 0, sizeof (telling))];

      switch (g_rand_int_range (rand, 0, 6))
        {
        case 0:
          block->data[at] ^= (guint8) (1 << g_rand_int_range (rand, 0, 8));
          break;
        case 1:
          block->data[at] = byte;
          break;
        case 2:
          memset (block->data + at, byte, MIN (4, block->len - at));
          break;
        case 3:
          g_byte_array_remove_index (block, at);
          break;
        case 4:
          g_byte_array_append (block, &byte, 1);
          block->data[at]++;
          break;
        default:
          if (g_rand_int_range (rand, 0, 4) == 0)
            g_byte_array_set_size (block, at);
        }
    }
}

/* GStreamer's parser of texts warns of some that are odd but can be read. Its
 * criticals end the test as ever. */
static void
ignore_warning (const gchar *domain, GLogLevelFlags level, const gchar *message,
                gpointer user_data)
{
}

static void
check_mutations (const gchar *caps, const GByteArray *valid, guint count)
{
  GstHarness *readers[2]
      = { fct_video_reader (TRUE, 0), fct_video_reader (FALSE, 0) };
  fc_writer_t *writer = fct_raw_writer (caps, FCT_CELL_SIZE);
  GRand *rand = g_rand_new_with_seed (20261124);
  static guint8 data[2000];
  guint i, j;

  g_log_set_handler ("GStreamer", G_LOG_LEVEL_WARNING, ignore_warning, NULL);
  FCT_WAIT (fct_waiting ("cam0") == 2);
  for (i = 0; i < count; i++)
    {
      GByteArray *block
          = g_byte_array_append (g_byte_array_new (), valid->data, valid->len);

      if (i > 0)
        mutate (rand, block);
      fct_raw_write (writer, data, sizeof (data), block);
      g_byte_array_unref (block);
      for (j = 0; j < 2; j++)
        {
          GstBuffer *buffer = gst_harness_pull (readers[j]);

          fail_unless (buffer != NULL, "number %u", i);
          fct_check_layout (buffer);
          gst_buffer_unref (buffer);
        }
    }
  g_rand_free (rand);
  fct_stop (readers[0]);
  fct_stop (readers[1]);
  fc_writer_close (writer);
}

GST_START_TEST (garbage_with_video)
{
  GByteArray *block = valid_block ();
  GstVideoAlignment align;
  GstVideoInfo info;

  fct_padded_info (&info, &align);
  fct_block_video (block, &info, &align);
  check_mutations (FCT_PADDED_CAPS, block, 4000);
  g_byte_array_set_size (block, 6);
  fct_block_video (block, &info, &align);
  check_mutations (FCT_PADDED_CAPS, block, 4000);
  g_byte_array_unref (block);
}
GST_END_TEST

GST_START_TEST (garbage_with_audio)
{
  GByteArray *block = fct_block_new ();
  guint begin = fct_block_begin (block, 6);

  fct_block_number (block, 1, 4);
  fct_block_number (block, 2, 4);
  fct_block_number (block, 500, 8);
  fct_block_number (block, 0, 8);
  fct_block_number (block, 1000, 8);
  fct_block_end (block, begin);
  check_mutations (FCT_PLANAR_CAPS, block, 4000);
  g_byte_array_unref (block);
}
GST_END_TEST

/* What GStreamer 1.24 and later put into bytes themselves: the frame of such
 * a record, without a payload that means anything. On older ones it is
 * skipped. */
GST_START_TEST (garbage_in_serialized_metas)
{
  static const gchar *const names[]
      = { "GstVideoMeta", "GstAudioMeta",        "FctBlocksCustom",          "",
          "GstCrop",      "GstVideoCaptionMeta", "GstReferenceTimestampMeta" };
  GByteArray *block = valid_block ();
  guint i, begin;

  g_byte_array_set_size (block, 6);
  for (i = 0; i < G_N_ELEMENTS (names); i++)
    {
      begin = fct_block_begin (block, 14);
      fct_block_number (block, 4 + 4 + strlen (names[i]) + 1 + 1 + 8, 4);
      fct_block_number (block, strlen (names[i]), 4);
      g_byte_array_append (block, (const guint8 *) names[i],
                           (guint) strlen (names[i]) + 1);
      fct_block_number (block, 0, 1);
      fct_block_number (block, 0x00223b61, 8);
      fct_block_end (block, begin);
    }
  check_mutations (FCT_PADDED_CAPS, block, 4000);
  g_byte_array_unref (block);
}
GST_END_TEST

/* Nested as deeply as fits: parsers call themselves for each bracket. */
static gchar *
deep_text (const gchar *begin, gsize depth)
{
  GString *text = g_string_new (begin);
  gsize i;

  for (i = 0; i < depth; i++)
    g_string_append_c (text, '<');
  g_string_append_c (text, '1');
  for (i = 0; i < depth; i++)
    g_string_append_c (text, '>');
  return g_string_free (text, FALSE);
}

GST_START_TEST (deep_nesting_is_refused)
{
  fc_writer_t *writer = fct_raw_writer (FCT_DATA, FCT_CELL_SIZE);
  GstHarness *h = fct_video_reader (FALSE, 0);
  GByteArray *block = fct_block_new ();
  gchar *text = deep_text ("a, b=", 1900);
  GstBuffer *buffer;
  guint begin;

  begin = fct_block_begin (block, 12);
  fct_block_text (block, text);
  fct_block_end (block, begin);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_raw_write (writer, "", 1, block);
  buffer = gst_harness_pull (h);
  fail_unless (gst_buffer_get_protection_meta (buffer) == NULL);
  gst_buffer_unref (buffer);
  g_free (text);
  g_byte_array_unref (block);
  fct_stop (h);
  fc_writer_close (writer);
}
GST_END_TEST

GST_START_TEST (deep_format_is_refused)
{
  gchar *text = deep_text ("a/b, c=", 500000);
  GstElement *src = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (src);
  fc_writer_t *writer = fct_raw_writer (text, 100);
  GstHarness *h = fct_src_harness (src);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                                    GST_MESSAGE_ERROR);

  fail_unless (message != NULL);
  gst_message_unref (message);
  fct_stop (h);
  fct_bus_free (bus);
  fc_writer_close (writer);
  g_free (text);
}
GST_END_TEST

/* Whoever lists devices looks at every slot there is. */
GST_START_TEST (deep_format_is_no_device)
{
  gchar *text = deep_text ("a/b, c=", 500000);
  fc_writer_t *writer = fct_raw_writer (text, 100);
  GstDeviceProvider *provider
      = gst_device_provider_factory_get_by_name ("fcdeviceprovider");

  fail_unless (provider != NULL);
  fail_unless (gst_device_provider_get_devices (provider) == NULL);
  gst_object_unref (provider);
  fc_writer_close (writer);
  g_free (text);
}
GST_END_TEST

GST_START_TEST (format_that_is_no_text_is_refused)
{
  GstElement *src = fct_new ("fcsrc", "slot", "cam0", NULL);
  GstBus *bus = fct_bus (src);
  fc_writer_t *writer = fct_raw_writer ("\200\377\300, \xfe=\n", 100);
  GstHarness *h = fct_src_harness (src);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, FCT_PATIENCE * 1000,
                                                    GST_MESSAGE_ERROR);

  fail_unless (message != NULL);
  gst_message_unref (message);
  fct_stop (h);
  fct_bus_free (bus);
  fc_writer_close (writer);
}
GST_END_TEST

GST_START_TEST (deep_sticky_block_is_skipped)
{
  gchar *text = deep_text (
      "framecache-gst 1\nstream, id=(string)a;\ntags, list=", 32000);
  fc_writer_t *writer = fct_raw_writer (FCT_DATA, 100);
  GstHarness *h;

  fail_unless_equals_int (fc_writer_set_sticky (writer, text, strlen (text)),
                          0);
  h = fct_video_reader (FALSE, 0);
  FCT_WAIT (fct_waiting ("cam0") == 1);
  fct_raw_write (writer, "", 1, NULL);
  gst_buffer_unref (gst_harness_pull (h));
  fct_stop (h);
  fc_writer_close (writer);
  g_free (text);
}
GST_END_TEST

static Suite *
blocks_suite (void)
{
  Suite *suite = suite_create ("blocks");
  TCase *tc = tcase_create ("blocks");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, records_of_later_versions_are_skipped);
  tcase_add_test (tc, active_format_that_is_none_is_refused);
  tcase_add_test (tc, garbage_with_video);
  tcase_add_test (tc, garbage_with_audio);
  tcase_add_test (tc, garbage_in_serialized_metas);
  tcase_add_test (tc, deep_nesting_is_refused);
  tcase_add_test (tc, deep_format_is_refused);
  tcase_add_test (tc, deep_format_is_no_device);
  tcase_add_test (tc, format_that_is_no_text_is_refused);
  tcase_add_test (tc, deep_sticky_block_is_skipped);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, blocks_suite);
}
