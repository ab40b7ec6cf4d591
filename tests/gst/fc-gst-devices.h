/* framecache: what the tests of devices share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_DEVICES_H
#define FC_GST_DEVICES_H

#include "fc-gst-test.h"

#define RAW "video/x-raw,format=GRAY8,width=8,height=8,framerate=25/1"
#define RAW_2 "video/x-raw,format=GRAY8,width=16,height=4,framerate=25/1"
#define AUDIO "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved"
#define CODED "video/x-h264,stream-format=byte-stream,alignment=au"

/* A small slot of frames of 64 bytes, with these caps, or with none. */
fc_writer_options_t fct_ring_of (const gchar *caps);
fc_writer_t *fct_writer_of (const gchar *slot, const gchar *caps);

/* The path of a file in the slot directory, to be freed. */
gchar *fct_in_dir (const gchar *name);
/* By a rename into place, as rings come. */
void fct_put_file (const gchar *name, const gchar *bytes);

/* With a filter; CAPS may be NULL. GStreamer 1.22 lets only one monitor at a
 * time hear of a provider's devices. */
GstDeviceMonitor *fct_monitor_new (const gchar *classes,
                                   const gchar *caps_text);
GstDeviceMonitor *fct_monitor_start (const gchar *classes,
                                     const gchar *caps_text);
void fct_monitor_stop (GstDeviceMonitor *monitor);

void fct_expect_name (GstDevice *device, const gchar *name);
void fct_expect_caps (GstDevice *device, const gchar *text);
void fct_expect_class (GstDevice *device, const gchar *expected);
gboolean fct_has_state (GstDevice *device, const gchar *state);

/* The display names of all devices, in order, with spaces between them. */
gchar *fct_names_of (GstDeviceMonitor *monitor);
void fct_expect_names (GstDeviceMonitor *monitor, const gchar *expected);

#endif /* FC_GST_DEVICES_H */
