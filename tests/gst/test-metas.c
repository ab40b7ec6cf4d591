/* framecache: metas, from fcsink's buffers to fcsrc's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "fc-gst-test.h"

#define GRAY "video/x-raw,format=GRAY8,width=4,height=2,framerate=25/1"

/* One buffer through a slot. Which process the elements are in makes no
 * difference: what a buffer has goes through the slot's memory or is lost. */
static GstBuffer *
pass (const gchar *caps, gint memory, GstBuffer *buffer)
{
  GstHarness *sink
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), caps);
  GstHarness *src = fct_reader ("memory", memory);

  FCT_WAIT (fct_waiting ("cam0") == 1);
  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  buffer = gst_harness_pull (src);
  fail_unless (buffer != NULL);
  fct_stop (src);
  fct_stop (sink);
  return buffer;
}

static GstMeta *
only (GstBuffer *buffer, GType api)
{
  fail_unless_equals_int (gst_buffer_get_n_meta (buffer, api), 1);
  return gst_buffer_get_meta (buffer, api);
}

/* Video --------------------------------------------------------------- */

static void
check_crop (gint memory)
{
  GstBuffer *buffer = fct_buffer (0, 8);
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

  crop->x = 1;
  crop->y = 0;
  crop->width = 2;
  crop->height = G_MAXUINT;
  buffer = pass (GRAY, memory, buffer);
  crop = (GstVideoCropMeta *) only (buffer, GST_VIDEO_CROP_META_API_TYPE);
  fail_unless (crop->x == 1 && crop->y == 0 && crop->width == 2);
  fail_unless (crop->height == G_MAXUINT);
  fct_check_buffer (buffer, 0, 8);
  gst_buffer_unref (buffer);
}

GST_START_TEST (crop_survives)
{
  check_crop (0);
  check_crop (2);
}
GST_END_TEST

static void
check_time_code (const GstVideoTimeCode *tc)
{
  GstBuffer *buffer = fct_buffer (0, 8);
  GstVideoTimeCode *got;
  GDateTime *jam = tc->config.latest_daily_jam;

  fail_unless (gst_buffer_add_video_time_code_meta (buffer, tc) != NULL);
  buffer = pass (GRAY, 0, buffer);
  got = &((GstVideoTimeCodeMeta *) only (buffer,
                                         GST_VIDEO_TIME_CODE_META_API_TYPE))
             ->tc;
  fail_unless_equals_int (gst_video_time_code_compare (got, tc), 0);
  fail_unless_equals_int (got->config.flags, tc->config.flags);
  fail_unless_equals_int (got->config.fps_n, tc->config.fps_n);
  fail_unless_equals_int (got->config.fps_d, tc->config.fps_d);
  fail_unless_equals_int (got->field_count, tc->field_count);
  fail_unless ((got->config.latest_daily_jam != NULL) == (jam != NULL));
  if (jam != NULL)
    {
      fail_unless (g_date_time_equal (got->config.latest_daily_jam, jam));
      fail_unless (g_date_time_get_utc_offset (got->config.latest_daily_jam)
                   == g_date_time_get_utc_offset (jam));
    }
  gst_buffer_unref (buffer);
}

GST_START_TEST (time_code_survives)
{
  GTimeZone *zone = g_time_zone_new_identifier ("+05:30");
  GDateTime *jam = g_date_time_new (zone, 2026, 2, 28, 23, 59, 58.25);
  GstVideoTimeCode *tc;

  tc = gst_video_time_code_new (25, 1, NULL, GST_VIDEO_TIME_CODE_FLAGS_NONE, 1,
                                2, 3, 4, 0);
  check_time_code (tc);
  gst_video_time_code_free (tc);
  tc = gst_video_time_code_new (30000, 1001, jam,
                                GST_VIDEO_TIME_CODE_FLAGS_DROP_FRAME
                                    | GST_VIDEO_TIME_CODE_FLAGS_INTERLACED,
                                23, 59, 59, 29, 2);
  check_time_code (tc);
  gst_video_time_code_free (tc);
  g_date_time_unref (jam);
  g_time_zone_unref (zone);
}
GST_END_TEST

/* One time code after another, and each frame with its own. */
GST_START_TEST (time_codes_of_another_process)
{
  GPid pid = fct_launch (
      "videotestsrc is-live=true"
      " ! video/x-raw,format=GRAY8,width=8,height=8,framerate=50/1"
      " ! timecodestamper ! fcsink slot=cam0");
  GstHarness *src = fct_reader (NULL, 0);
  guint64 origin = 0;
  guint i;

  for (i = 0; i < 10; i++)
    {
      GstBuffer *buffer = gst_harness_pull (src);
      GstVideoTimeCodeMeta *meta;
      guint64 frames;

      fail_unless (buffer != NULL);
      meta = (GstVideoTimeCodeMeta *) only (buffer,
                                            GST_VIDEO_TIME_CODE_META_API_TYPE);
      frames = gst_video_time_code_frames_since_daily_jam (&meta->tc);
      if (i == 0)
        origin = frames - GST_BUFFER_OFFSET (buffer);
      fail_unless_equals_uint64 (frames, origin + GST_BUFFER_OFFSET (buffer));
      gst_buffer_unref (buffer);
    }
  fct_stop (src);
  fct_kill (pid);
}
GST_END_TEST

GST_START_TEST (regions_of_interest_survive)
{
  GstBuffer *buffer = fct_buffer (0, 8);
  GstVideoRegionOfInterestMeta *roi;
  GstStructure *param;
  gdouble confidence;

  roi = gst_buffer_add_video_region_of_interest_meta (buffer, "face", 1, 2, 3,
                                                      4);
  roi->id = 7;
  roi->parent_id = -1;
  gst_video_region_of_interest_meta_add_param (
      roi,
      gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.1, "label",
                         G_TYPE_STRING, "M\303\274ller, \"x\"", NULL));
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new_empty ("empty"));
  gst_buffer_add_video_region_of_interest_meta (buffer, "car", 5, 6, 7, 8);
  buffer = pass (GRAY, 0, buffer);

  fail_unless_equals_int (
      gst_buffer_get_n_meta (buffer,
                             GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE),
      2);
  roi = gst_buffer_get_video_region_of_interest_meta_id (buffer, 7);
  fail_unless_equals_string (g_quark_to_string (roi->roi_type), "face");
  fail_unless (roi->parent_id == -1 && roi->x == 1 && roi->y == 2);
  fail_unless (roi->w == 3 && roi->h == 4);
  fail_unless_equals_int (g_list_length (roi->params), 2);
  fail_unless (gst_video_region_of_interest_meta_get_param (roi, "empty"));
  param = gst_video_region_of_interest_meta_get_param (roi, "detection");
  fail_unless (gst_structure_get_double (param, "confidence", &confidence));
  fail_unless (confidence == 0.1);
  fail_unless_equals_string (gst_structure_get_string (param, "label"),
                             "M\303\274ller, \"x\"");
  gst_buffer_unref (buffer);
}
GST_END_TEST

GST_START_TEST (captions_survive)
{
  const guint8 first[] = { 0xfc, 0x80, 0x80 }, second[] = { 0x96, 0x69, 0 };
  GstBuffer *buffer = fct_buffer (0, 8);
  GstVideoCaptionMeta *caption;
  gpointer state = NULL;

  gst_buffer_add_video_caption_meta (buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW,
                                     first, sizeof (first));
  gst_buffer_add_video_caption_meta (buffer, GST_VIDEO_CAPTION_TYPE_CEA708_CDP,
                                     second, sizeof (second));
  buffer = pass (GRAY, 0, buffer);
  caption = (GstVideoCaptionMeta *) gst_buffer_iterate_meta_filtered (
      buffer, &state, GST_VIDEO_CAPTION_META_API_TYPE);
  fail_unless_equals_int (caption->caption_type,
                          GST_VIDEO_CAPTION_TYPE_CEA708_RAW);
  fail_unless (caption->size == 3 && memcmp (caption->data, first, 3) == 0);
  caption = (GstVideoCaptionMeta *) gst_buffer_iterate_meta_filtered (
      buffer, &state, GST_VIDEO_CAPTION_META_API_TYPE);
  fail_unless_equals_int (caption->caption_type,
                          GST_VIDEO_CAPTION_TYPE_CEA708_CDP);
  fail_unless (caption->size == 3 && memcmp (caption->data, second, 3) == 0);
  gst_buffer_unref (buffer);
}
GST_END_TEST

GST_START_TEST (active_format_and_bars_survive)
{
  GstBuffer *buffer = fct_buffer (0, 8);
  GstVideoAFDMeta *afd;
  GstVideoBarMeta *bar;

  gst_buffer_add_video_afd_meta (buffer, 1, GST_VIDEO_AFD_SPEC_ATSC_A53,
                                 GST_VIDEO_AFD_4_3_FULL_14_9_CENTER);
  gst_buffer_add_video_bar_meta (buffer, 0, TRUE, 12, 345);
  buffer = pass (GRAY, 0, buffer);
  afd = (GstVideoAFDMeta *) only (buffer, GST_VIDEO_AFD_META_API_TYPE);
  fail_unless (afd->field == 1 && afd->spec == GST_VIDEO_AFD_SPEC_ATSC_A53);
  fail_unless (afd->afd == GST_VIDEO_AFD_4_3_FULL_14_9_CENTER);
  bar = (GstVideoBarMeta *) only (buffer, GST_VIDEO_BAR_META_API_TYPE);
  fail_unless (bar->field == 0 && bar->is_letterbox);
  fail_unless (bar->bar_data1 == 12 && bar->bar_data2 == 345);
  gst_buffer_unref (buffer);
}
GST_END_TEST

GST_START_TEST (affine_transformation_survives)
{
  GstBuffer *buffer = fct_buffer (0, 8);
  gfloat matrix[16];
  guint i;

  for (i = 0; i < 16; i++)
    matrix[i] = (gfloat) i / 3;
  memcpy (gst_buffer_add_video_affine_transformation_meta (buffer)->matrix,
          matrix, sizeof (matrix));
  buffer = pass (GRAY, 0, buffer);
  fail_unless (
      memcmp (((GstVideoAffineTransformationMeta *) only (
                   buffer, GST_VIDEO_AFFINE_TRANSFORMATION_META_API_TYPE))
                  ->matrix,
              matrix, sizeof (matrix))
      == 0);
  gst_buffer_unref (buffer);
}
GST_END_TEST

/* Any ----------------------------------------------------------------- */

GST_START_TEST (reference_timestamps_survive)
{
  GstCaps *ntp = gst_caps_from_string ("timestamp/x-ntp,host=a.b,port=123");
  GstCaps *mine = gst_caps_new_empty_simple ("timestamp/x-mine");
  GstBuffer *buffer = fct_buffer (0, 8);
  GstReferenceTimestampMeta *meta;

  gst_buffer_add_reference_timestamp_meta (buffer, ntp, G_MAXUINT64 - 1,
                                           GST_CLOCK_TIME_NONE);
  gst_buffer_add_reference_timestamp_meta (buffer, mine, 0, 5);
  buffer = pass (FCT_DATA, 2, buffer);
  meta = gst_buffer_get_reference_timestamp_meta (buffer, ntp);
  fail_unless (meta->timestamp == G_MAXUINT64 - 1);
  fail_unless (meta->duration == GST_CLOCK_TIME_NONE);
  meta = gst_buffer_get_reference_timestamp_meta (buffer, mine);
  fail_unless (meta->timestamp == 0 && meta->duration == 5);
  gst_buffer_unref (buffer);
  gst_caps_unref (ntp);
  gst_caps_unref (mine);
}
GST_END_TEST

GST_START_TEST (audio_clipping_survives)
{
  GstBuffer *buffer = fct_buffer (0, 8);
  GstAudioClippingMeta *clip;

  gst_buffer_add_audio_clipping_meta (buffer, GST_FORMAT_DEFAULT, 1105,
                                      G_MAXUINT64 / 2);
  buffer = pass ("audio/mpeg,mpegversion=1", 0, buffer);
  clip = (GstAudioClippingMeta *) only (buffer,
                                        GST_AUDIO_CLIPPING_META_API_TYPE);
  fail_unless_equals_int (clip->format, GST_FORMAT_DEFAULT);
  fail_unless (clip->start == 1105 && clip->end == G_MAXUINT64 / 2);
  gst_buffer_unref (buffer);
}
GST_END_TEST

/* An encrypted sample can be decrypted only with what its meta says, buffers
 * within it included. */
GST_START_TEST (protection_survives)
{
  GstBuffer *buffer = fct_buffer (0, 8), *iv = fct_buffer (3, 16), *got;
  const GstStructure *info;

  gst_buffer_add_protection_meta (
      buffer, gst_structure_new ("application/x-cenc", "iv_size", G_TYPE_UINT,
                                 16, "iv", GST_TYPE_BUFFER, iv, NULL));
  gst_buffer_unref (iv);
  buffer = pass ("application/x-cenc,original-media-type=(string)video/x-h264",
                 0, buffer);
  info = ((GstProtectionMeta *) only (buffer, GST_PROTECTION_META_API_TYPE))
             ->info;
  fail_unless (gst_structure_has_name (info, "application/x-cenc"));
  fail_unless (gst_structure_get (info, "iv", GST_TYPE_BUFFER, &got, NULL));
  iv = fct_buffer (3, 16);
  fail_unless_equals_int (gst_buffer_get_size (got), 16);
  GST_BUFFER_OFFSET (got) = 3;
  fct_check_buffer (got, 3, 16);
  gst_buffer_unref (got);
  gst_buffer_unref (iv);
  gst_buffer_unref (buffer);
}
GST_END_TEST

GST_START_TEST (custom_metas_survive)
{
  static const gchar *tags[] = { NULL };
  GstBuffer *buffer = fct_buffer (0, 8);
  GstCustomMeta *custom;
  gint value;

  gst_meta_register_custom ("FctCustomMeta", tags, NULL, NULL, NULL);
  custom = gst_buffer_add_custom_meta (buffer, "FctCustomMeta");
  gst_structure_set (gst_custom_meta_get_structure (custom), "answer",
                     G_TYPE_INT, 42, NULL);
  buffer = pass (FCT_DATA, 0, buffer);
  custom = gst_buffer_get_custom_meta (buffer, "FctCustomMeta");
  fail_unless (custom != NULL);
  fail_unless (gst_structure_get_int (gst_custom_meta_get_structure (custom),
                                      "answer", &value));
  fail_unless_equals_int (value, 42);
  gst_buffer_unref (buffer);
}
GST_END_TEST

#if GST_CHECK_VERSION(1, 24, 0)
typedef struct
{
  GstMeta meta;
  guint8 value;
} Own;

static gboolean
init_own (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  ((Own *) meta)->value = 0;
  return TRUE;
}

static gboolean
serialize_own (const GstMeta *meta, GstByteArrayInterface *data,
               guint8 *version)
{
  *version = 3;
  return gst_byte_array_interface_append_data (data,
                                               &((const Own *) meta)->value, 1);
}

static GstMeta *
deserialize_own (const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data,
                 gsize size, guint8 version)
{
  GstMeta *meta;

  if (size != 1 || version != 3)
    return NULL;
  meta = gst_buffer_add_meta (buffer, info, NULL);
  ((Own *) meta)->value = data[0];
  return meta;
}

GST_START_TEST (what_serializes_itself_survives)
{
  static const gchar *tags[] = { NULL };
  GType api = gst_meta_api_type_register ("FctOwnAPI", tags);
  GstMetaInfo *own = gst_meta_info_new (api, "FctOwn", sizeof (Own));
  const GstMetaInfo *info;
  GstBuffer *buffer = fct_buffer (0, 8);

  own->init_func = init_own;
  own->serialize_func = serialize_own;
  own->deserialize_func = deserialize_own;
  info = gst_meta_info_register (own);
  ((Own *) gst_buffer_add_meta (buffer, info, NULL))->value = 42;
  buffer = pass (FCT_DATA, 0, buffer);
  fail_unless_equals_int (((Own *) only (buffer, api))->value, 42);
  gst_buffer_unref (buffer);
}
GST_END_TEST
#endif

/* Layout -------------------------------------------------------------- */

/* As fct_reader () would see it, without fcsrc. */
static guint
block_size_of (GstHarness *sink, fc_consumer_t *consumer, GstBuffer *buffer)
{
  fc_frame_t frame = FC_FRAME_INIT;

  fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
  fail_unless_equals_int (
      fc_consumer_read (consumer, &frame, FCT_PATIENCE * 1000), FC_OK);
  return frame.info.meta_size;
}

/* Nearly every raw video buffer has a GstVideoMeta. It goes into the slot only
 * where it says more than the caps. */
GST_START_TEST (what_caps_say_takes_no_block)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  GstHarness *sink
      = fct_sink_harness (fct_new ("fcsink", "slot", "cam0", NULL), GRAY);
  gsize offset[GST_VIDEO_MAX_PLANES] = { 4 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 16 };
  fc_consumer_t *consumer;
  GstBuffer *buffer;

  fail_unless_equals_int (gst_harness_push (sink, fct_buffer (0, 8)), 0);
  fail_unless_equals_int (fc_consumer_open (&consumer, "cam0", &options), 0);
  fail_unless_equals_int (block_size_of (sink, consumer, fct_buffer (0, 8)), 0);
  buffer = fct_buffer (0, 8);
  gst_buffer_add_video_meta (buffer, 0, GST_VIDEO_FORMAT_GRAY8, 4, 2);
  fail_unless_equals_int (block_size_of (sink, consumer, buffer), 0);
  buffer = fct_buffer (0, 32);
  gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_FORMAT_GRAY8, 4, 2, 1,
                                  offset, stride);
  fail_unless_equals_int (block_size_of (sink, consumer, buffer), 0);
  buffer = fct_buffer (0, 8);
  gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_TFF,
                             GST_VIDEO_FORMAT_GRAY8, 4, 2);
  fail_unless (block_size_of (sink, consumer, buffer) > 0);
  fc_consumer_close (consumer);
  fct_stop (sink);
}
GST_END_TEST

/* Two views in one buffer: each keeps its place. */
GST_START_TEST (several_video_metas_survive)
{
  GstBuffer *buffer = fct_buffer (0, 16);
  GstVideoMeta *meta;
  guint i;

  for (i = 0; i < 2; i++)
    {
      gsize offset[GST_VIDEO_MAX_PLANES] = { i * 8 };
      gint stride[GST_VIDEO_MAX_PLANES] = { 4 };

      meta = gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_FORMAT_GRAY8,
                                             4, 2, 1, offset, stride);
      meta->id = (gint) i;
    }
  buffer = pass (GRAY, 0, buffer);
  fct_check_buffer (buffer, 0, 16);
  for (i = 0; i < 2; i++)
    {
      meta = gst_buffer_get_video_meta_id (buffer, (gint) i);
      fail_unless (meta != NULL && meta->offset[0] == i * 8);
    }
  gst_buffer_unref (buffer);
}
GST_END_TEST

/* A decoder's buffer with more rows than the picture has. */
GST_START_TEST (a_larger_buffer_is_cut_to_its_picture)
{
  const guint8 expected[] = { 18, 19, 20, 21, 26, 27, 28, 29 };
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 32, NULL);
  GstVideoCropMeta *crop;
  guint8 i;

  for (i = 0; i < 32; i++)
    gst_buffer_memset (buffer, i, i, 1);
  gst_buffer_add_video_meta (buffer, 0, GST_VIDEO_FORMAT_GRAY8, 8, 4);
  crop = gst_buffer_add_video_crop_meta (buffer);
  crop->x = 2;
  crop->y = 2;
  crop->width = 4;
  crop->height = 2;
  GST_BUFFER_PTS (buffer) = 0;
  buffer = pass (GRAY, 0, buffer);
  gst_check_buffer_data (buffer, expected, sizeof (expected));
  fail_unless (gst_buffer_get_video_crop_meta (buffer) == NULL);
  gst_buffer_unref (buffer);
}
GST_END_TEST

static Suite *
metas_suite (void)
{
  Suite *suite = suite_create ("metas");
  TCase *tc = tcase_create ("metas");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, crop_survives);
  tcase_add_test (tc, time_code_survives);
  tcase_add_test (tc, time_codes_of_another_process);
  tcase_add_test (tc, regions_of_interest_survive);
  tcase_add_test (tc, captions_survive);
  tcase_add_test (tc, active_format_and_bars_survive);
  tcase_add_test (tc, affine_transformation_survives);
  tcase_add_test (tc, reference_timestamps_survive);
  tcase_add_test (tc, audio_clipping_survives);
  tcase_add_test (tc, protection_survives);
  tcase_add_test (tc, custom_metas_survive);
#if GST_CHECK_VERSION(1, 24, 0)
  tcase_add_test (tc, what_serializes_itself_survives);
#endif
  tcase_add_test (tc, what_caps_say_takes_no_block);
  tcase_add_test (tc, several_video_metas_survive);
  tcase_add_test (tc, a_larger_buffer_is_cut_to_its_picture);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, metas_suite);
}
