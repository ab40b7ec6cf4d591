/* framecache: what a late joiner of a stream is told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_STICKY_H
#define GST_FC_STICKY_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Stream-start's id and flags, the segment and the tags of either scope, as
 * they stand in the slot's sticky block. */
typedef struct
{
  gchar *stream_id;
  guint stream_flags;
  gboolean has_segment;
  GstSegment segment;
  GstTagList *tags[2]; /* by GstTagScope */
} GstFcSticky;

void gst_fc_sticky_clear (GstFcSticky *self);

/* Take in EVENT. Whether that changed anything. */
gboolean gst_fc_sticky_take (GstFcSticky *self, GstEvent *event);

/* The block, of at most FC_STICKY_MAX bytes. *LEFT_OUT, unless there is
 * nothing, becomes the names of the tags that do not travel, to be freed. */
GString *gst_fc_sticky_serialize (const GstFcSticky *self, gchar **left_out);

/* The other way round; FALSE where DATA is nothing that this plugin wrote.
 * SELF is cleared before. */
gboolean gst_fc_sticky_parse (GstFcSticky *self, const gchar *data, gsize size);

G_END_DECLS

#endif /* GST_FC_STICKY_H */
