/* framecache: what fcsink and fcsrc share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_COMMON_H
#define GST_FC_COMMON_H

#include <gst/gst.h>

#include "fc.h"

G_BEGIN_DECLS

#define GST_FC_AUTHOR "The framecache developers"

/* Values of GST_TYPE_FC_SHARE are those of fc_share_t. */
#define GST_TYPE_FC_SHARE (gst_fc_share_get_type ())
GType gst_fc_share_get_type (void);

/* Now on CLOCK_MONOTONIC, ns. */
guint64 gst_fc_monotonic (void);

/* For the log field of libfc's options: USER_DATA is the GstDebugCategory to
 * log to. It holds no object, for a handle may outlive its element. */
void gst_fc_log (fc_log_level_t level, const char *message, void *user_data);

/* Post an error message for ERR, which the last call of libfc on this thread
 * returned: its code fits ERR (FALLBACK where none does), its text is libfc's
 * sentence and WHAT goes to the debug details. */
#define GST_FC_ELEMENT_ERROR(element, err, fallback, what)                     \
  gst_fc_element_error (GST_ELEMENT (element), (err), (fallback), (what),      \
                        __FILE__, GST_FUNCTION, __LINE__)
void gst_fc_element_error (GstElement *element, int err,
                           GstResourceError fallback, const gchar *what,
                           const gchar *file, const gchar *function, gint line);

/* A buffer's flags on their way into a frame and out of it. */
void gst_fc_info_set_flags (fc_info_t *info, GstBuffer *buffer);
GstBufferFlags gst_fc_info_get_flags (const fc_info_t *info);

/* Frame rate of CAPS, frames in a second as a fraction; FALSE where they have
 * none. */
gboolean gst_fc_caps_framerate (const GstCaps *caps, gint *num, gint *denom);
/* The same as the duration of a frame, ns; GST_CLOCK_TIME_NONE where they have
 * none. */
GstClockTime gst_fc_caps_frame_duration (const GstCaps *caps);

/* Whether TEXT, of caps or a structure, has brackets within brackets further
 * than anything real: GStreamer's parser calls itself for each of them, until
 * the stack ends. To be asked of texts that another process wrote. */
gboolean gst_fc_text_is_deep (const gchar *text);

/* The caps that a slot's format of SIZE bytes describes, or NULL where that is
 * not the format of a stream. */
GstCaps *gst_fc_caps_from_format (const void *format, gsize size);

G_END_DECLS

#endif /* GST_FC_COMMON_H */
