/* framecache: fcsrc and what downstream understands of a frame's layout
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcsrc-private.h"

#define GST_CAT_DEFAULT gst_fc_src_debug

/* Copies are for those who compute with them: whole cache lines, and the
 * widest vectors. */
#define ALIGN 63

/* Memory that copies go into, where downstream has no wishes that go further.
 * Leased frames begin on a page and have no room before or after them: what
 * downstream asks for there, it can not count on with any source. */
static void
gst_fc_src_settle_params (GstQuery *query)
{
  GstAllocator *allocator = NULL;
  GstAllocationParams params;

  if (gst_query_get_n_allocation_params (query) == 0)
    {
      gst_allocation_params_init (&params);
      params.align = ALIGN;
      gst_query_add_allocation_param (query, NULL, &params);
      return;
    }
  gst_query_parse_nth_allocation_param (query, 0, &allocator, &params);
  if (allocator == NULL && (params.align & ALIGN) != ALIGN)
    {
      params.align |= ALIGN;
      gst_query_set_nth_allocation_param (query, 0, NULL, &params);
    }
  gst_clear_object (&allocator);
}

/* Copies of raw video go into a pool, for a first touch of memory costs more
 * than the copy. What downstream offers goes before. */
void
gst_fc_src_settle_allocation (GstFcSrc *self, GstQuery *query)
{
  const GstFcLayout *layout = &self->metas.layout;
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, NULL);
  self->takes_video_meta
      = gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_fc_src_settle_params (query);
  if (gst_query_get_n_allocation_pools (query) == 0 && caps != NULL
      && layout->has_video)
    gst_query_add_allocation_pool (
        query, NULL, (guint) GST_VIDEO_INFO_SIZE (&layout->video), 0, 0);
}

static gboolean
gst_fc_src_copy_picture (const GstVideoInfo *info, GstBuffer *to,
                         GstBuffer *from)
{
  GstVideoFrame in, out;
  gboolean ok = FALSE;

  if (!gst_video_frame_map (&in, info, from, GST_MAP_READ))
    return FALSE;
  if (gst_video_frame_map (&out, info, to, GST_MAP_WRITE))
    {
      ok = gst_video_frame_copy (&out, &in);
      gst_video_frame_unmap (&out);
    }
  gst_video_frame_unmap (&in);
  return ok;
}

GstBuffer *
gst_fc_src_pack (GstFcSrc *self, const fc_frame_t *frame, GstBuffer *copy)
{
  const GstVideoInfo *info = &self->metas.layout.video;
  const gsize size = GST_VIDEO_INFO_SIZE (info);
  GstBuffer *from, *to = gst_fc_src_allocate (self, size, FALSE);

  if (to == NULL)
    return NULL;
  if (copy != NULL)
    from = gst_buffer_copy_region (copy, GST_BUFFER_COPY_MEMORY, 0, -1);
  else
    from
        = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, frame->data,
                                       frame->size, 0, frame->size, NULL, NULL);
  if (gst_fc_video_layout_add (&self->metas.video, info, from) == NULL
      || !gst_fc_src_copy_picture (info, to, from)
      || (copy == NULL && fc_frame_intact (self->consumer, frame) != 1))
    gst_clear_buffer (&to);
  gst_buffer_unref (from);
  if (to != NULL && gst_buffer_get_video_meta (to) == NULL)
    gst_buffer_set_size (to, (gssize) size);
  self->metas.packed = to != NULL;
  return to;
}
