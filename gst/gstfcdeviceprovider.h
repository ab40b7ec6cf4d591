/* framecache: which slots there are, for GstDeviceMonitor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_DEVICE_PROVIDER_H
#define GST_FC_DEVICE_PROVIDER_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_FC_DEVICE_PROVIDER (gst_fc_device_provider_get_type ())
G_DECLARE_FINAL_TYPE (GstFcDeviceProvider, gst_fc_device_provider, GST,
                      FC_DEVICE_PROVIDER, GstDeviceProvider)

GST_DEVICE_PROVIDER_REGISTER_DECLARE (fcdeviceprovider);

G_END_DECLS

#endif /* GST_FC_DEVICE_PROVIDER_H */
