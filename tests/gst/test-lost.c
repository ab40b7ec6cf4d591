/* framecache: metas that can not go through a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include <gst/video/video.h>

#include "fc-gst-test.h"

static GstMeta *
only (GstBuffer *buffer, GType api)
{
  fail_unless_equals_int (gst_buffer_get_n_meta (buffer, api), 1);
  return gst_buffer_get_meta (buffer, api);
}

static gint named;

static void
count_names (GstDebugCategory *category, GstDebugLevel level, const gchar *file,
             const gchar *function, gint line, GObject *object,
             GstDebugMessage *message, gpointer user_data)
{
  if (level == GST_LEVEL_WARNING
      && g_str_equal (gst_debug_category_get_name (category), "fcsink")
      && strstr (gst_debug_message_get (message), user_data) != NULL)
    g_atomic_int_inc (&named);
}

static void
watch_log (const gchar *text)
{
  g_atomic_int_set (&named, 0);
  gst_debug_set_active (TRUE);
  gst_debug_add_log_function (count_names, g_strdup (text), g_free);
}

/* Their elements are there, and with them the log's category. */
static void
watch_warnings (void)
{
  gst_debug_set_threshold_for_name ("fcsink", GST_LEVEL_WARNING);
}

static gboolean
init_meta (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  return TRUE;
}

static const GstMetaInfo *
register_meta (const gchar *name, const gchar **tags)
{
  gchar *api = g_strconcat (name, "API", NULL);
  const GstMetaInfo *info
      = gst_meta_register (gst_meta_api_type_register (api, tags), name,
                           sizeof (GstMeta), init_meta, NULL, NULL);

  g_free (api);
  return info;
}

/* And once more in another stream. */
GST_START_TEST (what_can_not_travel_is_named_once)
{
  static const gchar *none[] = { NULL };
  static const gchar *memory[] = { GST_META_TAG_MEMORY_STR, NULL };
  const GstMetaInfo *content = register_meta ("FctContent", none);
  const GstMetaInfo *other = register_meta ("FctOther", none);
  const GstMetaInfo *keeping = register_meta ("FctKeeping", memory);
  const gint expected[] = { 1, 1, 1, 2, 4 };
  GstHarness *sink, *src;
  guint i;

  watch_log ("Fct");
  fct_both (&sink, &src);
  watch_warnings ();
  for (i = 0; i < 5; i++)
    {
      GstBuffer *buffer = fct_buffer (i, 8), *parent = fct_buffer (0, 8);

      gst_buffer_add_meta (buffer, content, NULL);
      gst_buffer_add_meta (buffer, keeping, NULL);
      gst_buffer_add_parent_buffer_meta (buffer, parent);
      gst_buffer_unref (parent);
      if (i > 2)
        gst_buffer_add_meta (buffer, other, NULL);
      if (i == 4)
        gst_harness_push_event (sink, gst_event_new_stream_start ("another"));
      fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
      fct_pull (src, i, 8);
      fail_unless_equals_int (g_atomic_int_get (&named), expected[i]);
    }
  gst_debug_remove_log_function (count_names);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

/* What is too long for a block does not take along what is not. */
GST_START_TEST (too_long_is_named_once)
{
  static const guint8 data[FC_META_MAX];
  GstHarness *sink, *src;
  guint i;

  watch_log ("GstVideoCaptionMetaAPI");
  fct_both (&sink, &src);
  watch_warnings ();
  for (i = 0; i < 3; i++)
    {
      GstBuffer *buffer = fct_buffer (i, 8);

      gst_buffer_add_video_caption_meta (
          buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW, data, sizeof (data));
      gst_buffer_add_video_region_of_interest_meta (buffer, "x", 1, 2, 3, 4);
      gst_buffer_add_video_caption_meta (
          buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW, data, 3000);
      gst_buffer_add_video_caption_meta (
          buffer, GST_VIDEO_CAPTION_TYPE_CEA708_RAW, data, 3000);
      fail_unless_equals_int (gst_harness_push (sink, buffer), GST_FLOW_OK);
      buffer = gst_harness_pull (src);
      only (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
      only (buffer, GST_VIDEO_CAPTION_META_API_TYPE);
      gst_buffer_unref (buffer);
      fail_unless_equals_int (g_atomic_int_get (&named), 1);
    }
  gst_debug_remove_log_function (count_names);
  fct_stop (src);
  fct_stop (sink);
}
GST_END_TEST

static Suite *
lost_suite (void)
{
  Suite *suite = suite_create ("lost");
  TCase *tc = tcase_create ("lost");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 120);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, what_can_not_travel_is_named_once);
  tcase_add_test (tc, too_long_is_named_once);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, lost_suite);
}
