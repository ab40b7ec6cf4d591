/* framecache: a pool of buffers that lie in the ring
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_POOL_H
#define GST_FC_POOL_H

#include <gst/gst.h>

#include "gstfcslot.h"

G_BEGIN_DECLS

#define GST_TYPE_FC_BUFFER_POOL (gst_fc_buffer_pool_get_type ())
G_DECLARE_FINAL_TYPE (GstFcBufferPool, gst_fc_buffer_pool, GST, FC_BUFFER_POOL,
                      GstBufferPool)

/* For raw video into SLOT. A buffer lies in a cell of the ring where one is
 * free, else in ordinary memory: there is no limit to their number, and
 * nobody waits for one. */
GstBufferPool *gst_fc_buffer_pool_new (GstFcSlot *slot);

G_END_DECLS

#endif /* GST_FC_POOL_H */
