/* framecache: the GStreamer plugin
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>

#include "gstfcdeviceprovider.h"
#include "gstfcsink.h"
#include "gstfcsrc.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  gboolean ok = GST_ELEMENT_REGISTER (fcsink, plugin);

  ok = GST_ELEMENT_REGISTER (fcsrc, plugin) && ok;
  return GST_DEVICE_PROVIDER_REGISTER (fcdeviceprovider, plugin) && ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, fc,
                   "Shared-memory frame rings: one process writes, any number"
                   " read",
                   plugin_init, PACKAGE_VERSION, "LGPL", PACKAGE,
                   "framecache.org")
