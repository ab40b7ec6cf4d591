/* framecache: how large a ring its caps ask for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_GEOMETRY_H
#define GST_FC_GEOMETRY_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Bytes of the largest frame of CAPS: told by the caps of raw video, else
 * WISHED, else (WISHED is 0) a guess to begin with. */
guint64 gst_fc_frame_size (const GstCaps *caps, guint64 wished);

/* A frame of SIZE bytes came that CURRENT has no room for: what has. */
guint64 gst_fc_grown_frame_size (guint64 current, guint64 size);

/* Frames of history: HISTORY (ns) where it is not 0 and the caps have a frame
 * rate, else WISHED where that is not 0, else as many as are sensible. */
guint gst_fc_ring_depth (const GstCaps *caps, guint wished, guint64 history,
                         guint64 frame_size);

G_END_DECLS

#endif /* GST_FC_GEOMETRY_H */
