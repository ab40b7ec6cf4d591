/* framecache: a consumer that outlives the memory it leased
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_ATTACHMENT_H
#define GST_FC_ATTACHMENT_H

#include <gst/gst.h>

#include "fc.h"

G_BEGIN_DECLS

/* An fc_consumer_t, the leases that are out as GstMemory, and whether waiting
 * is allowed. The element has one reference and each leased memory another,
 * so it does not matter in which order they go, or on which thread. */
typedef struct _GstFcAttachment GstFcAttachment;

/* OPTIONS->dir and the slot are also what gst_fc_attachment_unpark () looks
 * for. Returns NULL and sets *ERR where fc_consumer_open () fails. */
GstFcAttachment *gst_fc_attachment_new (const gchar *slot,
                                        const fc_consumer_options_t *options,
                                        int *err);
void gst_fc_attachment_unref (GstFcAttachment *self);

fc_consumer_t *gst_fc_attachment_get_consumer (GstFcAttachment *self);

/* Read-only memory over a leased frame: takes the lease, and ends it with the
 * memory. */
GstMemory *gst_fc_attachment_wrap (GstFcAttachment *self,
                                   const fc_frame_t *frame);

/* Not used until further notice: closed as soon as no lease is out. */
void gst_fc_attachment_park (GstFcAttachment *self);

/* Used again: TRUE where it is still open and is for this slot with these
 * options. */
gboolean gst_fc_attachment_unpark (GstFcAttachment *self, const gchar *slot,
                                   const fc_consumer_options_t *options);

/* Whether all waiting, in libfc and in gst_fc_attachment_wait_release (),
 * ends at once. Any thread. */
void gst_fc_attachment_set_interrupted (GstFcAttachment *self,
                                        gboolean interrupted);

/* Wait up to TIMEOUT ns for a lease to end. FALSE where none did. */
gboolean gst_fc_attachment_wait_release (GstFcAttachment *self,
                                         GstClockTime timeout);

G_END_DECLS

#endif /* GST_FC_ATTACHMENT_H */
