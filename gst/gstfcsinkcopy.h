/* framecache: a buffer's bytes on their way into a cell
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SINK_COPY_H
#define GST_FC_SINK_COPY_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* A slot's raw video lies as its caps say. A buffer whose GstVideoMeta tells
 * of other strides is laid out anew while it is copied. */
typedef struct
{
  gboolean is_raw;   /* decoded, of whatever kind */
  gboolean has_info; /* raw video in system memory */
  GstVideoInfo info;
} GstFcCopy;

void gst_fc_copy_set_caps (GstFcCopy *self, const GstCaps *caps);

/* Whether BUFFER's picture is brought into the layout of the caps while it is
 * copied; all else goes byte for byte. Asked once for a buffer: the others are
 * told. */
gboolean gst_fc_copy_rearranges (const GstFcCopy *self, GstBuffer *buffer);

/* Whether BUFFER, which lies in a cell, can be a frame as it is. */
gboolean gst_fc_copy_may_stay (const GstFcCopy *self, GstBuffer *buffer,
                               gboolean rearranges);

/* Bytes that a copy of BUFFER takes in a cell. */
gsize gst_fc_copy_size (const GstFcCopy *self, GstBuffer *buffer,
                        gboolean rearranges);

/* Copy it to DEST, which has room for that SIZE. */
gboolean gst_fc_copy_into (GstFcCopy *self, GstBuffer *buffer,
                           gboolean rearranges, gpointer dest, gsize size);

G_END_DECLS

#endif /* GST_FC_SINK_COPY_H */
