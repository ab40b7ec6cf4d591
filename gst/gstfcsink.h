/* framecache: fcsink, frames into a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SINK_H
#define GST_FC_SINK_H

#include <gst/base/gstbasesink.h>

G_BEGIN_DECLS

#define GST_TYPE_FC_SINK (gst_fc_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstFcSink, gst_fc_sink, GST, FC_SINK, GstBaseSink)

GST_ELEMENT_REGISTER_DECLARE (fcsink)

G_END_DECLS

#endif /* GST_FC_SINK_H */
