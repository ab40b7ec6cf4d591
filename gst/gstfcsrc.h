/* framecache: fcsrc, frames out of a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SRC_H
#define GST_FC_SRC_H

#include <gst/base/gstpushsrc.h>

G_BEGIN_DECLS

#define GST_TYPE_FC_SRC (gst_fc_src_get_type ())
G_DECLARE_FINAL_TYPE (GstFcSrc, gst_fc_src, GST, FC_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE (fcsrc)

G_END_DECLS

#endif /* GST_FC_SRC_H */
