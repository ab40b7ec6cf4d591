/* framecache: fcsink's statistics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SINK_STATS_H
#define GST_FC_SINK_STATS_H

#include <gst/gst.h>

#include "fc.h"

G_BEGIN_DECLS

/* WRITER, which may be NULL, writes SLOT in DIR; COPIED frames were copied
 * into cells. */
GstStructure *gst_fc_sink_stats_new (fc_writer_t *writer, const gchar *dir,
                                     const gchar *slot, guint64 copied);

G_END_DECLS

#endif /* GST_FC_SINK_STATS_H */
