/* framecache: a slot as a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_DEVICE_H
#define GST_FC_DEVICE_H

#include <gst/gst.h>

#include "fc.h"

G_BEGIN_DECLS

#define GST_TYPE_FC_DEVICE (gst_fc_device_get_type ())
G_DECLARE_FINAL_TYPE (GstFcDevice, gst_fc_device, GST, FC_DEVICE, GstDevice)

/* The slot that STAT is of; NULL where fcsrc could not read it: it is not a
 * stream of GStreamer's, or gone by now. Floating. */
GstFcDevice *gst_fc_device_new (const fc_slot_stat_t *stat);

const gchar *gst_fc_device_get_slot (GstFcDevice *self);

typedef enum
{
  GST_FC_DEVICE_SAME,
  GST_FC_DEVICE_CHANGED, /* but every filter lets through both, or neither */
  GST_FC_DEVICE_ANOTHER
} GstFcDeviceChange;

/* What NOW is, for those who know BEFORE. */
GstFcDeviceChange gst_fc_device_compare (GstFcDevice *before, GstFcDevice *now);

G_END_DECLS

#endif /* GST_FC_DEVICE_H */
