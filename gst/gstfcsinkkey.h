/* framecache: which frames decoding can start at, and who asked for one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_SINK_KEY_H
#define GST_FC_SINK_KEY_H

#include <gst/gst.h>

#include "fc.h"

G_BEGIN_DECLS

/* The streaming thread's. Zero-filled is as new. */
typedef struct
{
  guint nal_header; /* the byte of a buffer that has its NAL unit's type; 0:
                       buffers are whole pictures */
  gboolean start_codes;
  gboolean is_h265;
  gboolean headers_in_caps;

  gboolean seen_delta;
  gboolean in_run; /* of buffers that one key start is made of */
  gboolean run_has_picture;
  GstClockTime run_pts;

  gboolean wanted;   /* a consumer waits for a key frame */
  gboolean timed;    /* frames have running times */
  GstClockTime last; /* when upstream was last asked */
  guint count;       /* of times that it was */
} GstFcSinkKey;

/* A new format. */
void gst_fc_sink_key_set_caps (GstFcSinkKey *self, const GstCaps *caps);

/* BUFFER is about to be committed to WRITER with INFO, whose times and flags
 * are set but for FC_FRAME_KEY. Sets that where decoding can start, and passes
 * on upstream of PAD what consumers asked for since. */
void gst_fc_sink_key_frame (GstFcSinkKey *self, fc_writer_t *writer,
                            GstPad *pad, GstBuffer *buffer, fc_info_t *info);

G_END_DECLS

#endif /* GST_FC_SINK_KEY_H */
