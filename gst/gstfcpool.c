/* framecache: a pool of buffers that lie in the ring
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/video/video.h>

#include "gstfccell.h"
#include "gstfcpool.h"

GST_DEBUG_CATEGORY_EXTERN (gst_fc_sink_debug);
#define GST_CAT_DEFAULT gst_fc_sink_debug

/* Cells beyond those that upstream says it keeps: one that it fills, and what
 * a queue or a filter between may have. */
#define MARGIN 4
/* A cell begins with a page. */
#define ALIGN_MAX 4095

struct _GstFcBufferPool
{
  GstBufferPool parent;
  GstFcSlot *slot;

  /* of the configuration, and not changed while active */
  GstCaps *caps;
  GstVideoInfo info;
  GstVideoAlignment alignment;
  gboolean add_meta;
  gboolean is_aligned;
  gboolean in_cells;
  gsize size;
  guint min_buffers;
  GstAllocator *allocator;
  GstAllocationParams params;
};

G_DEFINE_FINAL_TYPE (GstFcBufferPool, gst_fc_buffer_pool, GST_TYPE_BUFFER_POOL)

static const gchar **
gst_fc_buffer_pool_get_options (GstBufferPool *pool)
{
  static const gchar *options[]
      = { GST_BUFFER_POOL_OPTION_VIDEO_META,
          GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT, NULL };

  return options;
}

/* Planes and strides as the alignment asks for; it may be changed to what is
 * possible. */
static gboolean
gst_fc_buffer_pool_align (GstFcBufferPool *self, GstStructure *config)
{
  gst_video_alignment_reset (&self->alignment);
  self->is_aligned = FALSE;
  self->add_meta = gst_buffer_pool_config_has_option (
      config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  /* Without a GstVideoMeta nobody could tell. */
  if (!self->add_meta
      || !gst_buffer_pool_config_has_option (
          config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT))
    return TRUE;
  gst_buffer_pool_config_get_video_alignment (config, &self->alignment);
  if (!gst_video_info_align (&self->info, &self->alignment))
    return FALSE;
  gst_buffer_pool_config_set_video_alignment (config, &self->alignment);
  self->is_aligned = TRUE;
  return TRUE;
}

static gboolean
gst_fc_buffer_pool_set_config (GstBufferPool *pool, GstStructure *config)
{
  GstFcBufferPool *self = GST_FC_BUFFER_POOL (pool);
  GstCaps *caps;
  guint size, min, max;

  if (!gst_buffer_pool_config_get_params (config, &caps, &size, &min, &max)
      || caps == NULL || !gst_video_info_from_caps (&self->info, caps)
      || !gst_fc_buffer_pool_align (self, config))
    {
      GST_WARNING_OBJECT (
          pool, "not a configuration for raw video: %" GST_PTR_FORMAT, config);
      return FALSE;
    }
  self->size = MAX (size, GST_VIDEO_INFO_SIZE (&self->info));
  self->min_buffers = min;
  gst_caps_replace (&self->caps, caps);
  gst_clear_object (&self->allocator);
  gst_allocation_params_init (&self->params);
  if (gst_buffer_pool_config_get_allocator (config, &self->allocator,
                                            &self->params)
      && self->allocator != NULL)
    gst_object_ref (self->allocator);
  gst_buffer_pool_config_set_params (config, caps, (guint) self->size, min,
                                     max);
  return GST_BUFFER_POOL_CLASS (gst_fc_buffer_pool_parent_class)
      ->set_config (pool, config);
}

/* Decoders do this also only to see what they would get: nothing of it is
 * shown. */
static gboolean
gst_fc_buffer_pool_start (GstBufferPool *pool)
{
  GstFcBufferPool *self = GST_FC_BUFFER_POOL (pool);

  self->in_cells = self->params.prefix == 0 && self->params.align <= ALIGN_MAX
                   && gst_fc_slot_prepare (self->slot, self->caps,
                                           self->size + self->params.padding,
                                           self->min_buffers + MARGIN);
  GST_DEBUG_OBJECT (pool, "buffers of %" G_GSIZE_FORMAT " bytes %s", self->size,
                    self->in_cells ? "in the ring" : "in ordinary memory");
  return TRUE;
}

static gboolean
gst_fc_buffer_pool_stop (GstBufferPool *pool)
{
  return TRUE;
}

static void
gst_fc_buffer_pool_add_meta (GstFcBufferPool *self, GstBuffer *buffer)
{
  GstVideoInfo *info = &self->info;
  GstVideoMeta *meta = gst_buffer_add_video_meta_full (
      buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info),
      GST_VIDEO_INFO_N_PLANES (info), info->offset, info->stride);

  /* Works the planes out anew, which takes longer than all else here. */
  if (self->is_aligned)
    gst_video_meta_set_alignment (meta, self->alignment);
}

static GstFlowReturn
gst_fc_buffer_pool_acquire (GstBufferPool *pool, GstBuffer **buffer,
                            GstBufferPoolAcquireParams *params)
{
  GstFcBufferPool *self = GST_FC_BUFFER_POOL (pool);
  GstMemory *cell = NULL;

  if (GST_BUFFER_POOL_IS_FLUSHING (pool))
    return GST_FLOW_FLUSHING;
  if (self->in_cells)
    cell = gst_fc_cell_new (self->slot, self->size + self->params.padding);
  if (cell != NULL)
    {
      gst_memory_resize (cell, 0, self->size);
      *buffer = gst_buffer_new ();
      gst_buffer_append_memory (*buffer, cell);
    }
  else
    {
      *buffer = gst_buffer_new_allocate (self->allocator, self->size,
                                         &self->params);
      if (*buffer == NULL)
        return GST_FLOW_ERROR;
    }
  if (self->add_meta)
    gst_fc_buffer_pool_add_meta (self, *buffer);
  return GST_FLOW_OK;
}

/* Each buffer is for one cell, and goes with it. */
static void
gst_fc_buffer_pool_release (GstBufferPool *pool, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
}

static void
gst_fc_buffer_pool_reset (GstBufferPool *pool, GstBuffer *buffer)
{
}

static void
gst_fc_buffer_pool_finalize (GObject *object)
{
  GstFcBufferPool *self = GST_FC_BUFFER_POOL (object);

  gst_clear_caps (&self->caps);
  gst_clear_object (&self->allocator);
  gst_fc_slot_unref (self->slot);
  G_OBJECT_CLASS (gst_fc_buffer_pool_parent_class)->finalize (object);
}

static void
gst_fc_buffer_pool_class_init (GstFcBufferPoolClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstBufferPoolClass *pool_class = GST_BUFFER_POOL_CLASS (klass);

  object_class->finalize = gst_fc_buffer_pool_finalize;
  pool_class->get_options = gst_fc_buffer_pool_get_options;
  pool_class->set_config = gst_fc_buffer_pool_set_config;
  pool_class->start = gst_fc_buffer_pool_start;
  pool_class->stop = gst_fc_buffer_pool_stop;
  pool_class->acquire_buffer = gst_fc_buffer_pool_acquire;
  pool_class->release_buffer = gst_fc_buffer_pool_release;
  pool_class->reset_buffer = gst_fc_buffer_pool_reset;
}

static void
gst_fc_buffer_pool_init (GstFcBufferPool *self)
{
}

GstBufferPool *
gst_fc_buffer_pool_new (GstFcSlot *slot)
{
  GstFcBufferPool *self = g_object_new (GST_TYPE_FC_BUFFER_POOL, NULL);

  gst_object_ref_sink (self);
  self->slot = gst_fc_slot_ref (slot);
  return GST_BUFFER_POOL (self);
}
