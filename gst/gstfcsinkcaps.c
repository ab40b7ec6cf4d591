/* framecache: what fcsink takes: caps, and memory for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfcpool.h"
#include "gstfcsink-private.h"

#define GST_CAT_DEFAULT gst_fc_sink_debug

static GstBaseSinkClass *parent_class;

/* Caps ----------------------------------------------------------------- */

/* Memory that is not the system's can not be copied byte by byte, and of a
 * feature that is a meta only the caps would travel. */
static gboolean
feature_travels (const gchar *feature)
{
  if (g_str_equal (feature, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY))
    return TRUE;
  return !g_str_has_prefix (feature, "memory:")
         && !g_str_has_prefix (feature, "meta:");
}

static gboolean
features_travel (const GstCapsFeatures *features)
{
  guint i;

  if (features == NULL || gst_caps_features_is_any (features))
    return TRUE;
  for (i = 0; i < gst_caps_features_get_size (features); i++)
    if (!feature_travels (gst_caps_features_get_nth (features, i)))
      return FALSE;
  return TRUE;
}

static gboolean
caps_travel (const GstCaps *caps)
{
  guint i;

  for (i = 0; i < gst_caps_get_size (caps); i++)
    if (!features_travel (gst_caps_get_features (caps, i)))
      return FALSE;
  return TRUE;
}

static gboolean
drop_what_does_not_travel (GstCapsFeatures *features, GstStructure *structure,
                           gpointer user_data)
{
  return features_travel (features);
}

static GstCaps *
gst_fc_sink_get_caps (GstBaseSink *sink, GstCaps *filter)
{
  GstCaps *caps;

  if (filter == NULL)
    return gst_caps_new_any ();
  caps = gst_caps_copy (filter);
  gst_caps_filter_and_map_in_place (caps, drop_what_does_not_travel, NULL);
  return caps;
}

static gboolean
gst_fc_sink_query (GstBaseSink *sink, GstQuery *query)
{
  GstCaps *caps;

  if (GST_QUERY_TYPE (query) != GST_QUERY_ACCEPT_CAPS)
    return parent_class->query (sink, query);
  gst_query_parse_accept_caps (query, &caps);
  gst_query_set_accept_caps_result (query, caps_travel (caps));
  return TRUE;
}

void
gst_fc_sink_get_options (GstFcSink *self, fc_writer_options_t *options,
                         gchar **slot)
{
  *options = (fc_writer_options_t) FC_WRITER_OPTIONS_INIT;
  GST_OBJECT_LOCK (self);
  *slot = g_strdup (self->slot);
  options->dir = g_strdup (self->directory);
  options->ring_depth = self->ring_depth;
  options->frame_size = self->frame_size;
  options->max_consumers = self->max_consumers;
  options->leases = self->max_leases;
  options->trust = self->trust;
  options->access = MAX (self->access, self->trust);
  GST_OBJECT_UNLOCK (self);
  options->latency_ns = gst_base_sink_get_latency (GST_BASE_SINK (self));
  options->log = gst_fc_log;
  options->log_data = gst_fc_sink_debug;
}

static gboolean
gst_fc_sink_refuse_caps (GstFcSink *self, GstCaps *caps)
{
  gchar *text = gst_caps_to_string (caps);

  if (!gst_caps_is_fixed (caps))
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("The stream's format is not settled."),
                       ("caps: %s", text));
  else
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("A slot takes frames in system memory: put a download"
                        " or a converter (gldownload, vapostproc, ...) before"
                        " fcsink."),
                       ("caps: %s", text));
  g_free (text);
  return FALSE;
}

/* The ring is made ready when upstream asks for memory, and shown with the
 * first frame. */
static gboolean
gst_fc_sink_set_caps (GstBaseSink *sink, GstCaps *caps)
{
  GstFcSink *self = GST_FC_SINK (sink);
  fc_writer_options_t options;
  guint64 history;
  gchar *slot;

  if (!gst_caps_is_fixed (caps) || !caps_travel (caps))
    return gst_fc_sink_refuse_caps (self, caps);
  GST_OBJECT_LOCK (self);
  history = self->history;
  GST_OBJECT_UNLOCK (self);
  gst_fc_sink_get_options (self, &options, &slot);
  if (gst_fc_slot_set_caps (self->ring, caps, slot, &options, history))
    {
      GST_INFO_OBJECT (self, "frames to come: %" GST_PTR_FORMAT, caps);
      if (history > 0
          && !GST_CLOCK_TIME_IS_VALID (gst_fc_caps_frame_duration (caps)))
        GST_WARNING_OBJECT (self, "history needs a frame rate, and the caps"
                                  " have none: ring-depth decides");
      gst_fc_copy_set_caps (&self->copy, caps);
      gst_fc_meta_writer_set_caps (&self->metas, caps);
      gst_fc_sink_key_set_caps (&self->key, caps);
      /* Clipping is for what is decoded; an encoded frame before the
       * segment's start may be what the first one inside is decoded from. */
      gst_base_sink_set_drop_out_of_segment (sink, self->copy.is_raw);
    }
  g_free (slot);
  g_free ((gchar *) options.dir);
  return TRUE;
}

/* Memory --------------------------------------------------------------- */

static void
gst_fc_sink_propose_pool (GstFcSink *self, GstQuery *query, GstCaps *caps,
                          const GstVideoInfo *info)
{
  GstBufferPool *pool = gst_fc_buffer_pool_new (self->ring);
  guint size = (guint) GST_VIDEO_INFO_SIZE (info);
  GstStructure *config = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (config, caps, size, 0, 0);
  if (gst_buffer_pool_set_config (pool, config))
    gst_query_add_allocation_pool (query, pool, size, 0, 0);
  gst_object_unref (pool);
}

/* Upstream may fill cells of the ring in place, as many as it likes: a decoder
 * that is given a number to keep to may wait for itself. */
static gboolean
gst_fc_sink_propose_allocation (GstBaseSink *sink, GstQuery *query)
{
  GstFcSink *self = GST_FC_SINK (sink);
  GstVideoInfo info;
  gboolean need_pool;
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, &need_pool);
  if (caps == NULL || !gst_caps_is_fixed (caps))
    return FALSE;
  if (gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-raw")
      && gst_video_info_from_caps (&info, caps)
      && GST_VIDEO_INFO_FORMAT (&info) != GST_VIDEO_FORMAT_ENCODED)
    {
      if (need_pool)
        gst_fc_sink_propose_pool (self, query, caps, &info);
      gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
    }
  return TRUE;
}

void
gst_fc_sink_caps_class_init (GstBaseSinkClass *klass)
{
  parent_class = g_type_class_peek_parent (klass);
  klass->get_caps = gst_fc_sink_get_caps;
  klass->query = gst_fc_sink_query;
  klass->set_caps = gst_fc_sink_set_caps;
  klass->propose_allocation = gst_fc_sink_propose_allocation;
}
